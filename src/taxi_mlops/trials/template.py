"""A template: a process that has imported the libraries of one adapter, and is forked for every trial of it.

It only imports: no fit, no warm-up, no compiled code is run. It is used only if the imports left nothing that forks
would share: no thread, no process, no open file, no shared memory. Each fork becomes the guardian of its trial, like
one that was started as a fresh process, and forks the child.

Usage: python -m taxi_mlops.trials.template LIFELINE_FD CHANNEL_FD ADAPTER RESOURCES_JSON
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxi_mlops.trials.guardian import guard_template, guard_trial

if TYPE_CHECKING:
    from taxi_mlops.trials.child import Inheritance
    from taxi_mlops.trials.processes import ShownMarker

MAX_MESSAGE_BYTES = 65536


def main(arguments: list[str]) -> int:
    """Serve forks for trials; arguments: two file descriptors, adapter and resources. Return the exit code."""
    lifeline, channel = int(arguments[0]), int(arguments[1])
    return guard_template(lifeline, channel, partial(_import_and_serve, channel, arguments[2], arguments[3]))


def _import_and_serve(descriptor: int, adapter: str, resources: str) -> int:
    """Import, report success or the reason of a refusal, and fork until the channel closes. Returns in trials alone."""
    channel = socket.socket(fileno=descriptor)
    try:
        inheritance, marker = _import(adapter, resources)
        _require_nothing_shared(channel)
    except Exception as error:  # noqa: BLE001 - whatever an import raises is why there is no template
        channel.send(json.dumps({"refused": f"{type(error).__name__}: {error}"[:1000]}).encode())
        os._exit(1)
    channel.send(b"{}")
    return _serve(channel, inheritance, marker)


def _import(name: str, resources: str) -> tuple[Inheritance, ShownMarker]:
    from taxi_mlops.adapters.base import ImportsAhead
    from taxi_mlops.trials import child, confinement
    from taxi_mlops.trials.inherited_memory import resident_pages, take_over
    from taxi_mlops.trials.processes import ShownMarker
    from taxi_mlops.trials.protocol import resources_from

    marker = ShownMarker()
    child.confine(resources_from(json.loads(resources)))
    adapter, info = child.load(name)
    if not isinstance(adapter, ImportsAhead):
        raise TypeError(f"adapter {name!r} has no import_libraries()")
    adapter.import_libraries()
    import numpy.random  # noqa: F401 - whose state every trial seeds again

    gc.collect()
    gc.freeze()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    pages = resident_pages()
    take_over(pages)  # changes nothing here, but raises if the kernel is too old for it
    return child.Inheritance(adapter, info, pages, confinement.peak_resident_bytes(os.getpid()) or 0), marker


def _require_nothing_shared(channel: socket.socket) -> None:
    """Raise RuntimeError if the imports left something that forks would share or miss."""
    import psutil

    # BLAS libraries start threads when imported, end them at a fork, and start them again when needed.
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    names = [(task / "comm").read_text(encoding="utf-8").strip() for task in Path("/proc/self/task").iterdir()]
    if len(names) > 1:
        raise RuntimeError(f"its libraries have started threads: {', '.join(names[1:])}")
    if processes := psutil.Process().children(recursive=True):
        raise RuntimeError(
            f"its libraries have started processes: {', '.join(process.name() for process in processes)}"
        )
    own = {0, 1, 2, channel.fileno()}
    opened = [entry for entry in Path("/proc/self/fd").iterdir() if int(entry.name) not in own]
    # The folder's own descriptor is in the list, and closed by now.
    if kept := [str(entry.readlink()) for entry in opened if entry.is_symlink()]:
        raise RuntimeError(f"its libraries have left files open: {', '.join(kept)}")
    mappings = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    if shared := [line.split()[-1] for line in mappings if line.split()[1][1::2] == "ws"]:
        raise RuntimeError(f"its libraries share memory for writing: {', '.join(shared)}")


def _serve(channel: socket.socket, inheritance: Inheritance, marker: ShownMarker) -> int:
    """Fork a guardian for every request. Returns in the children of trials alone: their exit code.

    A request is JSON, with the descriptors of the trial's lifeline, report and stderr; the response is JSON, with a
    descriptor of the guardian's process.
    """
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, MAX_MESSAGE_BYTES, 3)
        if not message:
            os._exit(0)
        _collect_ended()
        try:
            guardian = os.fork()
        except OSError as error:
            channel.send(json.dumps({"refused": str(error)}).encode())
            os._exit(1)
        if guardian == 0:
            channel.close()
            return _become_trial(json.loads(message), descriptors, inheritance, marker)
        sent = [os.pidfd_open(guardian)]
        socket.send_fds(channel, [json.dumps({"pid": guardian}).encode()], sent)
        for descriptor in (*descriptors, *sent):
            os.close(descriptor)


def _become_trial(
    message: dict[str, Any], descriptors: list[int], inheritance: Inheritance, marker: ShownMarker
) -> int:
    from taxi_mlops.trials import child
    from taxi_mlops.trials.processes import MARKER

    lifeline, report, stderr = descriptors
    os.dup2(stderr, 2)
    os.close(stderr)
    os.setsid()
    variables = message["variables"]
    marker.replace(variables[MARKER])
    os.environ.update(variables)
    return guard_trial(lifeline, report, partial(child.main, message["request"], report, inheritance))


def _collect_ended() -> None:
    """Collect the guardians that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
