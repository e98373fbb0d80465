"""PostgreSQL is killed during an A/B test: serving continues, and every outcome is stored exactly once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import httpx
import pytest

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")
pytest.importorskip("psycopg", reason="psycopg is in the extra postgresql")

from taxi_mlops.audit.trail import trail_of
from taxi_mlops.models.ab_store import AbStore
from taxi_mlops.models.ab_test import Limits
from taxi_mlops.service_urls import ServiceUrl

PLACE = {"latitude": 45.0, "longitude": -30.0}


def test_a_postgresql_that_is_killed_during_a_test(own_services, registry, register_copy, settings):
    services = own_services("postgresql")
    url = services.administrator()
    store = AbStore(ServiceUrl(url), trail_of(settings))
    made = [register_copy("drilled") for _ in range(2)]
    registry.crown(made[0], None)
    test = store.start("drilled", ("1", "2"), 0.5, "00" * 32, Limits(1.0, 1000.0, 1.0), (0.1, 0.1))
    environment = {**os.environ, "TAXI_RUNS_DIR": str(settings.runs_dir), "TAXI_EXPERIMENTS_URL": url}
    command = [sys.executable, "-m", "taxi_mlops.cli", "serve", "--port", "0", "--model", "drilled"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        port = re.search(r":(\d+)/$", process.stderr.readline())[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

            def locate(number: int) -> dict:
                answer = client.post("/v1/locate", json={"points": [PLACE], "key": f"key-{number}"})
                assert answer.status_code == 200
                return answer.json()

            def wait_until(done) -> None:
                until = time.monotonic() + 120
                while not done():
                    assert time.monotonic() < until, client.get("/readyz").json()
                    time.sleep(0.2)

            def said() -> str:
                return client.get("/readyz").json()["ab_test"] or ""

            wait_until(lambda: said() == "version 2 gets 50% of the keys")
            answers = [locate(number) for number in range(20)]
            services.kill("postgresql")
            answers += [locate(number) for number in range(20, 40)]
            assert all("answer" in one for one in answers)
            sent = [
                {"id": f"o-{i}", **PLACE, "time": "2026-03-01T12:00:00Z", "answer": one["answer"]}
                for i, one in enumerate(answers)
            ]
            refused = client.post("/v1/outcomes", json={"outcomes": sent})
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
            wait_until(lambda: "127.0.0.1" in said())
            assert "postgres:***@" in said()
            assert locate(0)["version"] == answers[0]["version"]
            services.up("postgresql")
            wait_until(lambda: said() == "version 2 gets 50% of the keys")
            stored = client.post("/v1/outcomes", json={"outcomes": sent})
            assert stored.json() == {"stored": 40, "repeated": 0, "unmatched": []}
            assert client.post("/v1/outcomes", json={"outcomes": sent}).json()["repeated"] == 40
        evidence = store.evidence(test)
        assert evidence.challenger.tolist() == [one["version"] == "2" for one in answers]
        assert sum(evidence.keys) == 40
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
