"""Check whether border points are in clusters that DBSCAN allows for them."""

from __future__ import annotations

import numpy as np

from taxi_mlops.domain import NOISE, BoolArray, Clustering, Points


def border_points_invalid(
    points: Points,
    eps_metres: float,
    sides: tuple[Clustering, Clustering],
    cores: tuple[BoolArray, BoolArray],
) -> BoolArray:
    """Return bool (n,): border points that are, on either side, in a cluster without a core point within eps."""
    from haversine_dbscan.reaching import has_neighbour_of_label

    invalid = np.zeros(len(points), dtype=np.bool_)
    for side, core in zip(sides, cores, strict=True):
        border = np.flatnonzero(~core & (side.labels != NOISE))
        if len(border) == 0:
            continue
        members = np.flatnonzero(core)
        found = has_neighbour_of_label(
            points.latitude[members],
            points.longitude[members],
            side.labels[members],
            eps_metres,
            points.latitude[border],
            points.longitude[border],
            side.labels[border],
        )
        invalid[border[~found]] = True
    return invalid
