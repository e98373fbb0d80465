"""The parent's side of a running trial: start it, read its reports, enforce time and memory limits, and end it."""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from dataclasses import dataclass
from typing import Self

from taxi_mlops.domain import TrialKind, TrialStatus
from taxi_mlops.trials.launch import Launched, end_guarded, launch_fresh
from taxi_mlops.trials.processes import new_marker, sweep_trial, trial_environment, trial_variables
from taxi_mlops.trials.protocol import Report, Request
from taxi_mlops.trials.templates import STDERR_TAIL_BYTES, Template, TemplateRefusedError, Templates
from taxi_mlops.trials.tree_memory import TreeMemory

MAX_REPORT_BYTES = 1024**2
SAMPLE_SECONDS = 0.02
SAMPLE_SHARE = 0.2
"""Maximum share of a CPU's time for samples, which are expensive on a host with many processes."""
EXIT_GRACE_SECONDS = 5.0
"""How long a child that has answered has to exit."""

_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Breach:
    """The limit that a trial exceeded, so that the parent ended it."""

    status: TrialStatus
    cause: str


@dataclass(frozen=True, slots=True)
class Ending:
    """All that the parent knows about a trial that has ended.

    started_at: `time.monotonic()` at the start of the process, or of the fork. template_seconds: import time of its
    template, None if it is not a fork. peak_memory_bytes: None for trials that were not sampled.
    """

    report: Report
    breach: Breach | None
    started_at: float
    template_seconds: float | None
    total_seconds: float
    stderr_tail: str
    peak_memory_bytes: int | None


def supervise(request: Request, run_id: str, templates: Templates | None) -> Ending:
    """Run the request to its end. When this returns or raises, no process of the trial is left.

    templates: from which the trial may be forked; None for a fresh process.
    """
    # The imports of a template do not belong to the trial and its time limit.
    template = templates.of(request.adapter, request.resources) if templates is not None else None
    started_at = time.monotonic()
    try:
        started = _RunningTrial(request, run_id, template)
    except OSError as error:  # the host has no process or memory to spare
        never_started = Breach(TrialStatus.CRASHED, f"could not be started: {error}")
        return Ending(Report(), never_started, started_at, None, time.monotonic() - started_at, "", None)
    with started as running:
        breach = running.follow()
    return running.ending(breach)


class _ReportReader:
    """Reads the child's reports from its pipe, in chunks of any size."""

    def __init__(self) -> None:
        self.report = Report()
        self.fault: str | None = None
        self._received = 0
        self._unfinished = b""

    def receive(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > MAX_REPORT_BYTES:
            self.fault = f"reported more than {MAX_REPORT_BYTES} bytes"
            return
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        for line in filter(None, lines):
            try:
                self.report = self.report.parse_line(line)
            except (ValueError, TypeError):
                self.fault = f"unreadable report {line[:80]!r}"


class _RunningTrial:
    """A trial that was started. Leaving the context ends it and everything it started."""

    def __init__(self, request: Request, run_id: str, template: Template | None) -> None:
        self._resources = request.resources
        self._marker = new_marker(run_id)
        self._reader = _ReportReader()
        self._answered_at: float | None = None
        self._total_seconds = 0.0
        self._started_at = time.monotonic()
        self._launched = self._launch(request, template)
        self._pipe, self._stderr = self._launched.pipes.report, self._launched.pipes.stderr
        self._stderr_tail = self._launched.printed
        self._memory = TreeMemory(self._launched.guardian.pid) if request.kind is TrialKind.MEMORY else None
        self._next_sample_at = self._started_at

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        end_guarded(self._launched.guardian, self._launched.pipes.lifeline)
        self._total_seconds = time.monotonic() - self._started_at
        sweep_trial(self._marker)
        self._drain()

    def follow(self) -> Breach | None:
        """Read reports until the trial has ended, or must be ended; return the limit that it exceeded."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe, selectors.EVENT_READ)
            selector.register(self._stderr, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(self._poll_timeout()):
                    if not self._receive(key.fd):
                        selector.unregister(key.fd)
                if self._reader.report.exit_code is not None or self._pipe not in selector.get_map():
                    return None
                breach = self._breach()
                if breach is not None:
                    return breach

    def ending(self, breach: Breach | None) -> Ending:
        """Return what is known about the trial, once it has ended."""
        return Ending(
            report=self._reader.report,
            breach=breach,
            started_at=self._started_at,
            template_seconds=self._launched.template_seconds,
            total_seconds=self._total_seconds,
            stderr_tail=self._stderr_tail.decode(errors="replace"),
            peak_memory_bytes=self._peak_memory_bytes(),
        )

    def _launch(self, request: Request, template: Template | None) -> Launched:
        """Start the guardian, which starts the child. Raises OSError."""
        variables = trial_variables(self._marker, request.scratch, request.traceparent)
        if template is not None:
            try:
                return template.fork(request.to_json(), variables)
            except TemplateRefusedError:
                sweep_trial(self._marker)
        environment = trial_environment(os.environ, request.resources.threads) | variables
        return launch_fresh(request.to_json(), environment)

    def _receive(self, descriptor: int) -> bool:
        """Read what has arrived, and return whether more may follow."""
        data = os.read(descriptor, _CHUNK)
        if descriptor == self._stderr:
            self._stderr_tail = (self._stderr_tail + data)[-STDERR_TAIL_BYTES:]
        else:
            restarted = self._reader.report.restarted
            self._reader.receive(data)
            if self._memory is not None and self._reader.report.restarted > restarted:
                self._memory.forget()
            if self._answered_at is None and self._reader.report.status is not None:
                self._answered_at = time.monotonic()
        return bool(data)

    def _drain(self) -> None:
        """Read what is left in the pipes after everything has ended, and close them."""
        for descriptor in (self._pipe, self._stderr):
            os.set_blocking(descriptor, False)
            with contextlib.suppress(BlockingIOError):
                while self._receive(descriptor):
                    pass
            os.close(descriptor)

    def _deadline(self) -> float:
        if self._answered_at is not None:
            return self._answered_at + EXIT_GRACE_SECONDS
        return self._started_at + self._resources.timeout_seconds

    def _poll_timeout(self) -> float:
        """Return how long to wait for reports. Nothing wakes the parent of a timed trial before its deadline."""
        until = self._deadline() if self._memory is None else min(self._deadline(), self._next_sample_at)
        return max(until - time.monotonic(), 0.0)

    def _breach(self) -> Breach | None:
        report = self._reader.report
        if self._reader.fault is not None:
            return Breach(TrialStatus.INVALID, self._reader.fault)
        now = time.monotonic()
        if self._memory is not None and now >= self._next_sample_at:
            self._memory.sample()
            sampled = time.monotonic()
            self._next_sample_at = sampled + max(SAMPLE_SECONDS, (sampled - now) / SAMPLE_SHARE)
        breach = self._memory_breach()
        if breach is not None or now < self._deadline():
            return breach
        if report.status is not None:
            lingered = f"answered, but did not exit within {EXIT_GRACE_SECONDS:g} s, and was killed"
            return Breach(report.status, report.cause or lingered)
        limit = self._resources.timeout_seconds
        return Breach(TrialStatus.TIMEOUT, f"timed out after {limit:g} s during {report.phase}")

    def _memory_breach(self) -> Breach | None:
        peak, limit = self._peak_memory_bytes(), self._resources.memory_limit_bytes
        if peak is None or limit is None or peak <= limit:
            return None
        cause = f"used {peak:,} bytes, more than the limit of {limit:,}, during {self._reader.report.phase}"
        return Breach(TrialStatus.OUT_OF_MEMORY, cause)

    def _peak_memory_bytes(self) -> int | None:
        """Return the maximum of the samples and of what the child read from its kernel; None if nothing was sampled."""
        if self._memory is None:
            return None
        return max(self._memory.peak_bytes, self._reader.report.peak_memory_bytes or 0)
