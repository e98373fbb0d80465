"""Where the located points are, by area, beside where the trips of the training were: what drift is seen from.

The areas are the largest hotspots one by one, all others together, and what is outside. So they are few, and an area
keeps its name from version to version.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.models.hotspot_model import HotspotModel, IdArray

ONE_BY_ONE = 20
OTHERS, OUTSIDE = "other hotspots", "outside"


class Areas:
    """The areas of a model. names: of k areas. trained: float64 (k,), the share of the training's trips in each, or
    None if the model does not know how many these were."""

    def __init__(self, model: HotspotModel) -> None:
        largest = np.argsort(-model.size, kind="stable")[:ONE_BY_ONE]
        self.names = (*(f"hotspot {number}" for number in model.ids[largest].tolist()), OTHERS, OUTSIDE)
        self._others, self._outside = len(largest), len(largest) + 1
        self._of_id = {number: area for area, number in enumerate(model.ids[largest].tolist())}
        self.trained: NDArray[np.float64] | None = None
        if model.trained_on:
            inside = int(model.size.sum())
            one_by_one = model.size[largest]
            trips = (*one_by_one.tolist(), inside - int(one_by_one.sum()), model.trained_on - inside)
            self.trained = np.array(trips, dtype=np.float64) / model.trained_on

    def of(self, hotspot: int | None) -> int:
        """Return the number of the area of a hotspot's id; None is outside."""
        return self._outside if hotspot is None else self._of_id.get(hotspot, self._others)

    def counts(self, hotspots: Iterable[int | None]) -> list[int]:
        """Return how many points are in each area."""
        counts = [0] * len(self.names)
        for hotspot in hotspots:
            counts[self.of(hotspot)] += 1
        return counts

    def counts_of_ids(self, ids: IdArray) -> list[int]:
        """Return how many points are in each area. ids: of the hotspots of many points, int64 (n,), −1 outside."""
        found, times = np.unique(ids, return_counts=True)
        counts = [0] * len(self.names)
        for number, many in zip(found.tolist(), times.tolist(), strict=True):
            counts[self.of(None if number < 0 else number)] += many
        return counts
