"""A/B tests, their answers and outcomes, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from taxi_mlops.audit.trail import AuditTrail
from taxi_mlops.errors import ServiceError
from taxi_mlops.models import ab_store
from taxi_mlops.models.ab_store import AbStore, TestRunningError
from taxi_mlops.models.ab_test import Answer, ConflictingOutcomeError, Limits, Outcome
from taxi_mlops.service_urls import ServiceUrl

NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
LIMITS = Limits(0.01, 3.0, 0.2)


@pytest.fixture
def store(store_url, tmp_path):
    return AbStore(store_url, AuditTrail(tmp_path / "audit", store_url))


def started(store, model="city"):
    return store.start(model, ("1", "2"), 0.2, "00" * 32, LIMITS, (0.1, 0.2))


def answer(test, number, key, challenger=False, seconds=0):
    return Answer(
        f"{number:032x}", test.id, test.subject(key), challenger, NOW + timedelta(seconds=seconds), 2, 1, 0.001
    )


def outcome(number, answered=None, subject=None, latitude=1.0):
    identity = None if answered is None else f"{answered:032x}"
    return Outcome(f"outcome-{number}", latitude, 2.0, NOW, identity, subject)


def north(challenger, latitude, longitude):
    """Hotspots of the champion begin at latitude 1, of the challenger at 0."""
    return latitude >= (0.0 if challenger else 1.0)


def test_one_test_of_a_model_runs_at_a_time(store):
    assert store.running("city") is None
    assert store.latest("city") is None
    first = started(store)
    assert (first.model, first.champion, first.challenger, first.share, first.limits) == ("city", "1", "2", 0.2, LIMITS)
    assert store.running("city") == store.latest("city") == first
    with pytest.raises(TestRunningError, match="end it first: taxi ab stop --name city"):
        started(store)
    other = started(store, "town")
    assert store.end(first, "stopped", "by hand")
    assert not store.end(first, "kept", "again")
    assert store.running("city") is None
    ended = store.latest("city")
    assert (ended.decision, ended.reason) == ("stopped", "by hand")
    assert ended.ended_at >= ended.started_at
    second = started(store)
    assert (store.latest("city"), store.running("town")) == (second, other)


def test_of_many_that_start_at_once_one_does(store):
    began, said = [], []

    def start():
        try:
            began.append(started(store))
        except TestRunningError as error:
            said.append(str(error))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(began), len(said)) == (1, 3)


def test_the_first_guard_rail_stays(store):
    test = started(store)
    store.note_guard_rail(test, "errors")
    store.note_guard_rail(test, "noise")
    assert store.running("city").guard_rail == "errors"


def test_answers_are_stored_once(store):
    test = started(store)
    store.add_answers([])
    store.add_answers([answer(test, 1, "a"), answer(test, 2, "a")])
    store.add_answers([answer(test, 2, "a"), answer(test, 3, "b", challenger=True)])
    found = store.evidence(test)
    assert (found.answers, found.keys, found.noise) == ((2, 1), (1, 1), (0.5, 0.5))
    assert len(found.hit) == found.repeated == 0


def test_outcomes_are_joined_and_stored_exactly_once(store):
    test = started(store)
    store.add_answers([answer(test, 1, "a"), answer(test, 2, "b", challenger=True), answer(test, 3, "c")])
    sent = [
        outcome(1, 1),
        outcome(2, 2, latitude=0.5),
        outcome(3, subject=test.subject("c"), latitude=0.5),
        outcome(4, 99),
    ]
    found = store.add_outcomes(test, sent, north)
    assert (found.stored, found.repeated, found.unmatched) == (3, 0, ("outcome-4",))
    assert (found.hits, found.misses) == ((1, 1), (1, 0))
    again = store.add_outcomes(test, [*sent, outcome(1, 1)], north)
    assert (again.stored, again.repeated, again.unmatched) == (0, 4, ("outcome-4",))
    store.add_answers([answer(test, 99, "late")])
    assert store.add_outcomes(test, sent, north).stored == 1  # its answer has come by now
    evidence = store.evidence(test)
    assert evidence.challenger.tolist() == [False, True, False, False]
    assert evidence.hit.tolist() == [True, True, False, True]


def test_a_key_counts_by_its_first_outcome(store):
    test = started(store)
    store.add_answers([answer(test, 1, "a"), answer(test, 2, "a", seconds=1)])
    first = store.add_outcomes(test, [outcome(1, 1), outcome(2, subject=test.subject("a"), latitude=0.0)], north)
    store.add_outcomes(test, [outcome(3, 2, latitude=0.0)], north)
    evidence = store.evidence(test)
    assert (first.stored, evidence.hit.tolist(), evidence.repeated) == (2, [True], 2)


def test_an_id_that_was_used_for_another_outcome_is_refused_with_all_that_came_with_it(store):
    test = started(store)
    store.add_answers([answer(test, 1, "a"), answer(test, 2, "b")])
    store.add_outcomes(test, [outcome(1, 1)], north)
    with pytest.raises(ConflictingOutcomeError, match="'outcome-1' was used before"):
        store.add_outcomes(test, [outcome(2, 2), outcome(1, 1, latitude=1.5)], north)
    with pytest.raises(ConflictingOutcomeError, match="'outcome-2'"):
        store.add_outcomes(test, [outcome(2, 2), replace(outcome(2, 2), happened_at=NOW + timedelta(1))], north)
    assert len(store.evidence(test).hit) == 1


def test_outcomes_that_are_sent_twice_at_once_are_stored_once(store):
    test = started(store)
    store.add_answers([answer(test, number, f"key-{number}", number % 2 == 0) for number in range(1200)])
    sent = [outcome(number, number) for number in range(1200)]
    counts, failures = [], []

    def send():
        try:
            counts.append(store.add_outcomes(test, sent, north).stored)
        except ServiceError as error:
            failures.append(error)

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    assert sorted(counts) == [0, 0, 1200]
    evidence = store.evidence(test)
    assert np.count_nonzero(evidence.challenger) == 600
    assert evidence.keys == (600, 600)


def test_tests_do_not_see_each_other(store):
    one, two = started(store), started(store, "town")
    store.add_answers([answer(one, 1, "a"), answer(two, 2, "a")])
    assert store.add_outcomes(two, [outcome(1, 1), outcome(2, subject=two.subject("a"))], north).unmatched == (
        "outcome-1",
    )
    assert store.add_outcomes(one, [outcome(2, 1, latitude=5.0)], north).stored == 1  # ids belong to a test
    assert len(store.evidence(one).hit) == len(store.evidence(two).hit) == 1


def test_a_database_that_is_away_is_a_service_error(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    url = ServiceUrl(f"sqlite:///{tmp_path / 'file' / 'experiments.db'}")
    away = AbStore(url, AuditTrail(tmp_path / "audit", url))
    with pytest.raises(ServiceError):
        started(away)
    assert away.running("city") is None


def test_rows_of_tests_that_ended_long_ago_are_deleted_some_at_a_time(store, monkeypatch):
    monkeypatch.setattr(ab_store, "PURGED_AT_ONCE", 2)
    assert store.purge(datetime.now(UTC)) == 0  # there is no database yet
    tests = [started(store, model) for model in ("city", "town")]
    for number, test in enumerate(tests):
        store.add_answers([answer(test, 10 * number + i, f"key-{i}") for i in range(3)])
        store.add_outcomes(test, [outcome(number, answered=10 * number)], north)
    assert store.purge(datetime.now(UTC) + timedelta(days=1)) == 0  # both run
    store.end(tests[0], "kept", "no difference")
    before = datetime.now(UTC)
    assert store.purge(before - timedelta(hours=1)) == 0  # it ended since
    assert [store.purge(before + timedelta(hours=1)) for _ in range(3)] == [3, 1, 0]
    assert store.evidence(tests[0]).answers == (0, 0)
    assert store.latest("city").reason == "no difference"
    assert store.evidence(tests[1]).answers == (3, 0)
