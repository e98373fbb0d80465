"""Detect points most of which share few places, as stations or centroids of zones.

Distances between such points are 0 or those between places: clusters are then groups of places.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from taxi_mlops.domain import FloatArray

_SAMPLED = 100_000
_POINTS_OF_A_PLACE = 10
_MOST = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class FewPlaces:
    """The places that most points share.

    latitude, longitude: degrees, float64 of shape (m,). share: of the points. points: how many were examined.
    sampled: whether there are more.
    """

    latitude: FloatArray
    longitude: FloatArray
    share: float
    points: int
    sampled: bool

    def __str__(self) -> str:
        """Return a sentence about them."""
        of = f"a sample of {self.points:,} points" if self.sampled else f"{self.points:,} points"
        return (
            f"{self.share:.0%} of {of} lie on {len(self.latitude):,} places, at least {_POINTS_OF_A_PLACE} on each, "
            "as at stations or centroids of zones"
        )


def few_places(latitude: FloatArray, longitude: FloatArray) -> FewPlaces | None:
    """Return the places that hold ten points or more, if more than half of n points lie there; else None.

    latitude, longitude: degrees, float64 of shape (n,); of very many, every k-th is looked at.
    """
    step = math.ceil(latitude.size / _SAMPLED) or 1
    latitude, longitude = latitude[::step], longitude[::step]
    places, counts = np.unique(latitude + 1j * longitude, return_counts=True)
    crowded = counts >= _POINTS_OF_A_PLACE
    on_them = int(counts[crowded].sum())
    if not on_them > _MOST * latitude.size:
        return None
    return FewPlaces(places[crowded].real, places[crowded].imag, on_them / latitude.size, latitude.size, step > 1)
