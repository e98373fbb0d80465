"""The adapters in tiles pass the suite on real workers, and are measured like the others."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from haversine_dbscan.clustering import dbscan_with_rivals
from taxi_mlops.adapters.grid_dask import GridDaskAdapter
from taxi_mlops.adapters.grid_ray import GridRayAdapter
from taxi_mlops.adapters.grid_tiles import GridTilesAdapter
from taxi_mlops.adapters.sklearn_dask import SklearnDaskAdapter, cluster_with_sklearn
from taxi_mlops.domain import Parameters, Resources
from taxi_mlops.testing.cases import around
from taxi_mlops.testing.conformance import AdapterConformance
from taxi_mlops.trials.clusterings import canonical_labels


def needs(library: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(library) is None, reason=f"{library} is not installed")


class TestGridTiles(AdapterConformance):
    adapter = GridTilesAdapter()


@needs("distributed")
class TestGridDask(AdapterConformance):
    adapter = GridDaskAdapter()


@needs("ray")
class TestGridRay(AdapterConformance):
    adapter = GridRayAdapter()


@needs("distributed")
class TestSklearnDask(AdapterConformance):
    adapter = SklearnDaskAdapter()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_scikit_learn_finds_the_rivals_of_the_engine(seed: int, weighted: bool) -> None:
    """Sparse points, where many border points lie between clusters."""
    random = np.random.default_rng(seed)
    points = around(random.uniform(0, 2_000, 1_500), random.uniform(0, 2_000, 1_500))
    weight = random.integers(1, 3, 1_500).astype(np.float64) if weighted else None
    ours = dbscan_with_rivals(points.latitude, points.longitude, 60.0, 7, weight, 1)
    labels, core, rivals = cluster_with_sklearn(points.latitude, points.longitude, 60.0, 7, weight, 1)
    np.testing.assert_array_equal(core, ours[1])
    np.testing.assert_array_equal(canonical_labels(labels), canonical_labels(ours[0]))
    assert len(rivals.point) > 10
    assert set(zip(*map(np.ndarray.tolist, rivals), strict=True)) == set(
        zip(*map(np.ndarray.tolist, ours[2]), strict=True)
    )


def test_files_and_workers_are_gone_after_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    adapter, points = GridTilesAdapter(), around([0.0, 1.0, 2.0], [0.0, 0.0, 0.0])
    problem = adapter.prepare(points, Parameters(10.0, 2), Resources(threads=2))
    adapter.warm_up(problem)
    answer = adapter.fit(problem)
    assert answer.labels.tolist() == [0, 0, 0]
    assert answer.about["workers"] == 2
    assert [path.name for path in problem.folder.iterdir() if path.is_dir()] == []
    adapter.close()
    assert list(tmp_path.iterdir()) == []
