"""The parent's side of templates: one for each adapter of a run, started before its first trial.

A template saves time and changes no result: without one, a trial is a fresh process, whose outcome shows what is wrong
with the adapter.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import Any, Self

from taxi_mlops.domain import Resources
from taxi_mlops.trials.confinement import readable
from taxi_mlops.trials.launch import ForkedProcess, Launched, Pipes, end_guarded, start_module
from taxi_mlops.trials.processes import MARKER, new_marker, sweep_trial, trial_environment
from taxi_mlops.trials.template import MAX_MESSAGE_BYTES

START_SECONDS = 60.0
"""How long a template may take to import its libraries; less if the limit of a trial is less."""
ANSWER_SECONDS = 10.0
"""How long a template may take to fork."""
STDERR_TAIL_BYTES = 4096

_CHUNK = 65536


class TemplateRefusedError(Exception):
    """A template cannot be used, for the reason in the message."""


class Template:
    """A template process. Raises TemplateRefusedError if it cannot be started.

    seconds: from the start of its process until it was ready; 0 before.
    """

    def __init__(self, adapter: str, resources: Resources, run_id: str) -> None:
        self.seconds = 0.0
        self._printed = b""
        self._failed = False
        self._started_at = time.monotonic()
        self._deadline = self._started_at + min(START_SECONDS, resources.timeout_seconds)
        with ExitStack() as undone:
            self._start(adapter, resources, new_marker(run_id), undone)
            self._held = undone.pop_all()

    def wait_until_ready(self) -> None:
        """Wait until its imports are done. Raises TemplateRefusedError if they fail or take too long."""
        self._read_until_ready()
        self.seconds = time.monotonic() - self._started_at

    def fork(self, request: str, variables: Mapping[str, str]) -> Launched:
        """Fork the guardian of a trial. Raises TemplateRefusedError; the template cannot be used after that."""
        try:
            pipes = Pipes.open()
        except OSError as error:
            raise TemplateRefusedError(f"no pipe can be opened: {error}") from None
        try:
            message = json.dumps({"request": request, "variables": dict(variables)}).encode()
            socket.send_fds(self._channel, [message], list(pipes.theirs))
            answer, descriptors = self._receive(time.monotonic() + ANSWER_SECONDS)
            guardian = ForkedProcess(answer["pid"], *descriptors)
        except BaseException as error:
            self._failed = True
            # What it may have forked ends with the lifeline.
            pipes.close()
            if isinstance(error, OSError):
                raise TemplateRefusedError(f"does not answer: {error}") from None
            raise
        finally:
            pipes.hand_over()
        return Launched(guardian, pipes, self.seconds, self._printed)

    def is_running(self) -> bool:
        """Return whether it is running and has responded so far."""
        # It only responds to requests: if there is something to read, it has ended.
        return not self._failed and not readable(self._channel.fileno(), seconds=0.0)

    def end(self) -> None:
        """End it and everything its imports have started, and the trials that it has forked."""
        self._held.close()

    def _start(self, adapter: str, resources: Resources, marker: str, held: ExitStack) -> None:
        try:
            with ExitStack() as handed_over:
                guarded, lifeline = os.pipe()
                handed_over.callback(os.close, guarded)
                ending = held.enter_context(ExitStack())
                ending.callback(os.close, lifeline)
                self._stderr, printing = os.pipe()
                held.callback(os.close, self._stderr)
                handed_over.callback(os.close, printing)
                self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                held.callback(self._channel.close)
                handed_over.callback(theirs.close)
                arguments = [str(guarded), str(theirs.fileno()), adapter, json.dumps(asdict(resources))]
                guardian = start_module(
                    ["taxi_mlops.trials.template", *arguments],
                    trial_environment(os.environ, resources.threads) | {MARKER: marker},
                    keep=(guarded, theirs.fileno()),
                    stderr=printing,
                )
        except OSError as error:  # the host has no process or memory to spare
            raise TemplateRefusedError(f"could not be started: {error}") from None
        ending.pop_all()
        held.callback(sweep_trial, marker)
        held.callback(end_guarded, guardian, lifeline)

    def _read_until_ready(self) -> None:
        channel = self._channel.fileno()
        while True:
            ready = readable(channel, self._stderr, seconds=self._deadline - time.monotonic())
            if not ready:
                raise TemplateRefusedError("its libraries take too long to import")
            if self._stderr in ready:
                self._printed = (self._printed + os.read(self._stderr, _CHUNK))[-STDERR_TAIL_BYTES:]
            if channel in ready:
                self._receive(self._deadline)
                return

    def _receive(self, deadline: float) -> tuple[dict[str, Any], list[int]]:
        """Return its next message, with descriptors. Raises TemplateRefusedError if it refuses or has ended."""
        if not readable(self._channel.fileno(), seconds=deadline - time.monotonic()):
            raise TemplateRefusedError("does not answer")
        message, descriptors, _, _ = socket.recv_fds(self._channel, MAX_MESSAGE_BYTES, 1)
        if not message:
            raise TemplateRefusedError("ended by itself")
        answer: dict[str, Any] = json.loads(message)
        if "refused" in answer:
            raise TemplateRefusedError(answer["refused"])
        return answer, descriptors


class Templates:
    """The templates of one run. Leaving the context ends them.

    run_id: by which `sweep_orphans` finds them. on_refusal: called with an adapter and the reason if its trials must be
    fresh processes.
    """

    def __init__(self, run_id: str, on_refusal: Callable[[str, str], None]) -> None:
        self._run_id = run_id
        self._on_refusal = on_refusal
        self._running: dict[tuple[str, Resources], Template] = {}
        self._refused: set[tuple[str, Resources]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._running:
            self._running.popitem()[1].end()

    def start(self, adapters: Sequence[str], resources: Resources) -> None:
        """Start the templates of these adapters, as many at a time as the trials have CPUs, and wait for all of them.

        Nothing is timed meanwhile, and each import has a CPU, as if templates were started one by one.
        """
        at_once = len(resources.cpus) or resources.threads
        starting: deque[str] = deque()
        for adapter in adapters:
            if len(starting) == at_once:
                self._wait_for(starting.popleft(), resources)
            if self._begin(adapter, resources):
                starting.append(adapter)
        for adapter in starting:
            self._wait_for(adapter, resources)

    def of(self, adapter: str, resources: Resources) -> Template | None:
        """Return the template of the adapter, starting it if none is running; None if there can be none."""
        running = self._running.get(_key(adapter, resources))
        if running is not None and not running.is_running():
            self._running.pop(_key(adapter, resources)).end()
            running = None
        if running is None and self._begin(adapter, resources):
            self._wait_for(adapter, resources)
        return self._running.get(_key(adapter, resources))

    def _begin(self, adapter: str, resources: Resources) -> bool:
        """Start the template of the adapter, unless it was refused; return whether there is one to wait for."""
        key = _key(adapter, resources)
        # On other systems forks are not safe with these libraries, and cannot be given their own pages.
        if sys.platform != "linux" or key in self._refused or key in self._running:
            return False
        try:
            self._running[key] = Template(adapter, resources, self._run_id)
        except TemplateRefusedError as error:
            self._refuse(adapter, resources, error)
            return False
        return True

    def _wait_for(self, adapter: str, resources: Resources) -> None:
        key = _key(adapter, resources)
        try:
            self._running[key].wait_until_ready()
        except TemplateRefusedError as error:
            self._running.pop(key).end()
            self._refuse(adapter, resources, error)

    def _refuse(self, adapter: str, resources: Resources, error: TemplateRefusedError) -> None:
        self._refused.add(_key(adapter, resources))
        self._on_refusal(adapter, str(error))


def _key(adapter: str, resources: Resources) -> tuple[str, Resources]:
    return adapter, replace(resources, timeout_seconds=0.0)
