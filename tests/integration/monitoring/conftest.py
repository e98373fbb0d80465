"""A stack that is watched, with the intervals of deploy/ shortened to a second."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest


def shorten_intervals(services: Any) -> None:
    """Make Prometheus scrape, evaluate and fire each second, and Alertmanager tell at once; those that are up."""
    folder = services.stack.folder
    files = [*folder.data("prometheus").rglob("*.yml"), folder.data("alertmanager") / "alertmanager.yml"]
    for path in filter(Path.is_file, files):
        text = re.sub(r"(_interval|_timeout|_wait|\bfor): \d+[sm]\b", r"\1: 1s", path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")
    for status in services.stack.status():
        if status.name in ("prometheus", "alertmanager"):
            os.kill(status.pid, signal.SIGHUP)


class Asked:
    """Questions to the programs of a watched stack."""

    def __init__(self, services: Any) -> None:
        folder = services.stack.folder
        self._prometheus = f"http://127.0.0.1:{folder.port('prometheus')}"
        self._loki = f"http://127.0.0.1:{folder.port('loki')}"
        self._jaeger = f"http://127.0.0.1:{folder.port('jaeger', 'query')}"

    def metrics(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers now."""
        answer = httpx.get(f"{self._prometheus}/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", (expression, answer)
        return answer["data"]["result"]

    def rules(self) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self._prometheus}/api/v1/rules").json()
        return [rule for group in answer["data"]["groups"] for rule in group["rules"]]

    def targets(self) -> dict[str, str]:
        answer = httpx.get(f"{self._prometheus}/api/v1/targets").json()
        return {target["labels"]["job"]: target["health"] for target in answer["data"]["activeTargets"]}

    def lines(self, expression: str) -> list[dict[str, Any]]:
        """Streams of Loki's, of the last hour."""
        answer = httpx.get(f"{self._loki}/loki/api/v1/query_range", params={"query": expression, "since": "1h"})
        assert answer.status_code == 200, (expression, answer.text)
        return answer.json()["data"]["result"]

    def labels_of_lines(self) -> list[str]:
        """The labels that Loki's streams have; whatever else a line has is structured metadata."""
        return httpx.get(f"{self._loki}/loki/api/v1/labels", params={"since": "1h"}).json()["data"]

    def spans(self, trace_id: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self._jaeger}/api/traces/{trace_id}")
        return answer.json()["data"][0]["spans"] if answer.status_code == 200 else []


@pytest.fixture(scope="session")
def shorten():
    return shorten_intervals


@pytest.fixture(scope="session")
def ask():
    return Asked
