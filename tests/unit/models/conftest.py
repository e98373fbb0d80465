"""Models that tests make from a few places."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from taxi_mlops.models.hotspot_model import HotspotModel


def square(latitude: float, longitude: float, half: float = 0.001) -> dict:
    west, east, south, north = longitude - half, longitude + half, latitude - half, latitude + half
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


@pytest.fixture(scope="session")
def model_of() -> Callable[..., HotspotModel]:
    """Make a model on the equator: of each hotspot, the longitudes of its core points; outlines are around them."""

    def make(*hotspots: Sequence[float], ids: Sequence[int] | None = None, eps: float = 100.0, **more) -> HotspotModel:
        row = np.repeat(np.arange(len(hotspots)), [len(one) for one in hotspots]).astype(np.int32)
        longitude = np.array([one for hotspot in hotspots for one in hotspot], dtype=np.float64)
        middles = [float(np.mean(one)) for one in hotspots]
        outlines = [
            square(0.0, middle, (max(one) - min(one)) / 2 + 0.001)
            for middle, one in zip(middles, hotspots, strict=True)
        ]
        return HotspotModel(
            latitude=np.zeros(len(longitude)),
            longitude=longitude,
            hotspot=row,
            ids=np.array(range(len(hotspots)) if ids is None else ids, dtype=np.int64),
            centre=np.column_stack((np.zeros(len(hotspots)), np.array(middles))),
            size=np.array([10 * len(one) for one in hotspots], dtype=np.int64),
            area_km2=np.ones(len(hotspots)),
            outlines=tuple(outlines),
            eps_metres=eps,
            min_samples=3,
            **more,
        )

    return make
