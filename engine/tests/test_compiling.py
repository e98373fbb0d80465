"""How kernels are compiled: what Python can call."""

import numpy as np
import pytest
from numba import config, njit

from haversine_dbscan import haversine


@njit
def angle_of_kernels(angle):
    return haversine.haversine_of_angle(angle)


@pytest.mark.skipif(config.DISABLE_JIT, reason="compiling is off")
def test_python_cannot_call_what_has_no_entry_for_it():
    for _ in range(2):  # before and after it was compiled
        with pytest.raises(TypeError, match="haversine_of_angle has no entry for Python"):
            haversine.haversine_of_angle(1.0)
        assert angle_of_kernels(1.0) == pytest.approx(np.sin(0.5) ** 2)
