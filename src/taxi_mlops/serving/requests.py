"""The requests and answers of the service, and how bodies are read within their limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, NotRequired, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request
from typing_extensions import TypedDict

from taxi_mlops.serving.problems import ProblemError, sentence
from taxi_mlops.serving.served_model import Box

T = TypeVar("T")

MAX_POINTS = 10_000
MAX_OUTCOMES = 1000
MAX_JSON_BYTES = 2_000_000
BODY_SECONDS = 30.0

Latitude = Annotated[float, Field(ge=-90.0, le=90.0, allow_inf_nan=False, description="Degrees.")]
Longitude = Annotated[float, Field(ge=-180.0, le=180.0, allow_inf_nan=False, description="Degrees.")]
Key = Annotated[str, Field(min_length=1, max_length=200, description="Whom an A/B test gives the same version always.")]
Time = Annotated[
    AwareDatetime,
    Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC), description="RFC 3339."),
]


class Point(TypedDict):
    """A place."""

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[misc]

    latitude: Latitude
    longitude: Longitude


class LocateRequest(TypedDict):
    """Points to locate."""

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[misc]

    points: Annotated[list[Point], Field(min_length=1, max_length=MAX_POINTS)]
    key: NotRequired[Key]


class LocatedPoint(BaseModel):
    """Where a point is."""

    hotspot: int | None = Field(description="Id of the hotspot; null outside of all.")
    metres: float | None = Field(description="Distance to the nearest core point; null if the model has none.")
    name: str | None = Field(
        default=None,
        description="Name of the hotspot, null if it has none; left out if the model has no names.",
    )


class LocateAnswer(BaseModel):
    """Where the points are, in their order."""

    model: str
    version: str
    points: list[LocatedPoint]
    answer: str | None = Field(default=None, description="Id for outcomes; left out unless an A/B test has the key.")


class OutcomeGiven(TypedDict):
    """A pickup that really happened, with the answer that it belongs to: by its id, or the newest of a key."""

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[misc]

    id: Annotated[str, Field(pattern="^[!-~]{1,200}$", description="The caller's own; sent again, it counts once.")]
    latitude: Latitude
    longitude: Longitude
    time: Time
    answer: NotRequired[Annotated[str, Field(pattern="^[0-9a-f]{32}$")]]
    key: NotRequired[Key]


class OutcomesRequest(TypedDict):
    """Outcomes to store."""

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[misc]

    outcomes: Annotated[list[OutcomeGiven], Field(min_length=1, max_length=MAX_OUTCOMES)]


class OutcomesAnswer(BaseModel):
    """What became of the outcomes."""

    stored: int = Field(description="Now stored.")
    repeated: int = Field(description="Stored before, by the same id.")
    unmatched: list[str] = Field(description="Ids of those whose answer is not known; they are not stored.")


class NearestAnswer(LocatedPoint):
    """The hotspot of the nearest core point, also beyond eps."""

    model: str
    version: str
    inside: bool = Field(description="Whether the place is within eps of the core point.")


class Readiness(BaseModel):
    """Whether the service answers, and with what."""

    status: str
    model: str
    version: str
    registry: str = Field(description="ok, or why it cannot be read; the service then answers with what it has.")
    refused: str | None = Field(description="A newer version that could not be loaded, and why.")
    ab_test: str | None = Field(description="What the running A/B test does, or why it is not taken part in.")


LOCATE = TypeAdapter(LocateRequest)
OUTCOMES = TypeAdapter(OutcomesRequest)


def locate_schema() -> dict[str, Any]:
    """Return the JSON schema of a request, without references."""
    schema = LOCATE.json_schema()
    schema["properties"]["points"]["items"] = schema.pop("$defs")["Point"]
    return schema


def outcomes_schema() -> dict[str, Any]:
    """Return the JSON schema of a request with outcomes, without references."""
    schema = OUTCOMES.json_schema()
    outcome = schema.pop("$defs")["OutcomeGiven"]
    outcome["oneOf"] = [{"required": ["answer"]}, {"required": ["key"]}]
    schema["properties"]["outcomes"]["items"] = outcome
    return schema


async def parts_of(request: Request, limit: int, seconds: float) -> AsyncIterator[bytes]:
    """Yield the body in parts.

    Raises ProblemError if it is larger than the limit in bytes, takes too long, or ends too early.
    """
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise ProblemError(413, f"The body is larger than {limit:,} bytes.")
                yield part
    except TimeoutError:
        raise ProblemError(408, f"The body did not arrive within {seconds:g} s.") from None
    except ClientDisconnect:
        raise ProblemError(400, "The client closed the connection before the body was complete.") from None


async def body_of(request: Request) -> bytes:
    """Return the body of a request in JSON. Raises ProblemError as `parts_of` does."""
    return b"".join([part async for part in parts_of(request, MAX_JSON_BYTES, BODY_SECONDS)])


def read(adapter: TypeAdapter[T], body: bytes) -> T:
    """Return a request. Raises ProblemError naming what is wrong with it."""
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        raise ProblemError(422, sentence(list(error.errors(include_url=False, include_context=False)))) from None


def box_of(text: str) -> Box:
    """Return the box of `west,south,east,north`. Raises ProblemError."""
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise ProblemError(422, f"bbox: four numbers are needed, west,south,east,north (got {text[:80]!r}).") from None
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise ProblemError(
            422, f"bbox: longitudes are from -180 to 180, latitudes from -90 to 90, south first (got {text[:80]!r})."
        )
    return west, south, east, north
