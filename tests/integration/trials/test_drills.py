"""Every way in which an implementation can misbehave ends as a row, and leaves nothing running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest

from taxi_mlops.domain import TrialKind, TrialStatus
from taxi_mlops.trials.clusterings import open_clustering
from taxi_mlops.trials.processes import MARKER, sweep_orphans

LIMIT = 3.0
MEMORY = 300 * 1024**2


def test_a_good_adapter_is_ok_and_its_answer_can_be_read_back(drills, n_points):
    outcome = drills.run("good")
    assert (outcome.status, outcome.cause, outcome.exit_code) == (TrialStatus.OK, None, 0)
    assert (outcome.n_clusters, outcome.n_noise, outcome.adapter_version) == (1, 1, "1.0")
    assert outcome.about == {"points": n_points, "mean": 0.5, "nan": "nan"}
    assert outcome.peak_memory_bytes is None
    assert (outcome.template_seconds is None) == (drills.templates is None)
    timings = (
        outcome.fit_seconds,
        outcome.prepare_seconds,
        outcome.fit_user_seconds,
        outcome.fit_system_seconds,
        outcome.cold_start_seconds - (outcome.template_seconds or 0.0),
    )
    assert all(seconds is not None and 0 <= seconds <= outcome.total_seconds for seconds in timings)
    stored = open_clustering(drills.labels, outcome.labels_digest)
    assert stored.labels.dtype == np.int32
    assert stored.labels.tolist() == [-1] + [0] * (n_points - 1)
    assert stored.core_mask.tolist() == [False] + [True] * (n_points - 1)


def test_what_compiling_takes_is_not_in_the_peak(drills):
    measured = drills.run("compiles", TrialKind.MEMORY)
    assert measured.status is TrialStatus.OK, measured
    assert measured.peak_memory_bytes < 200 * 1024**2
    warmed_up = (drills.folder / "compiled").read_text().split()
    assert len(warmed_up) == 2
    assert set(warmed_up) == {str(pid) for pid in drills.recorded()}  # the guardian still knows it


def test_a_memory_trial_has_a_peak_and_no_times(drills):
    timed, measured = drills.run("good"), drills.run("good", TrialKind.MEMORY)
    assert measured.status is TrialStatus.OK
    assert 10 * 1024**2 < measured.peak_memory_bytes < 10 * 1024**3
    assert (measured.fit_seconds, measured.prepare_seconds, measured.cold_start_seconds) == (None, None, None)
    assert measured.labels_digest == timed.labels_digest
    assert len(list(drills.labels.iterdir())) == 2


@pytest.mark.parametrize(
    ("adapter", "phase"),
    [
        ("sleeps", "fit"),
        ("sleeps-in-warm-up", "warm-up"),
        ("sleeps-with-the-gil", "fit"),
        ("ignores-sigterm", "fit"),
        ("forks-and-sleeps", "fit"),
    ],
)
def test_what_never_ends_is_ended_at_its_limit(drills, adapter, phase):
    outcome = drills.run(adapter, timeout=LIMIT)
    assert outcome.status is TrialStatus.TIMEOUT
    assert outcome.cause == f"timed out after 3 s during {phase}"
    assert outcome.exit_code == -signal.SIGKILL
    assert outcome.adapter_version == "1.0"
    assert outcome.fit_seconds is None


def test_the_guardian_is_not_needed_to_end_a_trial(drills):
    outcome = drills.run("kills-its-guardian", timeout=LIMIT)
    assert outcome.status in (TrialStatus.CRASHED, TrialStatus.TIMEOUT)
    assert len(drills.recorded()) == 2


@pytest.mark.parametrize("kind", list(TrialKind))
def test_allocating_without_end_is_out_of_memory(drills, kind):
    outcome = drills.run("allocates", kind, memory=MEMORY)
    assert outcome.status is TrialStatus.OUT_OF_MEMORY
    # Whichever sees it first, the process or the parent's samples.
    failed = f"MemoryError, within the limit of {MEMORY:,} bytes for each process"
    assert outcome.cause == failed or (kind is TrialKind.MEMORY and outcome.cause.startswith("used "))
    assert outcome.peak_memory_bytes is None


@pytest.mark.parametrize("adapter", ["allocates-shared", "allocates-in-children"])
def test_memory_is_limited_over_the_whole_tree(drills, adapter):
    outcome = drills.run(adapter, TrialKind.MEMORY, memory=MEMORY)
    assert outcome.status is TrialStatus.OUT_OF_MEMORY
    assert outcome.cause.startswith("used ")
    assert outcome.cause.endswith(f"more than the limit of {MEMORY:,}, during fit")


def test_shared_pages_count_once(drills):
    alone = drills.run("good", TrialKind.MEMORY).peak_memory_bytes
    with_daemons = drills.run("forks", TrialKind.MEMORY)
    assert with_daemons.status is TrialStatus.OK
    # As much as one process alone, to within what the same process takes from one time to the next.
    assert 0.98 * alone <= with_daemons.peak_memory_bytes < 3 * alone


@pytest.mark.parametrize(
    ("adapter", "status", "exit_code", "cause"),
    [
        ("segfaults", TrialStatus.CRASHED, -signal.SIGSEGV, "was killed by SIGSEGV without an answer during fit"),
        ("exits-at-once", TrialStatus.CRASHED, 3, "exited with code 3 without an answer during fit"),
        ("exits-at-once-with-daemons", TrialStatus.CRASHED, 3, "exited with code 3 without an answer during fit"),
        ("exits-politely", TrialStatus.CRASHED, 4, "exited with code 4 without an answer during fit"),
        ("raises", TrialStatus.ERROR, 0, "ValueError: no clusters today and none tomorrow"),
        (
            "aborts-for-want-of-memory",
            TrialStatus.OUT_OF_MEMORY,
            -signal.SIGABRT,
            "native code could not allocate memory, and aborted, during fit",
        ),
        (
            "killed-from-outside",
            TrialStatus.OUT_OF_MEMORY,
            -signal.SIGKILL,
            "killed by SIGKILL, which this run did not send; most likely by the kernel, for want of memory, during fit",
        ),
        ("wrong-length", TrialStatus.INVALID, 0, "labels have shape (2001,), expected (2000,)"),
        ("floats", TrialStatus.INVALID, 0, "labels have dtype float64, expected integers"),
        ("objects", TrialStatus.INVALID, 0, "labels has dtype object, which holds Python objects"),
        ("nothing", TrialStatus.INVALID, 0, "fit returned NoneType, not a Clustering"),
        (
            "gap-in-numbers",
            TrialStatus.INVALID,
            0,
            "no point has label 1, yet labels go up to 2: clusters must be numbered densely from 0",
        ),
        ("unsupported", TrialStatus.SKIPPED, 0, "cannot do 2000 points"),
        (
            "missing-library",
            TrialStatus.SKIPPED,
            0,
            "adapter 'drill-missing-library': library no_such_library is not installed; "
            "install it with: pip install no-such-library",
        ),
    ],
)
def test_each_failure_has_its_row(drills, adapter, status, exit_code, cause):
    outcome = drills.run(adapter)
    assert (outcome.status, outcome.exit_code, outcome.cause) == (status, exit_code, cause)
    assert outcome.labels_digest is None
    refused = drills.templates is not None and adapter == "missing-library"
    assert drills.refusals == ([(f"drill-{adapter}", f"AdapterUnavailableError: {cause}")] if refused else [])


def test_the_traceback_is_in_the_tail_of_stderr(drills):
    raised = drills.run("raises").stderr_tail
    assert raised.startswith("Traceback")
    assert "bad_adapters.py" in raised
    assert "Fatal Python error: Segmentation fault" in drills.run("segfaults").stderr_tail


def test_children_that_outlive_a_trial_are_killed_and_counted(drills):
    outcome = drills.run("forks")
    assert outcome.status is TrialStatus.OK
    assert outcome.cause == "left 3 processes running, which were killed"
    assert len(drills.recorded()) == 4


def test_a_fork_that_comes_back_does_not_answer(drills):
    outcome = drills.run("forks-and-comes-back-twice")
    assert (outcome.status, outcome.cause, outcome.n_noise) == (TrialStatus.OK, None, 1)


def test_a_gigabyte_of_output_is_drained_and_its_end_is_kept(drills):
    outcome = drills.run("prints")
    assert outcome.status is TrialStatus.OK
    assert len(outcome.stderr_tail) <= 4096
    assert outcome.stderr_tail.endswith("� noise \nthe last words")


def test_noise_in_the_report_is_invalid(drills):
    outcome = drills.run("babbles")
    assert outcome.status is TrialStatus.INVALID
    assert outcome.cause == "unreadable report b'not ours'"


@pytest.mark.parametrize(
    ("adapter", "exit_code", "cause"),
    [
        ("never-exits", -signal.SIGKILL, "answered, but did not exit within 5 s, and was killed"),
        ("crashes-on-exit", -signal.SIGABRT, "answered, then was killed by SIGABRT"),
    ],
)
def test_an_answer_counts_even_if_the_exit_fails(drills, adapter, exit_code, cause):
    outcome = drills.run(adapter)
    assert (outcome.status, outcome.exit_code, outcome.cause) == (TrialStatus.OK, exit_code, cause)
    assert outcome.labels_digest is not None


def test_cpu_time_of_workers_that_live_on_counts(drills):
    outcome = drills.run("burns-in-workers")
    assert outcome.status is TrialStatus.OK
    # Two workers burn 0.3 s each during the fit, in ticks of 10 ms, and 0.2 s each before it.
    assert 0.55 <= outcome.fit_user_seconds + outcome.fit_system_seconds < 0.9


def test_a_trial_is_given_threads_and_cpus_and_no_settings_of_ours(drills, monkeypatch):
    monkeypatch.setenv("TAXI_SECRET", "swordfish")
    about = drills.run("shows-its-environment").about
    assert about["cpus"] == 1
    assert about["plain"] == "True"
    assert {value for name, value in about.items() if name.endswith("NUM_THREADS")} == {"2"}
    assert [name for name in about if name.startswith("TAXI_")] == [MARKER]


def test_interrupting_the_run_ends_the_trial(drills):
    parent = drills.start_run("forks-and-sleeps", processes=4)
    assert drills.running() != []
    parent.send_signal(signal.SIGINT)
    assert parent.wait(30) == 77
    assert drills.running() == []


def test_killing_the_run_ends_the_trial(drills):
    parent = drills.start_run("forks-and-sleeps", processes=4)
    parent.kill()
    parent.wait(30)
    drills.wait_until(lambda: drills.running() == [], "all is ended")
    drills.forget_scratch()


def test_sweep_finds_what_a_killed_run_left(fresh):
    environment = os.environ | {MARKER: f"{fresh.run_id}/1"}
    sleeper = [sys.executable, "-c", "import time; time.sleep(3600)"]
    orphan = subprocess.Popen(sleeper, env=environment, start_new_session=True)
    other_run = subprocess.Popen(sleeper, env=environment | {MARKER: f"{fresh.run_id}-2/1"})
    try:
        fresh.wait_until(
            lambda: psutil.Process(orphan.pid).environ().get(MARKER) == f"{fresh.run_id}/1",
            "it has its marker",
        )
        assert sweep_orphans(fresh.run_id) == 1
        assert orphan.wait(10) == -signal.SIGKILL
        assert other_run.poll() is None
    finally:
        other_run.kill()
        other_run.wait()


def test_a_trial_that_cannot_be_started_has_its_row_too(drills, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(drills.folder / "no-python"))
    outcome = drills.run("good")
    assert outcome.status is TrialStatus.CRASHED
    assert outcome.cause.startswith("could not be started: ")
