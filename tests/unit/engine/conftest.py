"""The engine's tests have few points, which would be swept, and by one thread: here they take the way of many."""

import pytest


@pytest.fixture(autouse=True)
def as_many_points(monkeypatch):
    monkeypatch.setattr("haversine_dbscan.threads.POINTS_PER_THREAD", 1)
    monkeypatch.setattr("haversine_dbscan.clustering.MOST_SWEPT", 0)
