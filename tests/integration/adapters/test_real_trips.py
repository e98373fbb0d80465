"""The adapters on trips of Santiago, against scikit-learn."""

from __future__ import annotations

from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from taxi_mlops.adapters.registry import load_adapter
from taxi_mlops.adapters.sklearn_parallel import SklearnParallelAdapter
from taxi_mlops.domain import Clustering, Parameters, Points, Resources
from taxi_mlops.errors import AdapterUnavailableError
from taxi_mlops.evaluation.equivalence import Verdict, check_equivalence
from taxi_mlops.testing.cases import make_points

PARAMETERS = [Parameters(50.0, 5), Parameters(100.0, 10), Parameters(200.0, 50)]


@pytest.fixture(scope="module")
def points(shared_data: Path) -> Points:
    """30,000 pickups; coordinates have four decimals, so that many coincide and many distances are alike."""
    columns = ["origin_latitude", "origin_longitude"]
    trips = pq.read_table(shared_data / "santiago_taxi_od.parquet", columns=columns)
    drawn = np.random.default_rng(0).choice(trips.num_rows, 30_000, replace=False)
    return make_points(*(trips.column(name).to_numpy()[drawn] for name in columns))


@pytest.fixture(scope="module")
def reference(points: Points):
    @cache
    def fit(parameters: Parameters) -> Clustering:
        adapter = load_adapter("sklearn")
        return adapter.fit(adapter.prepare(points, parameters, Resources(threads=1)))

    return fit


@pytest.mark.parametrize("parameters", PARAMETERS, ids=lambda p: f"{p.eps_metres:g}m")
@pytest.mark.parametrize(
    ("adapter", "threads"), [(SklearnParallelAdapter(500, 10_000), 1), (SklearnParallelAdapter(), 2)]
)
def test_tiles_are_equal_to_sklearn(points, reference, parameters, adapter, threads) -> None:
    problem = adapter.prepare(points, parameters, Resources(threads=threads))
    # Left open, its processes would hold the pipes of the browser's driver, whose end then never comes.
    with closing(adapter):
        adapter.warm_up(problem)
        tiled = adapter.fit(problem)
    truth = reference(parameters)
    assert tiled.about["tiles"] > 10
    np.testing.assert_array_equal(tiled.core_mask, truth.core_mask)
    np.testing.assert_array_equal(tiled.labels[truth.core_mask], truth.labels[truth.core_mask])
    assert check_equivalence(points, parameters, truth, tiled).verdict is Verdict.EQUAL


@pytest.mark.parametrize("name", ["sklearn-njobs", "sklearnex"])
def test_exact_adapters_are_equal_to_sklearn(points, reference, name) -> None:
    try:
        adapter = load_adapter(name)
    except AdapterUnavailableError as error:
        pytest.skip(str(error))
    for parameters in PARAMETERS:
        found = adapter.fit(adapter.prepare(points, parameters, Resources(threads=2)))
        verdict = check_equivalence(points, parameters, reference(parameters), found).verdict
        assert verdict in {Verdict.EQUAL, Verdict.EQUAL_WITHIN_ROUNDING}
