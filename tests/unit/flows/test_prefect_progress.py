"""The progress artifact of a flow run: one, updated now and then; a server that refuses it ends nothing."""

from __future__ import annotations

import logging

import pytest

pytest.importorskip("prefect", reason="the extra flow is not installed")

from taxi_mlops.flows import prefect_progress
from taxi_mlops.flows.prefect_progress import ProgressBar


@pytest.fixture
def shown(monkeypatch):
    """What Prefect was asked to show, at a time that stands still."""
    calls = []
    clock = [0.0]
    monkeypatch.setattr(prefect_progress.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(
        prefect_progress,
        "create_progress_artifact",
        lambda percent, key, description: calls.append((key, percent, description)) or "id",
    )
    monkeypatch.setattr(
        prefect_progress,
        "update_progress_artifact",
        lambda artifact, percent, description: calls.append((artifact, percent, description)),
    )
    return calls, clock


def test_one_artifact_for_all_stages(shown):
    calls, clock = shown
    bar = ProgressBar()
    bar.show("Counting the points", 0, 200)
    bar.show("Counting the points", 50, 200)  # too soon
    clock[0] = 6.0
    bar.show("Counting the points", 100, 200)
    bar.show("Counting the points", 200, 200)
    bar.show("Clustering the tiles", 1, 4)
    bar.show("Reading", 1, None)  # nobody knows how much there is
    assert calls == [
        ("progress", 0.0, "Counting the points: 0 of 200"),
        ("id", 50.0, "Counting the points: 100 of 200"),
        ("id", 100.0, "Counting the points: 200 of 200"),
        ("id", 25.0, "Clustering the tiles: 1 of 4"),
    ]


def test_a_server_that_refuses_is_asked_once(monkeypatch, caplog):
    asked = []

    def refuse(*_, **__):
        asked.append(1)
        raise OSError("no server")

    monkeypatch.setattr(prefect_progress, "create_progress_artifact", refuse)
    monkeypatch.setattr(prefect_progress, "get_run_logger", lambda: logging.getLogger("run"))
    bar = ProgressBar()
    with caplog.at_level(logging.WARNING, "run"):
        bar.show("Counting the points", 0, 200)
        bar.show("Counting the points", 200, 200)
    assert asked == [1]
    assert caplog.messages == ["the progress is not shown: OSError: no server"]
