"""Guard rails of an A/B test: they stop the challenger when it answers clearly worse than the champion."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from taxi_mlops.models.ab_test import Limits

WINDOW = 1000
"""Answers of each version that are looked at: the last."""
LEAST = 200
"""Answers of each version before latency and noise are looked at."""
LEAST_ATTEMPTS = 20
"""Answers of the challenger, failed or not, before errors are looked at."""
FLOOR_SECONDS = 0.002
"""A challenger that answers sooner than this is not slow, whatever the champion does."""
_EVERY = 50


@dataclass(frozen=True, slots=True)
class Hit:
    """A guard rail that was hit. rail: errors, latency or noise. reason: what was found, and the limit."""

    rail: str
    reason: str


class GuardRails:
    """Looks at the last answers of both versions. Not for several threads at once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._seconds: tuple[deque[float], deque[float]] = (deque(maxlen=WINDOW), deque(maxlen=WINDOW))
        self._outside: tuple[deque[float], deque[float]] = (deque(maxlen=WINDOW), deque(maxlen=WINDOW))
        self._failed: deque[bool] = deque(maxlen=WINDOW)
        self._noted = 0

    def note(self, challenger: bool, seconds: float, points: int, inside: int) -> Hit | None:
        """Note an answer; return what it hit, if anything."""
        self._seconds[challenger].append(seconds)
        self._outside[challenger].append(1.0 - inside / points)
        if challenger:
            self._failed.append(False)
        self._noted += 1
        return self._looked() if self._noted % _EVERY == 0 else None

    def note_failure(self) -> Hit | None:
        """Note that the challenger failed to answer; return what it hit, if anything."""
        self._failed.append(True)
        attempts, failed = len(self._failed), sum(self._failed)
        if attempts < LEAST_ATTEMPTS or failed / attempts <= self._limits.errors:
            return None
        return Hit(
            "errors",
            f"{failed:,} of the last {attempts:,} answers of the challenger failed ({failed / attempts:.1%}); "
            f"at most {self._limits.errors:.1%} may",
        )

    def _looked(self) -> Hit | None:
        if min(len(one) for one in self._seconds) < LEAST:
            return None
        champion, challenger = (float(np.quantile(np.array(one), 0.9)) for one in self._seconds)
        if challenger > max(self._limits.slowdown * champion, FLOOR_SECONDS):
            return Hit(
                "latency",
                f"nine of ten answers of the challenger take up to {challenger * 1e3:.2f} ms, the champion's "
                f"{champion * 1e3:.2f} ms; at most {self._limits.slowdown:g} times as long is allowed",
            )
        champion, challenger = (float(np.mean(np.array(one))) for one in self._outside)
        if challenger - champion > self._limits.noise:
            return Hit(
                "noise",
                f"{challenger:.1%} of the challenger's points are outside of hotspots, {champion:.1%} of the "
                f"champion's; at most {self._limits.noise:.1%} more are allowed",
            )
        return None
