"""Executors answer every task once, and name the task that kills its workers. Tasks are expressions."""

import builtins
import math
import os
import signal

import pytest

from taxi_mlops.scale.executors import Inline, Processes, WorkerDiedError

run = builtins.eval
PROCESS = "__import__('os').getpid()"
DEADLY = "__import__('os')._exit(9)"
HARMLESS = "0"


@pytest.fixture(scope="module")
def processes():
    with Processes(2) as executor:
        yield executor


def test_each_task_is_answered_once(processes):
    for executor in (Inline(), processes):
        assert dict(executor.run(math.sqrt, [float(n * n) for n in range(20)])) == dict(enumerate(range(20)))
    assert os.getpid() not in dict(processes.run(run, [PROCESS])).values()


def test_one_at_a_time(processes):
    assert [number for number, _ in processes.run(math.sqrt, [4.0, 9.0, 16.0], 1)] == [0, 1, 2]


def test_a_worker_that_dies_is_replaced(processes, tmp_path):
    path = f"__import__('pathlib').Path({str(tmp_path / 'died')!r})"
    once = f"{path}.exists() or ({path}.touch(), {DEADLY})"
    assert dict(processes.run(run, [once, HARMLESS, HARMLESS, HARMLESS])) == {0: True, 1: 0, 2: 0, 3: 0}


def test_a_worker_that_died_while_idle_is_replaced(processes):
    for process in {pid for _, pid in processes.run(run, [PROCESS] * 4)}:
        os.kill(process, signal.SIGKILL)
    assert dict(processes.run(math.sqrt, [4.0, 9.0, 16.0])) == {0: 2.0, 1: 3.0, 2: 4.0}


def test_workers_that_die_at_the_same_time_lose_no_task(processes, tmp_path):
    once = "__import__('pathlib').Path({!r}).exists() or (__import__('pathlib').Path({!r}).touch(), " + DEADLY + ")"
    tasks = [once.format(*[str(tmp_path / str(number))] * 2) if number % 2 else HARMLESS for number in range(12)]
    assert dict(processes.run(run, tasks)) == {number: bool(number % 2) for number in range(12)}


def test_a_run_that_is_given_up_stops_what_it_runs(processes):
    with pytest.raises(ZeroDivisionError):
        list(processes.run(run, ["__import__('time').sleep(600)", "1 / 0"]))


def test_a_task_that_always_kills_its_worker_is_named(processes):
    with pytest.raises(WorkerDiedError, match=r"_exit\(9\): the process that worked on it died twice"):
        list(processes.run(run, [HARMLESS, DEADLY, HARMLESS]))
    assert dict(processes.run(math.sqrt, [4.0])) == {0: 2.0}


def test_want_of_memory_names_the_task(processes):
    with pytest.raises(WorkerDiedError, match=r"bytearray.*: there is not enough memory"):
        list(processes.run(run, ["bytearray(1 << 60)"]))


def test_what_a_task_raises_is_raised(processes):
    with pytest.raises(ZeroDivisionError):
        list(processes.run(run, ["1 / 0"]))
