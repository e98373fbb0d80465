"""The service during an A/B test: who gets what, what is stored, and what happens when the database is away."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")

from taxi_mlops.audit.trail import AuditTrail
from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.models.ab_store import AbStore
from taxi_mlops.models.ab_test import Answer, Limits
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.serving import outcomes
from taxi_mlops.serving.ab_traffic import MAX_WRITES, AbTraffic
from taxi_mlops.serving.answer_log import BATCH, AnswerLog
from taxi_mlops.serving.app import create_app
from taxi_mlops.serving.served_model import ServedModel

LIMITS = Limits(errors=0.01, slowdown=1000.0, noise=1.0)
PLACE = {"latitude": 0.0, "longitude": 0.0}
TIME = "2026-03-01T12:00:00Z"


@pytest.fixture
def store(tmp_path):
    return AbStore(ServiceUrl(f"sqlite:///{tmp_path / 'experiments.db'}"), AuditTrail(tmp_path / "audit", None))


@pytest.fixture
def start(store):
    """Starts a test of version 3, which the watcher has, against version 4."""
    return lambda share=0.5, limits=LIMITS, versions=("3", "4"): store.start(
        "city", versions, share, "07" * 32, limits, (0.1, 0.2)
    )


@pytest.fixture
def challenger(model_at):
    """A version whose hotspots are elsewhere."""
    return ServedModel("city", "4", model_at(0.5)).prepare()


@pytest.fixture
def traffic(store, challenger, metrics):
    made = AbTraffic(store, "city", lambda _: challenger, metrics)
    yield made
    made.stop()


@pytest.fixture
def service(watcher, metrics, traffic, client_of):
    return client_of(create_app(watcher, metrics, None, None, traffic=traffic))


def locate(service, key, *points):
    return service.post("/v1/locate", json={"points": list(points) or [PLACE], "key": key}).json()


def send(service, *given):
    return service.post("/v1/outcomes", json={"outcomes": list(given)})


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, labels)


def test_a_test_is_taken_up_and_keys_keep_their_version(service, traffic, start, store, metrics):
    traffic.tick()
    assert locate(service, "a") == {"model": "city", "version": "3", "points": [{"hotspot": 5, "metres": 0.0}]}
    test = start(share=0.3)
    traffic.tick()
    assert service.get("/readyz").json()["ab_test"] == "version 4 gets 30% of the keys"
    found = {key: locate(service, key) for key in (f"key-{i}" for i in range(300))}
    given = {key for key, answer in found.items() if answer["version"] == "4"}
    assert given == {key for key in found if test.gets_challenger(test.subject(key))}
    assert 60 <= len(given) <= 120
    for key in list(found)[:20]:
        again = locate(service, key)
        assert (again["version"], again["points"]) == (found[key]["version"], found[key]["points"])
        assert again["answer"] != found[key]["answer"]
    assert service.post("/v1/locate", json={"points": [PLACE]}).json().keys() == {"model", "version", "points"}
    traffic.tick()
    evidence = store.evidence(test)
    assert evidence.keys == (300 - len(given), len(given))
    assert sum(evidence.answers) == 320
    assert evidence.noise == (0.0, 1.0)
    assert value(metrics, "taxi_ab_share_ratio") == 0.3
    store.end(test, "stopped", "")
    traffic.tick()
    assert "answer" not in locate(service, "a")
    assert value(metrics, "taxi_ab_share_ratio") == 0.0


def test_outcomes_are_joined_by_answer_or_key_and_counted_once(service, traffic, start, store, metrics):
    test = start()
    traffic.tick()
    keys = [f"key-{i}" for i in range(40)]
    answers = {key: locate(service, key) for key in keys}  # not written yet: the outcomes wait for them
    given = [{"id": f"o-{key}", **PLACE, "time": TIME, "answer": answers[key]["answer"]} for key in keys[:30]]
    given += [{"id": f"o-{key}", **PLACE, "time": TIME, "key": key} for key in keys[30:]]
    given.append({"id": "o-none", **PLACE, "time": TIME, "key": "nobody"})
    assert send(service, *given).json() == {"stored": 40, "repeated": 0, "unmatched": ["o-none"]}
    assert send(service, *given).json() == {"stored": 0, "repeated": 40, "unmatched": ["o-none"]}
    evidence = store.evidence(test)
    assert evidence.challenger.tolist() == [answers[key]["version"] == "4" for key in keys]
    assert evidence.hit.tolist() == [answers[key]["version"] == "3" for key in keys]
    hits = value(metrics, "taxi_ab_outcomes_total", arm="champion", result="hit")
    assert hits + value(metrics, "taxi_ab_outcomes_total", arm="challenger", result="miss") == 40
    assert value(metrics, "taxi_ab_outcomes_unmatched_total") == 2
    conflict = send(service, {**given[0], "latitude": 0.25})
    assert conflict.status_code == 409
    assert (
        conflict.json()["detail"]
        == "the id 'o-key-0' was used before for another outcome; nothing of this request was stored."
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"latitude": 91}, "outcomes.0.latitude: Input should be less than or equal to 90"),
        ({"time": "yesterday"}, "outcomes.0.time: Input should be a valid datetime"),
        ({"time": "2026-03-01T12:00:00"}, "outcomes.0.time: Input should have timezone info"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "outcomes.0.time: Input should be greater than or equal to"),
        ({"id": "two words"}, "outcomes.0.id: String should match"),
        ({"id": "a\u0000"}, "outcomes.0.id: String should match"),
        ({"id": ""}, "outcomes.0.id: String should match"),
        ({"answer": "x"}, "outcomes.0.answer: String should match"),
        ({"key": None}, "outcomes.0.key: Input should be a valid string"),
        ({"answer": "0" * 32}, "outcomes.0: give answer or key, one of both."),
        ({"more": 1}, "outcomes.0.more: Extra inputs"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_outcome_is_said(service, traffic, start, changed, said):
    start()
    traffic.tick()
    answer = send(service, {"id": "o", **PLACE, "time": TIME, "key": "a", **changed})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith(said)


def test_outcomes_are_bounded_and_need_a_test(service, traffic, watcher, start, client_of, metrics, model_at):
    one = {"id": "o", **PLACE, "time": TIME, "key": "a"}
    assert send(service, one).json()["detail"] == "No A/B test of city is running with version 3."
    assert send(service, one).status_code == 409
    assert send(client_of(create_app(watcher, metrics, None, None)), one).status_code == 409
    start()
    traffic.tick()
    assert send(service, *([one] * 1001)).json()["detail"].startswith("outcomes: List should have at most 1000 items")
    assert send(service).status_code == 422
    assert service.post("/v1/outcomes", content="x", headers={"Content-Type": "text/csv"}).status_code == 415
    assert service.post("/v1/locate", json={"points": [PLACE], "key": "x" * 201}).status_code == 422
    watcher.current = ServedModel("city", "9", model_at(0.0)).prepare()
    assert send(service, one).status_code == 409
    assert service.get("/readyz").json()["ab_test"] == "paused: the test compares with version 3"
    assert "answer" not in locate(service, "a")


def test_a_failing_challenger_is_answered_by_the_champion_and_stopped(
    service, traffic, start, store, challenger, metrics
):
    test = start()
    traffic.tick()
    running = traffic.current
    traffic.current = replace(running, challenger=replace(challenger, model=None))
    given = [key for key in (f"key-{i}" for i in range(200)) if test.gets_challenger(test.subject(key))]
    for key in given[:20]:
        answer = locate(service, key)
        assert answer == {"model": "city", "version": "3", "points": [{"hotspot": 5, "metres": 0.0}]}
    assert "20 of the last 20 answers" in service.get("/readyz").json()["ab_test"]
    assert all("answer" not in locate(service, key) for key in given)
    assert value(metrics, "taxi_ab_challenger_errors_total") == 20
    assert value(metrics, "taxi_ab_guard_rails_total", rail="errors") == 1
    traffic.tick()
    assert store.running("city").guard_rail.startswith("20 of the last 20")
    assert value(metrics, "taxi_ab_share_ratio") == 0.0


def test_a_guard_rail_of_another_process_stops_the_challenger_here(service, traffic, start, store):
    test = start()
    traffic.tick()
    store.note_guard_rail(test, "it is slow elsewhere")
    assert "answer" in locate(service, "a")
    traffic.tick()
    assert "answer" not in locate(service, "a")
    assert service.get("/readyz").json()["ab_test"] == "it is slow elsewhere"


def test_a_challenger_that_is_broken_is_refused_once(store, start, metrics, watcher):
    loads = []

    def load(version):
        loads.append(version)
        raise UsageError("its files are broken")

    start()
    traffic = AbTraffic(store, "city", load, metrics)
    for _ in range(3):
        traffic.tick()
    assert (loads, traffic.current) == (["4"], None)
    assert traffic.said(watcher.current) == "version 4 cannot be tested: its files are broken"
    traffic.stop()


class Away:
    """A store that can go away."""

    def __init__(self, store) -> None:
        self._store, self.away, self.hangs = store, False, None

    def __getattr__(self, name):
        def call(*given):
            if self.hangs is not None:
                assert self.hangs.wait(60)
            if self.away:
                raise ServiceError("the database is away")
            return getattr(self._store, name)(*given)

        return call


def test_serving_continues_without_the_database_and_nothing_is_lost(
    service, watcher, store, start, challenger, metrics, client_of
):
    away = Away(store)
    test = start()
    traffic = AbTraffic(away, "city", lambda _: challenger, metrics)
    traffic.tick()
    service = client_of(create_app(watcher, metrics, None, None, traffic=traffic))
    away.away = True
    answers = [locate(service, f"key-{i}") for i in range(10)]
    assert all("answer" in one for one in answers)
    given = [{"id": f"o-{i}", **PLACE, "time": TIME, "answer": one["answer"]} for i, one in enumerate(answers)]
    refused = send(service, *given)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert refused.json()["detail"] == "The database cannot be used now; send the outcomes again later."
    traffic.tick()
    assert service.get("/readyz").json()["ab_test"] == "the database is away"
    assert value(metrics, "taxi_ab_store_failures_total") >= 2
    away.away = False
    assert send(service, *given).json() == {"stored": 10, "repeated": 0, "unmatched": []}
    traffic.tick()
    assert service.get("/readyz").json()["ab_test"] == "version 4 gets 50% of the keys"
    assert sum(store.evidence(test).answers) == 10
    traffic.stop()


def test_while_the_database_hangs_points_are_located_and_outcomes_are_refused(
    watcher, store, start, challenger, metrics, client_of, monkeypatch
):
    monkeypatch.setattr(outcomes, "ANSWER_SECONDS", 0.05)
    away = Away(store)
    start()
    traffic = AbTraffic(away, "city", lambda _: challenger, metrics)
    traffic.tick()
    service = client_of(create_app(watcher, metrics, None, None, traffic=traffic))
    answer = locate(service, "a")
    away.hangs = threading.Event()
    try:
        one = {"id": "o", **PLACE, "time": TIME, "answer": answer["answer"]}
        said = {send(service, one).json()["detail"] for _ in range(MAX_WRITES + 2)}
        assert said <= {
            "The database cannot be used now; send the outcomes again later.",
            "Too many outcomes wait to be stored; send these again later.",
        }
        assert locate(service, "a")["version"] == answer["version"]
    finally:
        away.hangs.set()
    traffic.stop()


def answer_of(number: int) -> Answer:
    return Answer(f"{number:032x}", 1, "s", False, datetime.now(UTC), 1, 1, 0.1)


def test_answers_beyond_the_room_are_dropped_and_counted(metrics):
    class Store:
        stored: list = []  # noqa: RUF012
        away = True

        def add_answers(self, answers):
            if self.away:
                raise ServiceError("away")
            self.stored.extend(answers)

    store = Store()
    log = AnswerLog(store, metrics, capacity=BATCH + 500)
    for number in range(BATCH + 700):
        log.add(answer_of(number))
    assert (len(log), value(metrics, "taxi_ab_answers_dropped_total")) == (BATCH + 500, 200)
    with pytest.raises(ServiceError):
        log.flush()
    assert len(log) == BATCH + 500
    store.away = False
    log.flush()
    assert [one.id for one in store.stored] == [f"{number:032x}" for number in range(BATCH + 500)]
    assert len(log) == 0


def test_rows_of_old_tests_are_deleted_until_none_is_left(store, start, challenger, metrics, monkeypatch):
    test = start()
    store.add_answers([replace(answer_of(number), test_id=test.id) for number in range(3)])
    store.end(test, "kept", "no difference")
    calls = []
    purge = store.purge
    monkeypatch.setattr(store, "purge", lambda before: calls.append(before) or purge(before))
    AbTraffic(store, "city", lambda _: challenger, metrics).tick()
    AbTraffic(store, "city", lambda _: challenger, metrics, timedelta(days=1)).tick()
    assert (len(calls), sum(store.evidence(test).answers)) == (1, 3)  # it has just ended
    traffic = AbTraffic(store, "city", lambda _: challenger, metrics, timedelta(0))
    for _ in range(4):
        traffic.tick()
    assert (len(calls), sum(store.evidence(test).answers)) == (3, 0)
    assert traffic.problem is None


def test_a_service_without_a_database_does_without_sqlalchemy():
    """It takes 26 MB, with Alembic."""
    program = "import sys, taxi_mlops.serving.run; print({'sqlalchemy', 'alembic', 'mlflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout.strip() == "set()"


def test_the_watching_thread_takes_up_a_test_and_writes_what_waits_when_it_ends(
    store, start, challenger, metrics, watcher
):
    test = start()
    traffic = AbTraffic(store, "city", lambda _: challenger, metrics)
    thread = traffic.watch()
    for _ in range(600):
        if traffic.current is not None:
            break
        thread.join(0.1)
    arm = traffic.assign("a", watcher.current)
    traffic.note(arm, 0.001, 1, 1)
    traffic.stop()
    thread.join(60)
    assert not thread.is_alive()
    assert sum(store.evidence(test).answers) == 1


def test_no_request_of_the_described_interface_fails_the_service_during_a_test(
    watcher, metrics, traffic, start, client_of
):
    """Schemathesis makes requests from the service's own description: right ones and wrong ones."""
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, given, settings
    from hypothesis.errors import Unsatisfiable

    start()
    traffic.tick()
    service = create_app(watcher, metrics, None, None, traffic=traffic)
    schema = schemathesis.openapi.from_asgi("/openapi.json", service)

    def codes(operation) -> set[int]:
        seen = set()
        for mode in schemathesis.GenerationMode:

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
            def answers(case):
                response = case.call(app=service)
                assert response.status_code < 500
                if response.status_code >= 400:
                    assert response.headers["content-type"] == ["application/problem+json"]
                seen.add(response.status_code)

            with suppress(Unsatisfiable):
                answers()
        return seen

    assert codes(schema["/v1/locate"]["POST"]) >= {200, 422}
    assert codes(schema["/v1/outcomes"]["POST"]) >= {200, 422}
    assert 200 in codes(schema["/v1/ab"]["GET"])


def test_the_state_of_the_test_is_given(service, traffic, start, watcher, metrics, client_of, monkeypatch):
    monkeypatch.setattr("taxi_mlops.serving.ab_traffic.STATUS_SECONDS", 0.0)
    monkeypatch.setattr("taxi_mlops.serving.ab_traffic.STATUS_COST", 0.0)
    missing = service.get("/v1/ab")
    assert (missing.status_code, missing.json()["detail"]) == (404, "There has been no A/B test of city.")
    assert client_of(create_app(watcher, metrics, None, None)).get("/v1/ab").status_code == 404
    start()
    traffic.tick()
    answer = locate(service, "a")
    send(service, {"id": "o", **PLACE, "time": TIME, "answer": answer["answer"]})
    found = service.get("/v1/ab").json()
    assert found["champion"]["outcomes"] + found["challenger"]["outcomes"] == 1
    assert (found["verdict"], found["share"], found["decision"]) == ("undecided", 0.5, None)
    page = service.get("/ab")
    assert "default-src 'none'; script-src 'self'" in page.headers["content-security-policy"]
    assert service.get("/static/ab.js").status_code == 200


def test_the_state_is_not_read_again_at_once_and_its_absence_is_said(
    store, start, challenger, metrics, watcher, client_of
):
    away = Away(store)
    start()
    traffic = AbTraffic(away, "city", lambda _: challenger, metrics)
    service = client_of(create_app(watcher, metrics, None, None, traffic=traffic))
    assert service.get("/v1/ab").status_code == 200
    away.away = True
    assert service.get("/v1/ab").status_code == 200
    traffic.stop()
    broken = AbTraffic(away, "city", lambda _: challenger, metrics)
    failed = client_of(create_app(watcher, metrics, None, None, traffic=broken)).get("/v1/ab")
    assert (failed.status_code, failed.json()["detail"]) == (503, "The database cannot be used now.")
    broken.stop()
