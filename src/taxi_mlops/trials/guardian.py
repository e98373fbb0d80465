"""The guardian: the process between parent and child, which makes sure that nothing of a trial outlives it.

It forks the child and adopts its orphaned descendants (also of other sessions and with emptied environments). It kills
them all when the child has ended, when the parent asks for it (by closing the lifeline), or when the parent itself has
ended, even by SIGKILL, since the kernel closes the lifeline then. It imports only the standard library before it forks,
so that the child starts like a bare interpreter, and waits in one system call while the child works.

A guardian that is forked from a template (`taxi_mlops.trials.template`) works the same way; the template has its own.

Usage: python -m taxi_mlops.trials.guardian LIFELINE_FD REPORT_FD REQUEST_JSON
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial

from taxi_mlops.trials import confinement

LEFTOVER_GRACE_SECONDS = 3.0
"""How long helper processes (resource trackers, idle workers) have to end by themselves after the child."""

_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str]) -> int:
    """Run one trial; arguments: two file descriptors and the request. Return the exit code."""
    lifeline, report = int(arguments[0]), int(arguments[1])
    return guard_trial(lifeline, report, partial(_run_child, arguments[2], report))


def guard_trial(lifeline: int, report: int, run_child: Callable[[], int]) -> int:
    """Fork the child of a trial, guard it, then exit. Returns in the child alone: what `run_child` returns."""
    guarded = _fork_child(lifeline, report)
    if guarded is None:
        return run_child()
    child, woken = guarded
    status = _await(child, lifeline, woken)
    asked_to_end = status is None
    left_running = _end_all(child, 0.0 if asked_to_end else LEFTOVER_GRACE_SECONDS)
    exit_code = -signal.SIGKILL if status is None else os.waitstatus_to_exitcode(status)
    facts = {"exit_code": exit_code, "left_running": 0 if asked_to_end else left_running}
    # The child's last line may be incomplete. If the parent is gone, nobody reads the report.
    with contextlib.suppress(BrokenPipeError):
        os.write(report, b"\n" + json.dumps(facts).encode() + b"\n")
    # Not by `sys.exit`: what a template has imported must clean up in its trials, not here.
    os._exit(0)


def guard_template(lifeline: int, channel: int, run_template: Callable[[], int]) -> int:
    """Fork a template, guard it, then exit. Returns in the template alone: what `run_template` returns.

    The trials of a template that has ended continue; everything ends with the lifeline.
    """
    guarded = _fork_child(lifeline, channel)
    if guarded is None:
        return run_template()
    template, woken = guarded
    os.close(channel)
    _await(None, lifeline, woken)
    _end_all(template, 0.0)
    os._exit(0)


def _fork_child(lifeline: int, *further: int) -> tuple[int, int] | None:
    """Become a guardian and fork the child, in a session of its own.

    Returns the child and a descriptor that is readable once it may have ended; in the child, which keeps the `further`
    descriptors, returns None.
    """
    for descriptor in (lifeline, *further):
        os.set_inheritable(descriptor, False)
    for ignored in _HANDLED:
        signal.signal(ignored, signal.SIG_IGN)
    confinement.adopt_orphans()
    # The wake-up descriptor must exist before the child that could end.
    woken, wake = os.pipe()
    for descriptor in (woken, wake):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)

    guardian = os.getpid()
    child = os.fork()
    if child != 0:
        return child, woken
    signal.set_wakeup_fd(-1)
    for descriptor in (lifeline, woken, wake):
        os.close(descriptor)
    os.setsid()
    for restored in (*_HANDLED, signal.SIGCHLD):
        signal.signal(restored, signal.SIG_DFL)
    confinement.die_with_parent(guardian)
    return None


def _run_child(request: str, report: int) -> int:
    from taxi_mlops.trials import child

    return child.main(request, report)


def _await(child: int | None, lifeline: int, woken: int) -> int | None:
    """Return the child's wait status once it has ended, or None once the lifeline is closed."""
    while True:
        if lifeline in confinement.readable(lifeline, woken):
            return None
        os.read(woken, 4096)
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if ended == child:
                return status
            if ended == 0:
                break


def _end_all(child: int, grace: float) -> int:
    """Kill all descendants that have not ended after `grace` seconds; return how many were left."""
    deadline = time.monotonic() + grace
    while _any_left() and time.monotonic() < deadline:
        time.sleep(0.005)
    killed: set[int] = set()
    while _any_left():
        # The group is killed at once, however fast it forks; those that had left it, one by one. Orphans of a killed
        # process become children of this one, and are killed in the next round.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        killed |= _kill_descendants()
        time.sleep(0.002)
    return len(killed)


def _any_left() -> bool:
    """Collect ended children, and return whether any is left."""
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if ended == 0:
            return True


def _kill_descendants() -> set[int]:
    import psutil

    descendants = psutil.Process().children(recursive=True)
    for descendant in descendants:
        with contextlib.suppress(psutil.NoSuchProcess):
            descendant.kill()
    return {descendant.pid for descendant in descendants}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
