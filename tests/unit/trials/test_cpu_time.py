"""The CPU time of a process and its descendants."""

from __future__ import annotations

import os
import time

from taxi_mlops.trials.cpu_time import descendants_cpu_time, own_cpu_time


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def total() -> float:
    time_used = own_cpu_time() + descendants_cpu_time()
    return time_used.user + time_used.system


def test_time_of_children_counts_once_whether_they_run_or_are_waited_for():
    asks, answers = os.pipe(), os.pipe()
    before = total()
    child = os.fork()
    if child == 0:
        burn(0.3)
        os.write(answers[1], b"burnt")
        os.read(asks[0], 1)
        os._exit(0)
    os.read(answers[0], 5)
    while_running = total()
    assert while_running - before >= 0.25
    assert own_cpu_time().user - before < 0.25
    os.write(asks[1], b"x")
    os.waitpid(child, 0)
    for descriptor in (*asks, *answers):
        os.close(descriptor)
    after = total()
    # Not twice, and not lost: up to the kernel's ticks.
    assert abs(after - while_running) < 0.2
