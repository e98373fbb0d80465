"""The service over a model in memory, without a registry."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import numpy as np
import pytest


def square(longitude: float) -> dict:
    west, east = longitude - 0.001, longitude + 0.001
    return {
        "type": "Polygon",
        "coordinates": [[[west, -0.001], [east, -0.001], [east, 0.001], [west, 0.001], [west, -0.001]]],
    }


@pytest.fixture
def model_at():
    """Makes a model with a hotspot at each longitude of the equator; the ids begin with 5, the trips grow by ten."""
    from taxi_mlops.models.hotspot_model import HotspotModel

    def make(*longitudes: float, hours: bool = True) -> HotspotModel:
        k = len(longitudes)
        counts = np.zeros((k, 168), dtype=np.int64)
        counts[:, 0] = 1
        if k:
            counts[0, 17] = 9
        return HotspotModel(
            latitude=np.zeros(k),
            longitude=np.array(longitudes),
            hotspot=np.arange(k, dtype=np.int32),
            ids=np.arange(5, 5 + k),
            centre=np.column_stack((np.zeros(k), np.array(longitudes))),
            size=10 * np.arange(1, k + 1),
            area_km2=np.full(k, 0.5),
            outlines=tuple(map(square, longitudes)),
            eps_metres=100.0,
            min_samples=3,
            hours=counts if hours else None,
        )

    return make


@pytest.fixture
def watcher(model_at):
    """What the application needs of a watcher."""
    from taxi_mlops.serving.served_model import ServedModel
    from taxi_mlops.serving.watcher import RegistryState

    return SimpleNamespace(
        current=ServedModel("city", "3", model_at(0.0, 1.0)).prepare(), state=RegistryState(datetime.now(UTC))
    )


@pytest.fixture
def metrics():
    from prometheus_client import CollectorRegistry

    from taxi_mlops.serving.service_metrics import ServiceMetrics

    return ServiceMetrics(CollectorRegistry())


@pytest.fixture
def online_features():
    """An online store in memory: features of the hotspot 5."""
    import json

    from taxi_mlops.features import definitions

    names = [feature.name for feature in definitions.of_entity("hotspot")]
    content = {
        "at": "2016-06-01T08:00:00",
        "version": "3",
        "timezone": "America/Santiago",
        "definitions": definitions.versions(),
        "features": {**dict.fromkeys(names), "pickups_1h": 4, "pickups_mean_4h": 0.1 + 0.2},
    }
    return SimpleNamespace(name="memory", get={5: json.dumps(content)}.get)


@pytest.fixture
def application(watcher, metrics, online_features):
    """Makes the application, with keys, names of hosts, or a limit of requests."""
    from taxi_mlops.serving.app import create_app

    return lambda keys=None, hosts=None, limit=None: create_app(
        watcher, metrics, keys, hosts, lambda: online_features, limit=limit
    )


class Client:
    """Calls an application as a browser or a program would, in a loop of its own for each request."""

    def __init__(self, application, host: str = "http://localhost", raising: bool = True) -> None:
        self._application, self._host, self._raising = application, host, raising

    def request(self, method: str, path: str, **more) -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self._application, raise_app_exceptions=self._raising)
            async with httpx.AsyncClient(transport=transport, base_url=self._host) as client:
                return await client.request(method, path, **more)

        return asyncio.run(call())

    def get(self, path: str, **more) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more) -> httpx.Response:
        return self.request("POST", path, **more)


@pytest.fixture
def client_of():
    """Makes a client of an application."""
    return Client


@pytest.fixture
def client(application):
    return Client(application())
