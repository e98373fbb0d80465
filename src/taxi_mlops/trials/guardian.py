"""The process between parent and child: nothing that a trial starts outlives it.

It forks the child, adopts whatever the child's descendants leave behind (other sessions, emptied environments), and
ends all of it when the child has ended, when the parent asks (by closing the lifeline), or when the parent itself is
gone, even by SIGKILL: the kernel closes the lifeline then. It imports only the standard library before it forks, so the
child starts as from a bare interpreter, and sleeps in one system call while the child works.

Usage: python -m taxi_mlops.trials.guardian LIFELINE_FD REPORT_FD REQUEST_JSON
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time

from taxi_mlops.trials import confinement

LEFTOVER_GRACE_SECONDS = 1.0
"""How long helper processes (resource trackers, idle workers) may take to end by themselves after the child."""


def main(arguments: list[str]) -> int:
    lifeline, report = int(arguments[0]), int(arguments[1])
    for descriptor in (lifeline, report):
        os.set_inheritable(descriptor, False)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    confinement.adopt_orphans()
    # The wake-up descriptor must exist before there is a child that could end.
    woken, wake = os.pipe()
    for descriptor in (woken, wake):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)

    guardian = os.getpid()
    child = os.fork()
    if child == 0:
        signal.set_wakeup_fd(-1)
        for descriptor in (lifeline, woken, wake):
            os.close(descriptor)
        return _become_child(guardian, report, arguments[2])

    status = _await(child, lifeline, woken)
    asked_to_end = status is None
    left_running = _end_all(child, 0.0 if asked_to_end else LEFTOVER_GRACE_SECONDS)
    exit_code = -signal.SIGKILL if status is None else os.waitstatus_to_exitcode(status)
    # The child may have been cut off within a line.
    facts = {"exit_code": exit_code, "left_running": 0 if asked_to_end else left_running}
    try:
        os.write(report, b"\n" + json.dumps(facts).encode() + b"\n")
    except BrokenPipeError:  # the parent is gone; all is ended, nobody wants to know
        return 1
    return 0


def _become_child(guardian: int, report: int, request: str) -> int:
    os.setsid()
    for restored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(restored, signal.SIG_DFL)
    confinement.die_with_parent(guardian)
    from taxi_mlops.trials import child

    return child.main(request, report)


def _await(child: int, lifeline: int, woken: int) -> int | None:
    """Wait until the child has ended, and return its wait status, or until the lifeline closes, and return None."""
    while True:
        readable, _, _ = select.select([lifeline, woken], [], [])
        if lifeline in readable:
            return None
        os.read(woken, 4096)
        while True:
            ended, status = os.waitpid(-1, os.WNOHANG)
            if ended == child:
                return status
            if ended == 0:
                break


def _end_all(child: int, grace: float) -> int:
    """Kill all descendants that have not ended after `grace` seconds, and return how many that were."""
    deadline = time.monotonic() + grace
    while _any_left() and time.monotonic() < deadline:
        time.sleep(0.005)
    killed: set[int] = set()
    while _any_left():
        # The group falls at one stroke, however fast it forks; what had left it, one by one. What a killed process
        # leaves behind becomes a child of ours, and falls in the next round.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        killed |= _kill_descendants()
        time.sleep(0.002)
    return len(killed)


def _any_left() -> bool:
    """Collect what has ended, and say whether anything is left."""
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
