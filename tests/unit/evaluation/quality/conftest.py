"""Points in clusters, for the tests of the quality indices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES
from taxi_mlops.domain import Points, Provenance

DEGREE = np.pi / 180 * EARTH_RADIUS_METRES


@pytest.fixture
def make_points() -> Callable[..., Points]:
    def make(latitude, longitude, weight=None) -> Points:
        latitude, longitude = np.asarray(latitude, float), np.asarray(longitude, float)
        provenance = Provenance("memory:", "test", "1", len(latitude), len(latitude))
        return Points(latitude, longitude, weight, "0" * 64, provenance)

    return make


@pytest.fixture
def patch(make_points) -> Callable[..., tuple[Points, np.ndarray, np.ndarray]]:
    """Blobs in a patch of a few hundred metres: points, labels with noise, and metres in the plane that touches it."""

    def make(seed: int, members: int = 60, clusters: int = 4, latitude: float = -33.45, longitude: float = -70.66):
        rng = np.random.default_rng(seed)
        centres = rng.uniform(-300, 300, (clusters, 2))
        labels = np.repeat(np.arange(clusters), members)
        metres = centres[labels] + rng.normal(0, 25, (len(labels), 2))
        metres = np.concatenate([metres, rng.uniform(-400, 400, (members, 2))])
        labels = np.append(labels, np.full(members, -1)).astype(np.int32)
        east = longitude + metres[:, 0] / (DEGREE * np.cos(np.radians(latitude)))
        return make_points(latitude + metres[:, 1] / DEGREE, (east + 180) % 360 - 180), labels, metres

    return make
