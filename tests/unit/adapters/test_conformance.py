"""Every adapter of ours passes the suite that outsiders run."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from taxi_mlops.adapters.dbscan import DbscanAdapter
from taxi_mlops.adapters.fast_hdbscan import FastHdbscanAdapter
from taxi_mlops.adapters.hdbscan import HdbscanAdapter
from taxi_mlops.adapters.mlpack import MlpackAdapter
from taxi_mlops.adapters.open3d import Open3dAdapter
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


@needs("open3d")
class TestOpen3d(AdapterConformance):
    adapter = Open3dAdapter()


@needs("mlpack")
class TestMlpack(AdapterConformance):
    adapter = MlpackAdapter()


@needs("fast_hdbscan")
class TestFastHdbscan(AdapterConformance):
    adapter = FastHdbscanAdapter()
