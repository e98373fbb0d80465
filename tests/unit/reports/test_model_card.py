from __future__ import annotations

from datetime import UTC, datetime

import pytest

from taxi_mlops.evaluation.equivalence import Verdict
from taxi_mlops.reports.model_card import changes, facts, markdown
from taxi_mlops.results.cluster_result import AdapterUsed
from taxi_mlops.results.comparison import ClusteringParametersUsed, Dataset
from taxi_mlops.results.model_card import (
    Changes,
    Difference,
    HeldOut,
    Merger,
    ModelCard,
    Proof,
    Split,
    UnseenScore,
)
from taxi_mlops.trials.machine import describe_machine


@pytest.fixture
def card() -> ModelCard:
    score = UnseenScore(score=0.8, low=0.75, high=0.85, share_inside=0.6, share_of_area=0.1, curve=((0, 0), (1, 1)))
    return ModelCard(
        name="city",
        created_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        dataset=Dataset(
            uri="a.csv", schema="generic", data_version="v", rows_read=10, rows_used=10, points=10, weighted=False,
            dropped={}, notes=(), fingerprint="f" * 64,
        ),
        trained_on=8,
        parameters=ClusteringParametersUsed(eps_metres=100.0, min_samples=5),
        adapter=AdapterUsed(name="grid", version="1", exact=True),
        adapter_reason="It was named.",
        proof=Proof(reference="sklearn", points=8, verdict=Verdict.EQUAL, points_differing=0),
        time_column="at",
        n_hotspots=2,
        n_places=6,
        n_noise=1,
        next_id=3,
        held_out=HeldOut(points=2, drawn="last by time", since="2016-06-01 12:00:00"),
        unseen=score,
        against_champion=Difference(version="1", other=score, difference=-0.01, low=-0.02, high=0.001),
        changes=Changes(
            version="1", hotspots_before=4, kept=2, born=(7,), vanished=(3,),
            splits=(Split(id=1, into=(1, 8)),), mergers=(Merger(id=2, of=(2, 4)),),
        ),
        seconds={"fit": 0.1},
        warnings=("Few trips.",),
        machine=describe_machine(),
    )  # fmt: skip


def test_the_facts_of_a_card(card):
    said = dict(facts(card))
    assert said["unseen-trip score"] == "0.8000 [0.7500, 0.8500]; 0.5 is chance, 1 the best"
    assert said["unseen trips inside"] == "60.0% of the trips on 10.0% of the area"
    assert said["against champion, version 1"] == (
        "−0.0100 [−0.0200, +0.0010] on the same trips, on which it has 0.8000"
    )
    assert said["proof"] == "equal to the clustering of sklearn, on 8 points"
    assert said["held out"] == "2 trips, last by time, since 2016-06-01 12:00:00"


def test_what_is_missing_is_said(card):
    bare = card.model_copy(update={"unseen": None, "held_out": None, "proof": None, "time_column": None})
    said = dict(facts(bare))
    assert said["unseen-trip score"] == "none: nothing was held out"
    assert said["proof"].startswith("none: no second implementation")
    assert said["times"] == "none"


def test_the_changes_in_sentences(card):
    assert list(changes(card.changes)) == [
        "2 of 4 hotspots keep their id.",
        "1 are new: 7.",
        "1 have vanished (25.0%): 3.",
        "1 are split: 1 into 1, 8.",
        "1 hold several: 2, 4 are now 2.",
    ]


def test_the_card_as_markdown(card):
    text = markdown(card)
    assert text.startswith("# Hotspot model city\n\n- **hotspots**: 2, of 6 places with core points\n")
    assert "## Against version 1" in text
    assert "## Warnings\n\n- Few trips.\n" in text
