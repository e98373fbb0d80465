"""An A/B test from start to decision: in the registry, and with a service as a process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("mlflow", reason="MLflow is in the extra tracking")

from taxi_mlops.audit.trail import AuditTrail, trail_of
from taxi_mlops.cli.main import app
from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.models.ab_store import AbStore, TestRunningError
from taxi_mlops.models.ab_test import Answer, Outcome
from taxi_mlops.models.mlflow_model import example_points, load_mlflow_model
from taxi_mlops.pipeline import ab
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.promote import PromotionRefusedError
from taxi_mlops.pipeline.train import register
from taxi_mlops.service_urls import ServiceUrl, experiments_url
from taxi_mlops.training import AbStart, Promotion


@pytest.fixture
def store(tmp_path):
    return AbStore(ServiceUrl(f"sqlite:///{tmp_path / 'experiments.db'}"), AuditTrail(tmp_path / "audit", None))


@pytest.fixture
def versions(registry, register_copy):
    """Registers two versions under a name; the first is champion."""

    def registered(name: str, **changed):
        made = [register_copy(name, **changed) for _ in range(2)]
        registry.crown(made[0], None)
        return made

    return registered


def as_it_is(path):
    """Answer at once, in place of a clean process."""
    model = load_mlflow_model(path)
    return model.locate(*example_points(model)).hotspot.tolist()


def begun(name, registry, store, **options):
    document = AbStart().with_parameters({"name": name, **options})
    return ab.start(document, registry, store, Observer())


def collect(store, test, champion: float, challenger: float, n=4000):
    """Store outcomes of two versions with these hit rates."""
    rng = np.random.default_rng(1)
    now = datetime.now(UTC)
    subjects = [test.subject(f"key-{i}") for i in range(n)]
    member = [test.gets_challenger(one) for one in subjects]
    answers = [Answer(f"{i:032x}", test.id, subjects[i], member[i], now, 1, 1, 0.001) for i in range(n)]
    hit = rng.random(n) < np.where(member, challenger, champion)
    sent = [Outcome(f"o-{i}", float(hit[i]), 0.0, now, answers[i].id) for i in range(n)]
    store.add_answers(answers)
    store.add_outcomes(test, sent, lambda _, latitude, __: latitude > 0.5)


def decided(name, registry, store, **limits):
    document = Promotion().with_parameters(limits)
    return ab.decide(name, document, registry, store, Observer(), as_it_is)


def test_a_better_challenger_is_promoted_through_the_gates(registry, store, versions, first):
    versions("better")
    test = begun("better", registry, store, share="50%")
    assert (test.champion, test.challenger, test.share) == ("1", "2", 0.5)
    assert test.champion_area == test.challenger_area == pytest.approx(first[0].card.unseen.share_of_area, abs=0.005)
    with pytest.raises(TestRunningError, match="taxi ab stop --name better"):
        begun("better", registry, store)
    with pytest.raises(ab.UndecidedError, match=r"not decided yet: .* contains 0"):
        decided("better", registry, store)
    collect(store, test, 0.5, 0.65)
    found = decided("better", registry, store)
    assert (found.decision, found.verdict) == ("promoted", "challenger_better")
    assert registry.champion("better").version == "2"
    assert registry.find("better", "2").gates["unseen"]["passed"]
    with pytest.raises(UsageError, match="no A/B test of model 'better' is running"):
        decided("better", registry, store)
    with pytest.raises(UsageError, match="version 2 of better is champion itself"):
        begun("better", registry, store)


def test_a_better_challenger_that_the_gates_refuse_is_not_promoted(registry, store, versions):
    versions("refused", proof=None)
    test = begun("refused", registry, store, share=0.5)
    collect(store, test, 0.5, 0.65)
    with pytest.raises(PromotionRefusedError, match="gate equal"):
        decided("refused", registry, store)
    assert registry.champion("refused").version == "1"
    assert ab.status("refused", store).decision == "kept"


def test_a_worse_challenger_ends_the_test(registry, store, versions):
    versions("worse")
    collect(store, begun("worse", registry, store, share=0.5), 0.65, 0.5)
    found = decided("worse", registry, store)
    assert found.decision == "kept"
    assert found.reason.startswith("version 2 is worse: area-corrected hit rate -0.1")
    assert registry.champion("worse").version == "1"


def test_a_guard_rail_ends_the_test_and_a_wrong_ratio_decides_nothing(registry, store, versions):
    versions("railed")
    test = begun("railed", registry, store)
    collect(store, test, 0.5, 0.9)
    store.note_guard_rail(test, "too slow")
    assert decided("railed", registry, store).reason == "a guard rail stopped version 2: too slow"
    test = begun("railed", registry, store, share=0.5)
    now = datetime.now(UTC)
    store.add_answers([Answer(f"f{i:031x}", test.id, f"s{i}", i % 10 == 0, now, 1, 1, 0.1) for i in range(1000)])
    with pytest.raises(ab.UndecidedError, match="the challenger has 100 of 1,000 keys and 0 of 0 outcomes, not 50%"):
        decided("railed", registry, store)
    assert ab.stop("railed", store).decision == "stopped"


def test_a_decision_that_was_cut_off_after_the_promotion_is_completed(registry, store, versions):
    one, two = versions("cutoff")
    test = begun("cutoff", registry, store, share=0.5)
    collect(store, test, 0.5, 0.65)
    registry.crown(two, one)
    found = decided("cutoff", registry, store)
    assert (found.decision, found.reason) == ("promoted", "version 2 is champion")


def test_another_champion_in_the_meantime_decides_nothing(registry, store, versions, register_copy):
    one, _ = versions("moved")
    begun("moved", registry, store, challenger="moved@2")
    registry.crown(register_copy("moved"), one)
    with pytest.raises(ab.UndecidedError, match="version 3 of moved is champion by now, not version 1"):
        decided("moved", registry, store)


def test_what_cannot_be_tested_is_said(registry, store, register_copy):
    version = register_copy("lonely")
    with pytest.raises(UsageError, match="has no champion to test against"):
        begun("lonely", registry, store)
    registry.crown(version, None)
    with pytest.raises(UsageError, match="is champion itself"):
        begun("lonely", registry, store)
    with pytest.raises(UsageError, match="is no version of model 'lonely'"):
        begun("lonely", registry, store, challenger="other@2")
    with pytest.raises(UsageError, match=r"share = 0\.6: Input should be less than"):
        begun("lonely", registry, store, share="60%")
    with pytest.raises(UsageError, match="has had no A/B test"):
        ab.status("lonely", store)
    register_copy("blind", held_out=None)
    register_copy("blind", held_out=None)
    registry.crown(registry.find("blind", "1"), None)
    with pytest.raises(UsageError, match="train with --holdout"):
        begun("blind", registry, store)


@contextmanager
def served(settings, *options: str):
    """Start the service on a free port; gives its address and process."""
    environment = {**os.environ, "TAXI_RUNS_DIR": str(settings.runs_dir)}
    command = [sys.executable, "-m", "taxi_mlops.cli", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline()
        found = re.search(r":(\d+)/$", line)
        assert found, line + process.stderr.read()
        yield f"http://127.0.0.1:{found[1]}", process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def wait_for(url: str, expected) -> None:
    until = time.monotonic() + 60
    while httpx.get(f"{url}/readyz", timeout=30).json()["ab_test"] != expected:
        assert time.monotonic() < until, "the service did not take the test up"
        time.sleep(0.2)


def test_the_commands_with_a_service_and_a_replay(registry, settings, train, first, monkeypatch):
    monkeypatch.setenv("TAXI_RUNS_DIR", str(settings.runs_dir))
    monkeypatch.setenv("TAXI_POINTS_CACHE", "false")
    monkeypatch.setenv("COLUMNS", "200")
    run = CliRunner()

    def taxi(*words: str) -> str:
        result = run.invoke(app, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    registry.crown(register(*train("live", eps=150, min_samples=4), registry, Observer()), None)
    register(*train("live", eps=60, min_samples=4), registry, Observer())
    trips = ("synthetic:rows=600,seed=1", "--speed", "1e9", "--quiet")
    with served(settings, "--model", "live") as (url, process):
        wait_for(url, None)
        assert "outcomes: none, since no A/B test is running" in taxi("replay", *trips, "--sample", "20", "--url", url)
        said = taxi(
            "ab", "start", "--name", "live", "--share", "50%", "--max-noise", "1", "--max-slowdown", "1000", "-q"
        )
        assert said.startswith("A/B test of live: version 2 gets 50% of the keys, version 1 the others\n")
        wait_for(url, "version 2 gets 50% of the keys")
        replayed = taxi("replay", *trips, "--url", url)
        count = int(re.search(r"outcomes: (\d+) stored, 0 repeated, 0 without an answer", replayed)[1])
        assert f"played {count} trips" in replayed
        assert re.search(r"version 1: \d+, version 2: \d+", replayed)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
    shown = json.loads(taxi("ab", "status", "--name", "live", "--json"))
    assert shown["champion"]["outcomes"] + shown["challenger"]["outcomes"] == count
    assert shown["champion"]["answers"] + shown["challenger"]["answers"] == count
    # A trip is asked for where it happens, so each version's hits are its points inside.
    for arm in (shown["champion"], shown["challenger"]):
        assert arm["hit_rate"] == pytest.approx(1 - arm["noise_share"])
    assert shown["champion"]["area_share"] > shown["challenger"]["area_share"]
    assert taxi("ab", "status", "--name", "live").startswith("A/B test of live since ")
    assert taxi("ab", "stop", "--name", "live").strip().endswith("it was stopped by hand")
    store = AbStore(experiments_url(settings), trail_of(settings))
    assert store.running("live") is None


def test_a_replay_without_a_service_is_said(settings, monkeypatch):
    monkeypatch.setenv("TAXI_RUNS_DIR", str(settings.runs_dir))
    monkeypatch.setenv("TAXI_POINTS_CACHE", "false")
    run = CliRunner()
    with pytest.raises(ServiceError, match=r"no service answers at http://127\.0\.0\.1:1"):
        run.invoke(app, ["replay", "synthetic:rows=100", "--url", "http://127.0.0.1:1", "-q"], catch_exceptions=False)
    with pytest.raises(UsageError, match="--url localhost: an address begins with http://"):
        run.invoke(app, ["replay", "synthetic:rows=100", "--url", "localhost"], catch_exceptions=False)
    with pytest.raises(UsageError, match="cannot read the API key"):
        run.invoke(app, ["replay", "synthetic:rows=100", "--key-file", "nowhere"], catch_exceptions=False)
