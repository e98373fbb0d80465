"""An A/B test of two versions of a hotspot model: who gets which version, and what is stored of it."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import astuple, dataclass
from datetime import datetime

from taxi_mlops.domain import BoolArray
from taxi_mlops.errors import TaxiError

MAX_SHARE = 0.5
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """Guard rails: how much worse the challenger may be before it gets no more requests.

    errors: share of its answers that may fail. slowdown: its 90th percentile of time as a multiple of the champion's.
    noise: share of its points outside of hotspots, less the champion's.
    """

    errors: float
    slowdown: float
    noise: float


@dataclass(frozen=True, slots=True)
class ShadowCounts:
    """Shadow answers so far. agreed: points with the same hotspot. seconds, champion_seconds: sums over requests."""

    requests: int = 0
    points: int = 0
    agreed: int = 0
    seconds: float = 0.0
    champion_seconds: float = 0.0

    def __add__(self, other: ShadowCounts) -> ShadowCounts:
        return ShadowCounts(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: ShadowCounts) -> ShadowCounts:
        return ShadowCounts(*(mine - theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class AbTest:
    """A test. champion, challenger: versions. share: of the keys that get the challenger. areas: shares of the area.

    shadow: whether the challenger answers the champion's requests too. guard_rail: why the challenger gets no more
    requests; None while it does. decision: promoted, kept or stopped.
    """

    id: int
    model: str
    champion: str
    challenger: str
    share: float
    salt: str
    champion_area: float
    challenger_area: float
    limits: Limits
    started_at: datetime
    shadow: bool = False
    shadow_counts: ShadowCounts = ShadowCounts()
    ended_at: datetime | None = None
    decision: str | None = None
    reason: str | None = None
    guard_rail: str | None = None

    def subject(self, key: str) -> str:
        """Return the keyed hash of a caller's key, which is stored in its place."""
        return hashlib.blake2b(
            key.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES, key=bytes.fromhex(self.salt)
        ).hexdigest()

    def gets_challenger(self, subject: str) -> bool:
        """Return the version of a subject: always the same, and the challenger for a `share` of all."""
        return int(subject[:16], 16) < self.share * 2.0**64


def new_salt() -> str:
    """Return the key of the hash of a new test, so that tests divide the keys independently."""
    return secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a request with a key. inside: its points that are in hotspots."""

    id: str
    test_id: int
    subject: str
    challenger: bool
    answered_at: datetime
    points: int
    inside: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What really happened, as the caller says. id: the caller's own. answer: the id of the answer, or subject."""

    id: str
    latitude: float
    longitude: float
    happened_at: datetime
    answer: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """How many outcomes were stored, were there already, and have no answer, which are not stored."""

    stored: int
    repeated: int
    unmatched: tuple[str, ...]
    hits: tuple[int, int] = (0, 0)
    misses: tuple[int, int] = (0, 0)


class ConflictingOutcomeError(TaxiError):
    """An id was used before for another outcome."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a test has collected. challenger, hit: bool (n,), of the counted outcomes in order of arrival.

    keys, answers, noise: of champion and challenger, the keys and answers, and the share of points outside of hotspots.
    repeated: outcomes that are not counted, since their key had one.
    """

    challenger: BoolArray
    hit: BoolArray
    keys: tuple[int, int]
    answers: tuple[int, int]
    noise: tuple[float | None, float | None]
    repeated: int
