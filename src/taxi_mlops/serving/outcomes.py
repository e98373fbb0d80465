"""The routes of A/B tests: `POST /v1/outcomes` takes what really happened, `GET /v1/ab` gives the state."""

from __future__ import annotations

import asyncio
import json

from fastapi import FastAPI, Request
from starlette.responses import Response

from taxi_mlops.errors import TaxiError
from taxi_mlops.models.ab_test import AbTest, ConflictingOutcomeError, Outcome
from taxi_mlops.results.ab_status import AbStatus
from taxi_mlops.results.documents import to_json
from taxi_mlops.serving.ab_traffic import AbTraffic, BusyError
from taxi_mlops.serving.gate import KEY_NAME, WITHOUT_KEY
from taxi_mlops.serving.problems import ProblemError, described
from taxi_mlops.serving.requests import OUTCOMES, OutcomeGiven, OutcomesAnswer, body_of, outcomes_schema, read
from taxi_mlops.serving.service_metrics import ServiceMetrics
from taxi_mlops.serving.watcher import ModelWatcher

JSON = "application/json"
ANSWER_SECONDS = 20.0
"""How long a request waits for the database; what was begun may still be stored, and counts once when sent again."""
_AGAIN = {"Retry-After": "2"}
_PROBLEMS = described(
    {
        401: "No key",
        403: "The key has not the role admin",
        409: "No test, or an id was used for another outcome",
        413: "Too large",
        415: "Other type",
        422: "A value is wrong",
        429: "Too many requests",
        503: "The database is away or slow: send it again",
    }
)


def add_outcomes(app: FastAPI, watcher: ModelWatcher, metrics: ServiceMetrics, traffic: AbTraffic | None) -> None:
    """Add the routes. traffic: None without a database."""
    _add_status(app, watcher, traffic)
    body = {"requestBody": {"required": True, "content": {JSON: {"schema": outcomes_schema()}}}}

    @app.post("/v1/outcomes", response_model=OutcomesAnswer, responses=_PROBLEMS, openapi_extra=body)
    async def outcomes(request: Request) -> Response:
        """Store up to 1,000 pickups that really happened, each exactly once by its id, with the answers before them."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != JSON:
            raise ProblemError(415, f"Content-Type must be {JSON} (got {kind[:80]!r}).")
        given = read(OUTCOMES, await body_of(request))["outcomes"]
        for i, one in enumerate(given):
            if ("answer" in one) == ("key" in one):
                raise ProblemError(422, f"outcomes.{i}: give answer or key, one of both.")
        champion = watcher.current
        running = None if traffic is None else traffic.current
        if traffic is None or running is None or running.test.champion != champion.version:
            raise ProblemError(409, f"No A/B test of {champion.name} is running with version {champion.version}.")
        try:
            sender = request.scope.get(KEY_NAME, WITHOUT_KEY)
            writing = traffic.submit([_outcome(one, running.test) for one in given], running, champion, sender)
            stored = await asyncio.wait_for(asyncio.wrap_future(writing), ANSWER_SECONDS)
        except ConflictingOutcomeError as error:
            raise ProblemError(409, f"{error}; nothing of this request was stored.") from None
        except BusyError:
            raise ProblemError(503, "Too many outcomes wait to be stored; send these again later.", _AGAIN) from None
        except (TaxiError, TimeoutError):
            metrics.ab_store_failures.inc()
            raise ProblemError(503, "The database cannot be used now; send the outcomes again later.", _AGAIN) from None
        metrics.ab_outcomes_stored(stored)
        content = {"stored": stored.stored, "repeated": stored.repeated, "unmatched": list(stored.unmatched)}
        return Response(json.dumps(content), media_type=JSON)


def _add_status(app: FastAPI, watcher: ModelWatcher, traffic: AbTraffic | None) -> None:
    problems = {code: _PROBLEMS[code] for code in (401, 429, 503)} | described({404: "There was no A/B test"})

    @app.get("/v1/ab", response_model=AbStatus, responses=problems)
    def status() -> Response:
        """Return what the newest A/B test of the model has found so far."""
        try:
            found = None if traffic is None else traffic.status()
        except TaxiError:
            raise ProblemError(503, "The database cannot be used now.", _AGAIN) from None
        if found is None:
            raise ProblemError(404, f"There has been no A/B test of {watcher.current.name}.")
        return Response(to_json(found), media_type=JSON)


def _outcome(given: OutcomeGiven, test: AbTest) -> Outcome:
    key = given.get("key")
    return Outcome(
        id=given["id"],
        latitude=given["latitude"],
        longitude=given["longitude"],
        happened_at=given["time"],
        answer=given.get("answer"),
        subject=None if key is None else test.subject(key),
    )
