"""Imported by the server of worker processes after the stages: reads their compiled functions from the disk.

Reading the first of them takes a second, and compiling them ten: that is done here once, and not in each worker.
"""

from __future__ import annotations

import numpy as np

from taxi_mlops.scale.sketch import SketchCounter
from taxi_mlops.scale.tile import TilePoints, cluster_tile

_PLACE = np.ones(2)


def _load() -> None:
    """Count and cluster two points."""
    SketchCounter(0).add(_PLACE, _PLACE, 1)
    nowhere = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64)
    cluster_tile(TilePoints(_PLACE, _PLACE, None, *nowhere), np.array([0.0, 0.0, 2.0, 2.0]), 1.0, 1.0, 1)


_load()
