"""The gates of a promotion, as a version's tags keep them and `taxi models compare --json` prints them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from taxi_mlops.results.documents import ResultDocument
from taxi_mlops.results.model_card import Changes, Difference

GateName = Literal["equal", "unseen", "vanished", "clean_process"]


class Gate(ResultDocument):
    """One condition of a promotion."""

    name: GateName
    passed: bool
    reason: str = Field(description="What was found, and by how much it passes or fails.")
    value: float | None = Field(default=None, description="What is compared with the limit; null if nothing is.")
    limit: float | None = None


class Examination(ResultDocument):
    """A version compared with another one, by the gates of a promotion."""

    name: str
    version: str
    against: str | None = Field(description="Version that it was compared with; null without one.")
    gates: tuple[Gate, ...]
    difference: Difference | None = Field(description="Of the scores on the same unseen trips; null without both.")
    changes: Changes | None = Field(description="How the hotspots correspond; null without a version to compare with.")

    @property
    def failed(self) -> tuple[Gate, ...]:
        return tuple(gate for gate in self.gates if not gate.passed)
