"""The state of an A/B test, as `taxi ab status --json` and `GET /v1/ab` give it."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from taxi_mlops.results.documents import ResultDocument

Verdict = Literal["challenger_better", "champion_better", "undecided", "guard_rail", "wrong_sample_ratio"]


class ArmStatus(ResultDocument):
    """One of the two versions."""

    role: Literal["champion", "challenger"]
    version: str
    keys: int = Field(description="Keys that it answered.")
    answers: int
    noise_share: float | None = Field(description="Share of its points outside of hotspots; null without answers.")
    outcomes: int = Field(description="Outcomes that count: the first of each key.")
    hits: int = Field(description="Outcomes inside one of its hotspots.")
    hit_rate: float | None = Field(description="Null without outcomes.")
    area_share: float = Field(description="Share of the judged area that its hotspots cover.")
    corrected_hit_rate: float | None = Field(description="Hit rate less share of area; chance gives 0.")


class DifferenceStatus(ResultDocument):
    """The challenger's rate less the champion's, and its interval, which stays valid at every look."""

    value: float
    low: float
    high: float


class ShadowStatus(ResultDocument):
    """How the challenger's answers compare with the champion's to the same requests."""

    requests: int
    points: int
    agreed: int = Field(description="Points for which both name the same hotspot, or both none.")
    seconds_per_request: float
    champion_seconds_per_request: float


class AbStatus(ResultDocument):
    """An A/B test and what it has shown so far."""

    name: str
    share: float = Field(description="Share of the keys that get the challenger.")
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    decision: str | None = Field(description="promoted, kept or stopped; null while it runs.")
    reason: str | None
    guard_rail: str | None = Field(description="Why the challenger gets no more requests; null while it does.")
    champion: ArmStatus
    challenger: ArmStatus
    repeated: int = Field(description="Outcomes that do not count, since their key had one.")
    difference: DifferenceStatus = Field(description="Of the hit rates.")
    corrected_difference: DifferenceStatus = Field(description="Of the area-corrected hit rates, which decides.")
    p_value: float = Field(description="Of no corrected difference; valid at every look.")
    sample_ratio_p_value: float = Field(description="Of the challenger's share of keys and of outcomes.")
    shadow: ShadowStatus | None = Field(description="Null unless it was started with --shadow.")
    verdict: Verdict
