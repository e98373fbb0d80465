"""The messages between parent and child: one request, then facts as lines of JSON on a pipe.

Each fact is sent as soon as it is known, so that a trial that is ended from outside still reports what it had measured.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Self

from taxi_mlops.domain import Resources, TrialKind, TrialStatus

MAX_CAUSE_LENGTH = 1_000
"""Maximum length of a cause in characters."""

LABELS_FILE = "labels.npy"
CORE_MASK_FILE = "core_mask.npy"


@dataclass(frozen=True, slots=True)
class Request:
    """What the child is to do. Paths are absolute. traceparent: of the trial's span, as in its environment.

    restarted: whether a child of the same trial has warmed up before, so that its compiled code is on disk.
    adapter_file: the TOML file of the adapter, if it is a program.
    """

    adapter: str
    kind: TrialKind
    workload: Path
    scratch: Path
    resources: Resources
    traceparent: str | None = None
    restarted: bool = False
    adapter_file: Path | None = None

    def to_json(self) -> str:
        file = None if self.adapter_file is None else str(self.adapter_file)
        paths = {"workload": str(self.workload), "scratch": str(self.scratch), "adapter_file": file}
        return json.dumps(asdict(self) | paths)

    @classmethod
    def from_json(cls, text: str) -> Self:
        values = json.loads(text)
        return cls(
            adapter=values["adapter"],
            kind=TrialKind(values["kind"]),
            workload=Path(values["workload"]),
            scratch=Path(values["scratch"]),
            resources=resources_from(values["resources"]),
            traceparent=values["traceparent"],
            restarted=values["restarted"],
            adapter_file=None if values["adapter_file"] is None else Path(values["adapter_file"]),
        )


def resources_from(values: dict[str, Any]) -> Resources:
    """Return the resources from their fields in JSON."""
    return Resources(**values | {"cpus": tuple(values["cpus"])})


@dataclass(frozen=True, slots=True)
class Report:
    """All that the child has reported so far.

    phase: what the child was last doing. restarted: whether it has become a new program. ready_at: `time.monotonic()`,
    which all processes of a host share, when the adapter had warmed up. status: of the trial, None until it is
    reported. exit_code: of the child, as in `subprocess`, None until it has ended. left_running: processes of the trial
    that outlived the child.
    """

    phase: str = "start"
    restarted: bool = False
    adapter_version: str | None = None
    ready_at: float | None = None
    prepare_seconds: float | None = None
    fit_seconds: float | None = None
    fit_user_seconds: float | None = None
    fit_system_seconds: float | None = None
    peak_memory_bytes: int | None = None
    about: Mapping[str, str | int | float] = field(default_factory=dict)
    status: TrialStatus | None = None
    cause: str | None = None
    exit_code: int | None = None
    left_running: int = 0

    def parse_line(self, line: bytes) -> Report:
        """Return this report with the facts of one line added.

        Raises ValueError or TypeError if the line is not a valid report.
        """
        facts = dict(json.loads(line))
        if facts.get("status") is not None:
            facts["status"] = TrialStatus(facts["status"])
        return replace(self, **facts)


class Reporter:
    """The child's end of the pipe."""

    def __init__(self, descriptor: int) -> None:
        self._pipe: BinaryIO = open(descriptor, "wb")  # noqa: SIM115 - open as long as the process lives

    def send(self, **facts: object) -> None:
        """Send facts at once. Their names are the fields of `Report`."""
        self._pipe.write(json.dumps(facts).encode() + b"\n")
        self._pipe.flush()

    def inheritable_descriptor(self) -> int:
        """Return the descriptor of the pipe, inheritable by the program that this process executes."""
        descriptor = self._pipe.fileno()
        os.set_inheritable(descriptor, True)
        return descriptor


def shorten(text: str) -> str:
    """Return the text in one line of limited length."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_CAUSE_LENGTH else line[: MAX_CAUSE_LENGTH - 1] + "…"
