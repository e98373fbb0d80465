from __future__ import annotations

from taxi_mlops.models.lineage import trace
from taxi_mlops.results.model_card import Merger, Split


def test_hotspots_keep_their_ids_whatever_their_order(model_of):
    old = model_of([0.0, 0.0005], [0.1], [0.2], ids=[11, 12, 13])
    found = trace(old, model_of([0.2], [0.0, 0.0006], [0.1001]), "3", 14)
    assert found.ids.tolist() == [13, 11, 12]
    changes = found.changes
    assert (changes.version, changes.hotspots_before, changes.kept) == ("3", 3, 3)
    assert changes.born == changes.vanished == changes.splits == changes.mergers == ()


def test_births_get_ids_that_no_version_had_and_deaths_are_listed(model_of):
    found = trace(model_of([0.0], [0.1], ids=[1, 2]), model_of([0.5], [0.1], [0.7]), "1", 9)
    assert found.ids.tolist() == [9, 2, 10]
    assert (found.changes.born, found.changes.vanished, found.changes.share_vanished) == ((9, 10), (1,), 0.5)


def test_the_most_similar_part_of_a_split_keeps_the_id(model_of):
    whole = [0.0, 0.0005, 0.001, 0.0015, 0.002]
    found = trace(model_of(whole, ids=[5]), model_of(whole[3:], whole[:3]), "1", 6)
    assert found.ids.tolist() == [6, 5]
    assert found.changes.splits == (Split(id=5, into=(5, 6)),)
    assert (found.changes.born, found.changes.vanished, found.changes.mergers) == ((), (), ())


def test_the_most_similar_of_those_merged_gives_its_id(model_of):
    whole = [0.0, 0.0005, 0.001, 0.0015, 0.002]
    found = trace(model_of(whole[3:], whole[:3], ids=[5, 6]), model_of(whole), "1", 7)
    assert found.ids.tolist() == [6]
    assert found.changes.mergers == (Merger(id=6, of=(6, 5)),)
    assert (found.changes.born, found.changes.vanished, found.changes.kept) == ((), (), 1)


def test_versions_without_hotspots_correspond_to_nothing(model_of):
    assert trace(model_of(), model_of([0.0]), "1", 3).ids.tolist() == [3]
    assert trace(model_of([0.0], ids=[2]), model_of(), "1", 3).changes.vanished == (2,)
