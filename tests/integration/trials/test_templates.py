"""Whatever happens to a template, each trial has the row of a fresh process, and nothing is left running."""

from __future__ import annotations

import signal

import psutil
import pytest

from taxi_mlops.domain import Resources, TrialKind, TrialStatus
from taxi_mlops.trials import templates as module
from taxi_mlops.trials.processes import MARKER, marked_processes, sweep_orphans
from taxi_mlops.trials.templates import Templates

MEMORY = 300 * 1024**2


def test_no_trial_is_warmed_by_another(forked):
    first, second, third = (forked.run("warms-up", kind) for kind in (TrialKind.MEMORY, *[TrialKind.TIMING] * 2))
    assert [outcome.about["times"] for outcome in (first, second, third)] == [1, 1, 1]
    assert len({outcome.about["template"] for outcome in (first, second, third)}) == 1
    assert len({outcome.about["pid"] for outcome in (first, second, third)}) == 3


def test_the_cold_start_of_a_fork_holds_the_imports_of_its_template(forked):
    outcome = forked.run("good")
    assert outcome.cold_start_seconds > outcome.template_seconds > 0


@pytest.mark.parametrize(
    ("adapter", "reason"),
    [
        ("starts-thread", "RuntimeError: its libraries have started threads: python"),
        ("starts-processes", "RuntimeError: its libraries have started processes: python, python"),
        ("opens-file", "RuntimeError: its libraries have left files open: /tmp"),
        ("shares-memory", "RuntimeError: its libraries share memory for writing: "),
        ("raises-on-import", "ImportError: libfast.so.7: cannot open shared object file"),
        ("hangs-on-import", "its libraries take too long to import"),
        ("crashes-on-import", "ended by itself"),
        ("without-import", "TypeError: adapter 'drill-without-import' has no import_libraries()"),
    ],
)
def test_what_cannot_be_forked_is_a_fresh_process(forked, monkeypatch, adapter, reason):
    if adapter == "hangs-on-import":
        monkeypatch.setattr(module, "START_SECONDS", 3.0)
    outcomes = [forked.run(adapter), forked.run(adapter)]
    assert [(outcome.status, outcome.template_seconds) for outcome in outcomes] == [(TrialStatus.OK, None)] * 2
    ((refused, why),) = forked.refusals
    assert refused == f"drill-{adapter}"
    assert why.startswith(reason)


def test_imports_are_under_the_memory_limit(forked):
    outcome = forked.run("allocates-on-import", memory=MEMORY)
    assert (outcome.status, outcome.cause) == (
        TrialStatus.OUT_OF_MEMORY,
        f"MemoryError, within the limit of {MEMORY:,} bytes for each process",
    )
    assert forked.refusals == [("drill-allocates-on-import", "MemoryError: ")]


def test_a_limit_that_leaves_nothing_beside_the_imports_is_out_of_memory(forked):
    """The template is within the limit, and what a fork adds is not."""
    outcome = forked.run("allocates", TrialKind.TIMING, memory=MEMORY)
    assert outcome.status is TrialStatus.OUT_OF_MEMORY
    assert outcome.template_seconds is not None


def test_a_gigabyte_that_an_import_prints_is_drained_and_its_end_is_in_each_row(forked):
    for outcome in (forked.run("prints-on-import"), forked.run("prints-on-import")):
        assert outcome.status is TrialStatus.OK
        assert outcome.template_seconds is not None
        assert len(outcome.stderr_tail) <= 4096
        assert outcome.stderr_tail.endswith("� noise \nwords of the import\n")


@pytest.mark.parametrize("adapter", ["kills-its-template", "kills-the-guardian-of-its-template"])
def test_a_trial_outlives_its_template_and_the_next_has_a_new_one(forked, adapter):
    for outcome in (forked.run(adapter), forked.run(adapter)):
        assert (outcome.status, outcome.cause) == (TrialStatus.OK, None)
        assert outcome.template_seconds is not None
    assert forked.refusals == []


def test_a_template_that_is_killed_between_trials_is_restarted(forked):
    first = forked.run("warms-up")
    (template,) = [process for process in forked.running() if process.pid == first.about["template"]]
    template.kill()
    template.wait(30)
    second = forked.run("warms-up")
    assert second.status is TrialStatus.OK
    assert second.template_seconds is not None
    assert second.about["template"] != first.about["template"]


def test_a_template_that_does_not_answer_costs_a_fresh_process(forked, monkeypatch):
    monkeypatch.setattr(module, "ANSWER_SECONDS", 1.0)
    first, second, third = (forked.run("stops-its-template") for _ in range(3))
    assert [outcome.status for outcome in (first, second, third)] == [TrialStatus.OK] * 3
    assert first.template_seconds is not None
    assert second.template_seconds is None
    assert third.template_seconds is not None


def test_a_fork_is_given_what_a_fresh_process_is(fresh, forked):
    alone, first, second = fresh.run("shows-itself"), forked.run("shows-itself"), forked.run("shows-itself")
    numbers = [outcome.about["random"] for outcome in (alone, first, second)]
    seen = [{name: value for name, value in outcome.about.items() if name != "random"} for outcome in (alone, first)]
    assert seen[1] == seen[0]
    assert {seen[0]["session"], seen[0]["marker"], seen[0]["temporary folder"]} == {"True"}
    assert len({number for drawn in numbers for number in drawn.strip("[]").split(", ")}) == 4 * 3


def test_every_process_of_a_fork_is_found_by_its_marker(forked):
    run = forked.start_run("sleeps", processes=1)
    (child,) = forked.recorded()
    marked = {process.pid: process for process in marked_processes(f"{forked.run_id}/")}
    guardian = marked[child].parent()
    assert guardian.environ()[MARKER] == marked[child].environ()[MARKER]
    assert guardian.parent().environ()[MARKER] != guardian.environ()[MARKER]
    # What a resumed run does: the run and the guardians cannot do it any more.
    for process in (psutil.Process(run.pid), guardian, guardian.parent().parent()):
        process.suspend()
    sweep_orphans(forked.run_id)
    run.kill()
    run.wait(30)
    forked.forget_scratch()


def test_a_trial_that_kills_its_run_ends_with_it_and_so_do_the_templates(forked):
    run = forked.start_run("kills-the-run", processes=1)
    assert run.wait(30) == -signal.SIGKILL
    forked.wait_until(lambda: forked.running() == [], "all is ended")
    forked.forget_scratch()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_while_a_template_imports_leaves_nothing(forked, ending):
    run = forked.start_run("hangs-on-import", processes=1)
    run.send_signal(ending)
    assert run.wait(30) == (77 if ending == signal.SIGINT else -signal.SIGKILL)
    forked.wait_until(lambda: forked.running() == [], "all is ended")
    if ending == signal.SIGKILL:
        forked.forget_scratch()


@pytest.mark.parametrize("cpus", [(), (0,), (0, 1)])
def test_templates_that_are_started_together_serve_the_trials(forked, cpus):
    resources = Resources(threads=2, cpus=cpus)
    adapters = ["drill-good", "drill-raises-on-import", "drill-warms-up"]
    refusals: list[str] = []
    with Templates(forked.run_id, lambda *refusal: refusals.append(refusal[0])) as templates:
        templates.start(adapters, resources)
        assert refusals == ["drill-raises-on-import"]
        started = [templates.of(adapter, resources) for adapter in adapters]
        templates.start(adapters, resources)
        assert [templates.of(adapter, resources) for adapter in adapters] == started
        assert started[1] is None
        assert all(template.seconds > 0 for template in started if template is not None)
    assert refusals == ["drill-raises-on-import"]
