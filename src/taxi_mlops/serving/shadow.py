"""Shadow answers: what the challenger would have answered, computed after the champion's answer, and only compared.

At most `MAX_POINTS` wait in memory; when requests come faster than the thread compares, the newest are left out and
counted.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taxi_mlops.models.ab_test import ShadowCounts
from taxi_mlops.serving.requests import Point
from taxi_mlops.serving.served_model import ServedModel
from taxi_mlops.serving.service_metrics import ServiceMetrics

MAX_POINTS = 50_000


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that the champion answered. found: what `ServedModel.located` returned."""

    test_id: int
    challenger: ServedModel
    points: Sequence[Point]
    found: Sequence[Mapping[str, Any]]
    seconds: float


class Shadow:
    """Compares answers in a thread of its own, until `stop` is called."""

    def __init__(self, metrics: ServiceMetrics, max_points: int = MAX_POINTS) -> None:
        self._metrics, self._max_points = metrics, max_points
        self._waiting: queue.SimpleQueue[Answered | None] = queue.SimpleQueue()
        self._changing = threading.Lock()
        self._points = 0
        self._counts: dict[int, ShadowCounts] = {}
        self._stopped = False

    def add(self, answered: Answered) -> None:
        """Take an answer to compare, or leave it out if too many wait."""
        with self._changing:
            if self._stopped or self._points + len(answered.points) > self._max_points:
                self._metrics.ab_shadow_left_out.inc(len(answered.points))
                return
            self._points += len(answered.points)
        self._waiting.put(answered)

    def start(self) -> threading.Thread:
        """Start the thread."""
        thread = threading.Thread(target=self._run, name="ab-shadow", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End the thread after what waits now."""
        with self._changing:
            self._stopped = True
        self._waiting.put(None)

    def counts(self) -> dict[int, ShadowCounts]:
        """Return what was counted and not yet taken, by test."""
        with self._changing:
            return dict(self._counts)

    def taken(self, counts: Mapping[int, ShadowCounts]) -> None:
        """Forget what `counts` returned, since it is stored."""
        with self._changing:
            for test_id, count in counts.items():
                left = self._counts[test_id] - count
                if left.requests == 0:
                    del self._counts[test_id]
                else:
                    self._counts[test_id] = left

    def _run(self) -> None:
        while (answered := self._waiting.get()) is not None:
            count = self._compared(answered)
            with self._changing:
                self._points -= len(answered.points)
                if count is not None:
                    before = self._counts.get(answered.test_id, ShadowCounts())
                    self._counts[answered.test_id] = before + count

    def _compared(self, answered: Answered) -> ShadowCounts | None:
        """Compare an answer; None if the challenger fails."""
        points = answered.points
        latitude = np.array([point["latitude"] for point in points], dtype=np.float64)
        longitude = np.array([point["longitude"] for point in points], dtype=np.float64)
        begun = time.perf_counter()
        try:
            if len(points) == 1:
                found = [answered.challenger.located_one(float(latitude[0]), float(longitude[0]))]
            else:
                found = answered.challenger.located(latitude, longitude)
        except Exception:  # noqa: BLE001 - nobody waits for it; it is counted
            self._metrics.ab_shadow_points.labels("failed").inc(len(points))
            return None
        seconds = time.perf_counter() - begun
        same = sum(mine["hotspot"] == theirs["hotspot"] for mine, theirs in zip(found, answered.found, strict=True))
        self._metrics.ab_shadow_points.labels("same").inc(same)
        self._metrics.ab_shadow_points.labels("other").inc(len(points) - same)
        return ShadowCounts(1, len(points), same, seconds, answered.seconds)
