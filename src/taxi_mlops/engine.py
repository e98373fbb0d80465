"""The engine under the name that it had before it became the library `haversine_dbscan`."""

from __future__ import annotations

import sys

from haversine_dbscan import GridDBSCAN, clustering, dbscan, dbscan_plane, estimator, geodesy

__all__ = ["GridDBSCAN", "dbscan", "dbscan_plane"]

# Imports of its former modules, as `from taxi_mlops.engine.dbscan import dbscan`.
sys.modules |= {f"{__name__}.dbscan": clustering, f"{__name__}.estimator": estimator, f"{__name__}.geodesy": geodesy}
