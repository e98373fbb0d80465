"""Every adapter of ours passes the suite that outsiders run."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from taxi_mlops.adapters.dbscan import DbscanAdapter
from taxi_mlops.adapters.hdbscan import HdbscanAdapter
from taxi_mlops.adapters.sklearn import SklearnAdapter
from taxi_mlops.adapters.sklearn_njobs import SklearnNJobsAdapter
from taxi_mlops.adapters.sklearn_parallel import SklearnParallelAdapter
from taxi_mlops.adapters.sklearnex import SklearnexAdapter
from taxi_mlops.testing.conformance import AdapterConformance


def needs(library: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(library) is None, reason=f"{library} is not installed")


class TestSklearn(AdapterConformance):
    adapter = SklearnAdapter()


class TestSklearnNJobs(AdapterConformance):
    adapter = SklearnNJobsAdapter()


class TestSklearnParallel(AdapterConformance):
    adapter = SklearnParallelAdapter()


class TestSklearnParallelInSmallTiles(AdapterConformance):
    adapter = SklearnParallelAdapter(tiles_per_process=100_000, pairs_at_once=50)


@needs("dbscan")
class TestDbscan(AdapterConformance):
    adapter = DbscanAdapter()


@needs("sklearnex")
class TestSklearnex(AdapterConformance):
    adapter = SklearnexAdapter()


@needs("hdbscan")
class TestHdbscan(AdapterConformance):
    adapter = HdbscanAdapter()
