"""Play trips against a running service, as requests and as what really happened: `taxi replay`."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np

from taxi_mlops.data.load import open_trips
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.data.trip_times import UNKNOWN, read_times
from taxi_mlops.domain import FloatArray
from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.models.hotspot_model import IdArray
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.points import cached_points
from taxi_mlops.settings import Settings

CONNECTIONS = 8
OUTCOMES = 100
"""Outcomes in a request."""
ATTEMPTS = 10
RETRY_SECONDS = 2.0
_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Trips:
    """Trips in the order in which they are played.

    row: int64 (n,), their numbers in the file. latitude, longitude: float64 (n,). seconds: int64 (n,), since 1970 on
    the trips' clocks, None without times. offset: float64 (n,), seconds from the beginning of the replay.
    """

    row: IdArray
    latitude: FloatArray
    longitude: FloatArray
    seconds: IdArray | None
    offset: FloatArray


@dataclass(slots=True)
class Replayed:
    """What a replay did. versions: answers by version. behind: seconds by which the last request was late."""

    requests: int = 0
    inside: int = 0
    failed: int = 0
    stored: int = 0
    repeated: int = 0
    unmatched: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    behind: float = 0.0


def read_trips(request: LoadRequest, speed: float, rate: float, settings: Settings, observer: Observer) -> Trips:
    """Read the trips to play: by time, `speed` times as fast as they were; without times in random order.

    rate: trips a second where they have no times. Raises UsageError for zones without points, and what reading raises.
    """
    points = cached_points(request, settings, observer)
    if points.row is None:
        raise UsageError("only the points of trips can be replayed, and these are zones with the number of their trips")
    observer.stage("Reading the times of the trips")
    times = read_times(open_trips(request, settings, observer.loading), points.row, request.points)
    if times is None:
        order = np.random.default_rng(request.seed).permutation(len(points))
        offset = np.arange(len(points)) / rate
        return Trips(points.row[order], points.latitude[order], points.longitude[order], None, offset)
    order = np.argsort(times.seconds, kind="stable")
    order = order[times.seconds[order] != UNKNOWN]
    seconds = times.seconds[order]
    offset = (seconds - seconds[0]) / speed if len(seconds) else np.zeros(0)
    return Trips(points.row[order], points.latitude[order], points.longitude[order], seconds, offset)


def replay(trips: Trips, url: str, token: str | None, observer: Observer) -> Replayed:
    """Send a request for each trip when its time has come, and then that it happened. token: the API key.

    Each trip has a key of its own. Where the service is slower than the trips come, they come as fast as it answers.
    Raises ServiceError if the service cannot be reached, refuses the key, or refuses outcomes.
    """
    return asyncio.run(_Replay(trips, url, token, observer).run())


class _Replay:
    """One replay. Its workers take the trips one after the other, each over a connection of its own."""

    def __init__(self, trips: Trips, url: str, token: str | None, observer: Observer) -> None:
        self._trips, self._url, self._observer = trips, url.rstrip("/"), observer
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._name = uuid.uuid4().hex[:12]
        self._next: Iterator[int] = iter(range(len(trips.row)))
        self._done = Replayed()
        self._waiting: list[dict[str, Any]] = []

    async def run(self) -> Replayed:
        self._observer.stage("Playing the trips")
        begun = time.monotonic()
        async with httpx.AsyncClient(headers=self._headers, timeout=_TIMEOUT_SECONDS) as client:
            workers = [asyncio.create_task(self._work(client, begun)) for _ in range(CONNECTIONS)]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
            await self._send_outcomes(client, 1)
        self._done.seconds = time.monotonic() - begun
        return self._done

    async def _work(self, client: httpx.AsyncClient, begun: float) -> None:
        async for i in self._due(begun):
            await self._play(client, i)
            await self._send_outcomes(client, OUTCOMES)
            self._observer.loading("Playing", self._done.requests, len(self._trips.row))

    async def _due(self, begun: float) -> AsyncIterator[int]:
        """Yield trips when their time has come."""
        for i in self._next:
            early = begun + float(self._trips.offset[i]) - time.monotonic()
            if early > 0:
                await asyncio.sleep(early)
            self._done.behind = max(-early, 0.0)
            yield i

    async def _play(self, client: httpx.AsyncClient, i: int) -> None:
        """Ask for the hotspot of a trip, and note its outcome if an A/B test has the answer."""
        place = {"latitude": float(self._trips.latitude[i]), "longitude": float(self._trips.longitude[i])}
        key = f"{self._name}-{int(self._trips.row[i])}"
        answer = await self._post(client, "/v1/locate", {"points": [place], "key": key})
        self._done.requests += 1
        if answer.status_code != 200:
            self._done.failed += 1
            return
        found = answer.json()
        self._done.versions[found["version"]] += 1
        self._done.inside += found["points"][0]["hotspot"] is not None
        if "answer" in found:
            self._waiting.append({"id": key, **place, "time": self._time(i), "answer": found["answer"]})

    async def _send_outcomes(self, client: httpx.AsyncClient, least: int) -> None:
        """Send the outcomes that wait, if there are so many, until the service has stored them."""
        while len(self._waiting) >= least:
            sent, self._waiting = self._waiting[:OUTCOMES], self._waiting[OUTCOMES:]
            answer = await self._post(client, "/v1/outcomes", {"outcomes": sent})
            if answer.status_code != 200:
                raise ServiceError(f"{self._url} refused outcomes: {_detail(answer)}")
            counts = answer.json()
            self._done.stored += counts["stored"]
            self._done.repeated += counts["repeated"]
            self._done.unmatched += len(counts["unmatched"])

    async def _post(self, client: httpx.AsyncClient, path: str, content: dict[str, Any]) -> httpx.Response:
        """Return the answer of the service, which is asked again while it is away or busy."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = await client.post(f"{self._url}{path}", json=content)
            except httpx.InvalidURL as error:
                raise UsageError(f"--url {self._url}: {error}") from None
            except httpx.TransportError as error:
                if not self._done.requests or attempt == ATTEMPTS:
                    raise ServiceError(f"no service answers at {self._url}: {error}") from None
            else:
                if answer.status_code in (401, 404, 421):
                    raise ServiceError(f"{self._url} refuses: {_detail(answer)}")
                if answer.status_code != 503 or attempt == ATTEMPTS:
                    return answer
            await asyncio.sleep(RETRY_SECONDS)
        raise AssertionError("the last attempt returns or raises")

    def _time(self, i: int) -> str:
        if self._trips.seconds is None:
            return datetime.now(UTC).isoformat()
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(self._trips.seconds[i]))).isoformat()


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"
