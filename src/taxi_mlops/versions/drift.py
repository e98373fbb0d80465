"""How the points of a commit moved since the commit before, by deciles that the log keeps."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from taxi_mlops.domain import FloatArray

FEWEST_POINTS = 1000
"""With fewer, chance alone moves the index."""
_BINS = 10
_LEAST_SHARE = 1e-6


class Tenths(BaseModel):
    """Some values by tenths. edges: their deciles, each once. shares: of the values up to each edge, and beyond all."""

    model_config = ConfigDict(frozen=True)

    edges: tuple[float, ...]
    shares: tuple[float, ...]

    @classmethod
    def of(cls, values: FloatArray) -> Tenths:
        """Return those of n ≥ 1 values, float64 of shape (n,)."""
        edges = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1], method="lower"))
        return cls(edges=tuple(edges.tolist()), shares=tuple(_shares(values, edges).tolist()))

    def stability_index(self, values: FloatArray) -> float:
        """Return the population stability index of other values (Yurdakul & Naranjo, 2020)."""
        found = np.maximum(_shares(values, np.array(self.edges)), _LEAST_SHARE)
        expected = np.maximum(self.shares, _LEAST_SHARE)
        return float(((found - expected) * np.log(found / expected)).sum())


class PointSpread(BaseModel):
    """Where the points of a commit are.

    drift: the larger of the two population stability indices against the commit before; None without one. Below 0.1
    little has changed, above 0.25 much.
    """

    model_config = ConfigDict(frozen=True)

    latitude: Tenths
    longitude: Tenths
    drift: float | None = None


def spread_of(latitude: FloatArray, longitude: FloatArray, before: PointSpread | None) -> PointSpread | None:
    """Return the spread of n points in degrees, float64 of shape (n,) without NaN; None if they are too few."""
    if latitude.size < FEWEST_POINTS:
        return None
    drift = None
    if before is not None:
        drift = max(before.latitude.stability_index(latitude), before.longitude.stability_index(longitude))
    return PointSpread(latitude=Tenths.of(latitude), longitude=Tenths.of(longitude), drift=drift)


def _shares(values: FloatArray, edges: FloatArray) -> FloatArray:
    """Return the share of n values up to each of m edges, and beyond all: float64 of shape (m + 1,)."""
    return np.bincount(np.searchsorted(edges, values), minlength=edges.size + 1) / values.size
