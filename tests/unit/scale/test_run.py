"""Tiles give the clusters of `dbscan`, label by label, however the points are cut."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haversine_dbscan.clustering import dbscan
from taxi_mlops.arrow import as_numpy
from taxi_mlops.errors import DataError
from taxi_mlops.scale.executors import Inline
from taxi_mlops.scale.pieces import array_pieces
from taxi_mlops.scale.plan import Plan, make_plan
from taxi_mlops.scale.run import Limits, Tiled, Tiling, survey_pieces
from taxi_mlops.scale.sketch import SketchCounter
from taxi_mlops.scale.spill import Spill
from taxi_mlops.testing.cases import around
from taxi_mlops.trials.clusterings import canonical_labels

EPS = 50.0
PLACES = [(-33.45, -70.66), (-17.0, 180.0), (0.0, 0.0), (69.999, 20.0), (-70.0, -180.0), (90.0, 0.0), (-89.9995, 77.0)]
TINY = Limits(points_of_a_tile=12, chunk_rows=150, smallest_gain=1.1)
"""Tiles are cut down to single cells, which are smaller than their halos."""


def run(pieces, eps, min_samples, limits, folder, progress=lambda *_: None, by_point=False) -> tuple[Tiled, Plan]:
    survey = survey_pieces(pieces, eps, limits, Inline(), progress)
    plan = make_plan(survey.sketch, survey.box, eps, limits.points_of_a_tile, limits.smallest_gain)
    (folder / "labels").mkdir(exist_ok=True)
    spill = Spill.at(folder / "spill")
    tiling = Tiling(plan, pieces, survey.rows, min_samples, limits, spill, Inline(), progress, by_point)
    return tiling.run(folder / "labels"), plan


def clustered(latitude, longitude, eps, min_samples, limits, weight=None, piece_rows=100, by_point=False):
    """What the parts hold: labels, core flags, and what was counted."""
    with tempfile.TemporaryDirectory() as name:
        tiled, plan = run(
            array_pieces(latitude, longitude, weight, piece_rows),
            eps,
            min_samples,
            limits,
            Path(name),
            by_point=by_point,
        )
        parts = [pq.read_table(part) for part in tiled.parts]
    types = {"row": np.int64, "label": np.int32, "core": np.bool_}
    row, label, core = (
        np.concatenate([np.empty(0, kind), *[as_numpy(part[name]) for part in parts]]) for name, kind in types.items()
    )
    np.testing.assert_array_equal(row, np.arange(len(latitude)))
    return label, core, tiled, plan


def assert_same(latitude, longitude, eps, min_samples, limits, weight=None, piece_rows=100, by_point=False):
    arguments = latitude, longitude, eps, min_samples, limits, weight, piece_rows, by_point
    label, core, tiled, plan = clustered(*arguments)
    expected, expected_core = dbscan(latitude, longitude, eps, min_samples, weight)
    if by_point:
        expected = canonical_labels(expected)
    np.testing.assert_array_equal(core, expected_core)
    np.testing.assert_array_equal(label, expected)
    assert (tiled.points, tiled.n_noise, tiled.n_core) == (len(label), (label == -1).sum(), core.sum())
    np.testing.assert_array_equal(tiled.sizes, np.bincount(label[label >= 0], minlength=tiled.n_clusters))
    assert tiled.n_clusters == label.max(initial=-1) + 1
    assert (len(tiled.labels), tiled.sample_step) == (len(label), 1)
    return plan


def snake(seed, n, place, step=0.5):
    """A random walk with steps of about so many eps: clusters wind through many tiles. Some points are there twice."""
    random = np.random.default_rng(seed)
    metres = np.cumsum(random.normal(0.0, step * EPS, (n, 2)), axis=0)
    metres[random.integers(0, n, n // 10)] = metres[random.integers(0, n, n // 10)]
    points = around(metres[:, 0], metres[:, 1], place)
    return points.latitude, points.longitude


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 70),
    place=st.sampled_from(PLACES),
    step=st.sampled_from([0.1, 0.5, 0.8]),
    min_samples=st.integers(1, 8),
    points_of_a_tile=st.sampled_from([2, 12, 40]),
    chunk_rows=st.sampled_from([17, 30, 1000]),
    piece_rows=st.sampled_from([23, 100]),
    smallest_gain=st.sampled_from([0.9, 1.1]),
    weighted=st.booleans(),
    by_point=st.booleans(),
)
def test_random_walks(
    seed, n, place, step, min_samples, points_of_a_tile, chunk_rows, piece_rows, smallest_gain, weighted, by_point
):
    latitude, longitude = snake(seed, n, place, step)
    weight = np.random.default_rng(seed).integers(0, 4, n) / 2.0 if weighted else None
    limits = Limits(points_of_a_tile, chunk_rows, smallest_gain=smallest_gain)
    assert_same(latitude, longitude, EPS, min_samples, limits, weight, piece_rows, by_point)


@settings(max_examples=30, deadline=None)
@given(
    offsets=st.lists(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), min_size=1, max_size=40),
    place=st.sampled_from([(0.0, 0.0), (45.0, 180.0), (-33.75, -70.3125), (90.0, 0.0)]),
    radius=st.sampled_from([0.7, 1.0, 1.5, 2.3]),
    min_samples=st.integers(1, 6),
)
def test_lattices_on_the_edges_of_cells(offsets, place, radius, min_samples):
    """Points in the middle and on the edges of cells and tiles, often several on one place."""
    step = 180.0 / 2**18
    away = np.array(offsets) * step / 2.0
    latitude = np.clip(place[0] + away[:, 0], -90.0, 90.0)
    longitude = (place[1] + away[:, 1] * (1.0 if abs(place[0]) < 90.0 else 1e4) + 180.0) % 360.0 - 180.0
    eps = radius * step * 111_195.0
    assert_same(latitude, longitude, eps, min_samples, replace(TINY, points_of_a_tile=1))


@pytest.mark.parametrize("place", [PLACES[1], PLACES[5]])
def test_clusters_wind_through_dozens_of_tiles(place):
    latitude, longitude = snake(3, 400, place)
    plan = assert_same(latitude, longitude, EPS, 5, TINY, piece_rows=333)
    assert len(plan.tiles) > 30
    assert plan.halo_share > 1.0


@pytest.mark.parametrize(("eps", "tiles"), [(2e5, 20), (1e6, 5), (2.9e6, 1), (1.2e7, 1)])
def test_all_over_the_world(eps, tiles):
    random = np.random.default_rng(1)
    latitude, longitude = np.degrees(np.arcsin(random.uniform(-1, 1, 300))), random.uniform(-180, 180, 300)
    longitude[:5] = [-180.0, 180.0, 180.0, -180.0, 0.0]
    latitude[:4] = [90.0, -90.0, 0.0, 0.0]
    plan = assert_same(latitude, longitude, eps, 4, Limits(60, 100, smallest_gain=1.1))
    assert len(plan.tiles) >= tiles


def test_permuted_points_have_permuted_clusters():
    latitude, longitude = snake(5, 200, PLACES[0])
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(200)
        assert_same(latitude[order], longitude[order], EPS, 6, TINY)


def test_single_precision():
    latitude, longitude = (values.astype(np.float32) for values in snake(8, 200, PLACES[0], 0.8))
    assert_same(latitude, longitude, EPS, 4, TINY)


@pytest.mark.parametrize("step", [2, 7])
def test_a_histogram_of_some_points_is_enough(step):
    latitude, longitude = snake(9, 200, PLACES[0])
    assert_same(latitude, longitude, EPS, 5, replace(TINY, step=step))


def test_rows_that_repeat_themselves_are_all_counted():
    """Every second row is in one place: a histogram of every second row would miss it."""
    counter = SketchCounter(10)
    counter.add(np.tile([10.0, 20.0], 10_000), np.zeros(20_000), step=2)
    sketch = counter.finish()
    np.testing.assert_allclose(sketch.count, [10_000, 10_000], rtol=0.05)


def test_unfinished_parts_of_a_killed_process_are_removed(tmp_path):
    latitude, longitude = snake(12, 100, PLACES[0])
    unfinished = tmp_path / "labels" / "part-00000.parquet.7.part"
    unfinished.parent.mkdir()
    unfinished.write_bytes(b"PAR1")
    run(array_pieces(latitude, longitude, None, 100), EPS, 4, TINY, tmp_path)
    assert [path.name for path in unfinished.parent.iterdir()] == ["part-00000.parquet"]


def test_a_histogram_that_is_full_becomes_coarser():
    latitude, longitude = snake(10, 300, PLACES[1])
    plan = assert_same(latitude, longitude, EPS, 5, replace(TINY, cells=16))
    assert plan.cell_degrees > 0.001


def test_a_tile_that_lacks_memory_is_named_with_what_it_wants(tmp_path):
    """As where a worker's memory is limited: the engine gets none."""

    def hungry(*_):
        raise MemoryError

    latitude, longitude = np.full(500, 10.0), np.full(500, 20.0)
    survey = survey_pieces(array_pieces(latitude, longitude, None, 100), EPS, TINY, Inline(), lambda *_: None)
    plan = make_plan(survey.sketch, survey.box, EPS, TINY.points_of_a_tile)
    tasks = []

    class Collecting:
        def run(self, function, given, at_once=None):
            tasks.extend(given)
            return Inline().run(function, given, at_once)

    pieces, spill = array_pieces(latitude, longitude, None, 100), Spill.at(tmp_path / "spill")
    tiling = Tiling(plan, pieces, survey.rows, 5, TINY, spill, Collecting(), lambda *_: None, engine=hungry)
    with pytest.raises(MemoryError):
        tiling.run(tmp_path)
    assert str(tasks[-1]) == "tile 0 (of 500 points, with up to 0 around it, which need up to 250 MB)"


def test_points_on_one_place_are_a_tile():
    latitude, longitude = np.full(500, 10.0), np.full(500, 20.0)
    plan = assert_same(latitude, longitude, EPS, 100, Limits(10, 77))
    assert plan.oversize == (0,)


def test_negative_weights_are_refused():
    latitude, longitude = snake(5, 50, PLACES[0])
    weight = np.where(np.arange(50) == 30, -0.5, 1.0)
    with pytest.raises(DataError, match=r"a weight is -0\.5: points in tiles cannot have negative weights"):
        clustered(latitude, longitude, EPS, 3, TINY, weight)


def test_no_points():
    label, core, tiled, _plan = clustered(np.empty(0), np.empty(0), EPS, 3, TINY)
    assert len(label) == len(core) == tiled.n_clusters == 0


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch):
    latitude, longitude = snake(11, 300, PLACES[0])
    pieces, stages = array_pieces(latitude, longitude, None, 100), []
    first, _ = run(pieces, EPS, 4, TINY, tmp_path, lambda stage, *_: stages.append(stage))
    assert list(dict.fromkeys(stages)) == ["survey", "scatter", "cluster", "label"]
    for name in ("spill.chunk_content", "stages.read_tile"):
        monkeypatch.setattr(f"taxi_mlops.scale.{name}", lambda *_: pytest.fail("done twice"))
    second, _ = run(pieces, EPS, 4, TINY, tmp_path)
    np.testing.assert_array_equal(first.sizes, second.sizes)
    assert first.n_core == second.n_core
