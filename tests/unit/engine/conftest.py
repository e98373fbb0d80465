"""The engine's tests have few points, and would be done by one thread."""

import pytest


@pytest.fixture(autouse=True)
def threads_as_asked_for(monkeypatch):
    monkeypatch.setattr("haversine_dbscan.threads.POINTS_PER_THREAD", 1)
