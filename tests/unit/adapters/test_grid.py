"""Our engine passes the suite that every adapter passes."""

import numpy as np

from taxi_mlops.adapters.grid import GridAdapter
from taxi_mlops.domain import Parameters, Points, Provenance, Workload
from taxi_mlops.testing.conformance import AdapterConformance


class TestGrid(AdapterConformance):
    adapter = GridAdapter()


def test_eps_below_the_resolution_of_coordinates_is_unsupported():
    nothing = np.empty(0)
    points = Points(nothing, nothing, None, "", Provenance("memory:", "test", "1", 0, 0))
    assert "below the resolution" in (GridAdapter().unsupported(Workload(points, Parameters(1e-9, 3))) or "")
    assert GridAdapter().unsupported(Workload(points, Parameters(10.0, 3))) is None
