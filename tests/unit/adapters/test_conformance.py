"""Every adapter of ours passes the suite that outsiders run."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from taxi_mlops.adapters.dbscan import DbscanAdapter
from taxi_mlops.adapters.dbscan_plane import DbscanPlaneAdapter
from taxi_mlops.adapters.fast_hdbscan import FastHdbscanAdapter
from taxi_mlops.adapters.hdbscan import HdbscanAdapter
from taxi_mlops.adapters.incdbscan import IncdbscanAdapter
from taxi_mlops.adapters.mlpack import MlpackAdapter
from taxi_mlops.adapters.open3d import Open3dAdapter
from taxi_mlops.adapters.sklearn import SklearnAdapter
from taxi_mlops.adapters.sklearn_njobs import SklearnNJobsAdapter
from taxi_mlops.adapters.sklearn_parallel import SklearnParallelAdapter
from taxi_mlops.adapters.sklearnex import SklearnexAdapter
from taxi_mlops.testing.cases import Case, unweighted_cases
from taxi_mlops.testing.conformance import AdapterConformance, check_exact, oracle


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


@needs("dbscan")
class TestDbscanPlane(AdapterConformance):
    adapter = DbscanPlaneAdapter()

    @pytest.mark.parametrize("case", unweighted_cases(), ids=str)
    def test_it_is_right_on_all_that_it_takes(self, case: Case) -> None:
        if case.name == "towns all over the earth":
            assert "from their middle" in str(self.adapter.unsupported(case.workload))
            return
        check_exact(case.workload, oracle(case), self._cluster(case.workload))


@needs("sklearnex")
class TestSklearnex(AdapterConformance):
    adapter = SklearnexAdapter()


@needs("hdbscan")
class TestHdbscan(AdapterConformance):
    adapter = HdbscanAdapter()


@needs("incdbscan")
class TestIncdbscan(AdapterConformance):
    adapter = IncdbscanAdapter()


@needs("open3d")
class TestOpen3d(AdapterConformance):
    adapter = Open3dAdapter()


@needs("mlpack")
class TestMlpack(AdapterConformance):
    adapter = MlpackAdapter()


@needs("fast_hdbscan")
class TestFastHdbscan(AdapterConformance):
    adapter = FastHdbscanAdapter()
