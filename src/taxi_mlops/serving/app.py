"""The HTTP interface of hotspot models, under /v1."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Path, Query, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from taxi_mlops import __version__
from taxi_mlops.features.online import OnlineStore
from taxi_mlops.monitoring.logs import get_logger
from taxi_mlops.serving.ab_traffic import AbTraffic, Arm
from taxi_mlops.serving.bulk import READERS, answer, answered_type, spooled
from taxi_mlops.serving.features import add_features
from taxi_mlops.serving.gate import Gate
from taxi_mlops.serving.keys import ApiKeys
from taxi_mlops.serving.outcomes import add_outcomes
from taxi_mlops.serving.pages import DESCRIPTION, add_pages
from taxi_mlops.serving.problems import ProblemError, described, problem, sentence
from taxi_mlops.serving.rate_limit import RateLimit
from taxi_mlops.serving.requests import (
    LOCATE,
    LocateAnswer,
    NearestAnswer,
    Point,
    Readiness,
    body_of,
    box_of,
    locate_schema,
    read,
)
from taxi_mlops.serving.served_model import ServedModel
from taxi_mlops.serving.service_metrics import ServiceMetrics
from taxi_mlops.serving.tile_routes import add_tiles
from taxi_mlops.serving.watcher import ModelWatcher

GEOJSON = "application/geo+json"
JSON = "application/json"
_INLINE_POINTS = 500
"""More are located in a thread, so that other requests are answered meanwhile."""

_PROBLEMS = described({401: "No key", 413: "Too large", 422: "A value is wrong", 429: "Too many requests"})
_FEATURES = {200: {"content": {GEOJSON: {}}}, **_PROBLEMS}


def create_app(
    watcher: ModelWatcher,
    metrics: ServiceMetrics,
    keys: ApiKeys | None,
    hosts: frozenset[str] | None,
    features: Callable[[], OnlineStore] | None = None,
    traffic: AbTraffic | None = None,
    limit: RateLimit | None = None,
) -> Gate:
    """Return the application.

    hosts: the names of this host that requests may use; None for any. features: opens the online store of features.
    traffic: of A/B tests; None without a database. limit: of requests; None for none.
    """
    bearer = [] if keys is None else [Security(HTTPBearer(auto_error=False))]  # the gate checks it
    app = FastAPI(
        title="Hotspots",
        version=__version__,
        openapi_url=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        dependencies=bearer,
    )
    _add_errors(app)
    _add_locate(app, watcher, metrics, traffic)
    _add_hotspots(app, watcher)
    add_tiles(app, watcher)
    add_outcomes(app, watcher, metrics, traffic)
    _add_states(app, watcher, metrics, traffic)
    if features is not None:
        add_features(app, watcher.current.name, features)
    add_pages(app)
    return Gate(app, keys, hosts, metrics.request, limit)


def _add_locate(app: FastAPI, watcher: ModelWatcher, metrics: ServiceMetrics, traffic: AbTraffic | None) -> None:
    binary = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in READERS}
    body = {"requestBody": {"required": True, "content": {JSON: {"schema": locate_schema()}, **binary}}}
    answers = {200: {"model": LocateAnswer, "content": dict(binary)}, **_PROBLEMS}
    answers |= described({400: "Cut off", 406: "Other types are accepted", 415: "Other type"})

    @app.post("/v1/locate", response_model=LocateAnswer, responses=answers, openapi_extra=body)
    async def locate(request: Request) -> Response:
        """Find the hotspot of each of 1 to 10,000 points of JSON, or of millions in Arrow IPC or Parquet."""
        request.scope["route"] = direct  # for the metrics, as FastAPI notes it
        served = watcher.current
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in READERS:
            return await _answered_in_bulk(request, kind, served, metrics)
        if kind != JSON:
            raise ProblemError(415, f"Content-Type must be {JSON}, {' or '.join(READERS)} (got {kind[:80]!r}).")
        given = read(LOCATE, await body_of(request))
        points = given["points"]
        arm = traffic.assign(given["key"], served) if traffic is not None and "key" in given else None
        if traffic is not None and arm is not None:
            found, inside, more = await _answered_in_test(traffic, arm, served, points)
        else:
            begun = time.perf_counter()
            found = await _found(served, points)
            inside, more = _inside(found), {"version": served.version}
            if traffic is not None:
                traffic.compare(served, points, found, time.perf_counter() - begun)
        metrics.located(inside, len(found) - inside)
        if more["version"] == served.version:
            _count_areas(metrics, served, found)
        return _json({"model": served.name, **more, "points": found})

    # FastAPI describes it, and Starlette calls it: resolving its dependencies would cost more than locating a point.
    direct = Route("/v1/locate", locate, methods=["POST"])
    app.router.routes.insert(0, direct)


_BULK = SimpleNamespace(path="/v1/locate of many")
"""The route of bodies in Arrow and Parquet, for the metrics: how long they take says nothing of the others."""


async def _answered_in_bulk(request: Request, kind: str, served: ServedModel, metrics: ServiceMetrics) -> Response:
    request.scope["route"] = _BULK
    answered = answered_type(request.headers.get("accept", ""), kind)
    batches = READERS[kind]
    file = await spooled(request, batches)
    return StreamingResponse(
        answer(file, batches, answered, served, metrics),
        media_type=answered,
        headers={"X-Model-Version": served.version},
    )


async def _answered_in_test(
    traffic: AbTraffic, arm: Arm, champion: ServedModel, points: list[Point]
) -> tuple[list[dict[str, Any]], int, dict[str, str]]:
    """Return what the version of an A/B test found, how many points are inside, and the version and id of the answer.

    Where the challenger fails, the champion answers, without an id: no outcome counts for it.
    """
    begun = time.perf_counter()
    try:
        found = await _found(arm.served, points)
    except Exception:
        if not arm.is_challenger:
            raise
        traffic.note_failure(arm)
        found = await _found(champion, points)
        return found, _inside(found), {"version": champion.version}
    seconds, inside = time.perf_counter() - begun, _inside(found)
    number = traffic.note(arm, seconds, len(points), inside)
    if not arm.is_challenger:
        traffic.compare(champion, points, found, seconds)
    return found, inside, {"version": arm.served.version, "answer": number}


async def _found(served: ServedModel, points: list[Point]) -> list[dict[str, Any]]:
    if len(points) <= _INLINE_POINTS:
        return _located(served, points)
    return await run_in_threadpool(_located, served, points)


def _count_areas(metrics: ServiceMetrics, served: ServedModel, found: list[dict[str, Any]]) -> None:
    if len(found) == 1:
        metrics.located_at(served.version, served.areas.of(found[0]["hotspot"]))
    else:
        metrics.located_in(served.version, served.areas.counts(one["hotspot"] for one in found))


def _inside(found: list[dict[str, Any]]) -> int:
    return sum(one["hotspot"] is not None for one in found)


def _located(served: ServedModel, points: list[Point]) -> list[dict[str, Any]]:
    if len(points) == 1:
        return [served.located_one(points[0]["latitude"], points[0]["longitude"])]
    latitude = np.array([point["latitude"] for point in points], dtype=np.float64)
    longitude = np.array([point["longitude"] for point in points], dtype=np.float64)
    return served.located(latitude, longitude)


def _add_hotspots(app: FastAPI, watcher: ModelWatcher) -> None:
    @app.get("/v1/hotspots", response_class=Response, responses=_FEATURES)
    def hotspots(
        bbox: Annotated[str | None, Query(max_length=200, description="west,south,east,north in degrees")] = None,
        min_points: Annotated[int, Query(ge=0, le=2**53, description="Least number of trips.")] = 0,
        hour: Annotated[
            int | None, Query(ge=0, le=167, description="Hour of the week, from Monday 0:00; counts trips in it alone.")
        ] = None,
    ) -> Response:
        """Return the hotspots as GeoJSON, those with most trips first."""
        served = watcher.current
        if hour is not None and served.model.hours is None:
            raise ProblemError(422, "hour: the trips of this model have no times.")
        box = None if bbox is None else box_of(bbox)
        return Response(served.collection(box, min_points, hour), media_type=GEOJSON)

    @app.get(
        "/v1/hotspots/nearest", response_model=NearestAnswer, responses=_PROBLEMS | described({404: "No hotspots"})
    )
    def nearest(
        latitude: Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False)],
        longitude: Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False)],
    ) -> Response:
        """Find the hotspot of the nearest core point, however far it is."""
        served = watcher.current
        found = served.nearest(latitude, longitude)
        if found is None:
            raise ProblemError(404, "The model has no hotspots.")
        answer = {"hotspot": found.hotspot, "metres": round(found.metres, 3), "inside": found.inside}
        named = {} if served.names is None else {"name": served.names.get(found.hotspot)}
        return _json({"model": served.name, "version": served.version, **answer, **named})

    @app.get(
        "/v1/hotspots/{number}", response_class=Response, responses=_FEATURES | described({404: "No such hotspot"})
    )
    def hotspot(number: Annotated[int, Path(ge=0, lt=2**63)]) -> Response:
        """Return a hotspot as a feature of GeoJSON, with its trips by hour of the week."""
        served = watcher.current
        found = served.feature(number)
        if found is None:
            raise ProblemError(404, f"Version {served.version} of {served.name} has no hotspot {number}.")
        return Response(found, media_type=GEOJSON)


def _add_states(app: FastAPI, watcher: ModelWatcher, metrics: ServiceMetrics, traffic: AbTraffic | None) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Answer while the process runs."""
        return {"status": "ok"}

    @app.get("/readyz", response_model=Readiness)
    async def readyz() -> Response:
        """Say which version answers, and whether the registry can be read."""
        served, state = watcher.current, watcher.state
        said = {"registry": state.failure or "ok", "refused": state.refused}
        said["ab_test"] = None if traffic is None else traffic.said(served)
        return _json({"status": "ready", "model": served.name, "version": served.version, **said})

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def scrape() -> Response:
        """Return the metrics of the service for Prometheus."""
        return Response(generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(ProblemError)
    async def refused(_: Request, error: ProblemError) -> Response:
        return problem(error.status, error.detail, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return problem(422, sentence(list(error.errors())))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        route = getattr(request.scope.get("route"), "path", None)
        get_logger().error("request_failed", route=route, exc_info=error)
        return problem(500, "The service failed to answer; its log says why.")

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        said = {404: f"There is nothing at {request.url.path[:200]}.", 405: f"{request.method} is not allowed here."}
        return problem(error.status_code, said.get(error.status_code, str(error.detail)), error.headers)


def _json(content: dict[str, Any]) -> Response:
    return Response(json.dumps(content, allow_nan=False), media_type=JSON)
