"""What parent and child say to each other: one request, then facts as lines of JSON on a pipe.

Facts come as soon as they are known, so that a trial that is ended from outside still leaves what it had found out.
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
"""Characters of a cause that are kept."""

LABELS_FILE = "labels.npy"
CORE_MASK_FILE = "core_mask.npy"


@dataclass(frozen=True, slots=True)
class Request:
    """What the child is to do. Paths are absolute. traceparent: the span it belongs to, as in its environment.

    restarted: whether a child of the same trial has warmed up before, so that what it compiled is on disk.
    """

    adapter: str
    kind: TrialKind
    workload: Path
    scratch: Path
    resources: Resources
    traceparent: str | None = None
    restarted: bool = False

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"workload": str(self.workload), "scratch": str(self.scratch)})

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
        )


def resources_from(values: dict[str, Any]) -> Resources:
    """The resources of which `values` are the fields, as JSON gives them back."""
    return Resources(**values | {"cpus": tuple(values["cpus"])})


@dataclass(frozen=True, slots=True)
class Report:
    """All that the parent has been told so far.

    phase: what the child was last doing. restarted: whether it has become a new program. ready_at:
    `time.monotonic()`, which all processes of a host share, once the adapter had warmed up. status: how the child says
    that it ended, None until it answers. exit_code: of the child, as in `subprocess`, None until it has ended.
    left_running: processes of the trial that outlived it.
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
        """This report with the facts of one line added.

        Raises ValueError or TypeError where the line is not one of ours.
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
        """Send facts, named as in `Report`, at once."""
        self._pipe.write(json.dumps(facts).encode() + b"\n")
        self._pipe.flush()

    def inheritable_descriptor(self) -> int:
        """The descriptor of the pipe, for a program that takes this one's place."""
        descriptor = self._pipe.fileno()
        os.set_inheritable(descriptor, True)
        return descriptor


def shorten(text: str) -> str:
    """One line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_CAUSE_LENGTH else line[: MAX_CAUSE_LENGTH - 1] + "…"
