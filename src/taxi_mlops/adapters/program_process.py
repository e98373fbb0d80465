"""A program that stays up, and the lines of JSON to it and from it. Nothing that it prints is trusted.

Requests go to its standard input, answers come from its standard output, one line each. Its standard error is ours, so
that a trial keeps the end of it. It runs in a process group of its own, which is killed whole.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_LINE_BYTES = 65_536
EXIT_SECONDS = 2.0
"""How long a program has to end by itself when its input is closed."""
PROTOCOL = 1
_POLL_SECONDS = 0.01

AnswerT = TypeVar("AnswerT", bound="Answer")


class ProgramError(Exception):
    """A program failed, or broke the protocol; the message says how."""


class Answer(BaseModel):
    """A line from the program; unknown keys are ignored, so that a later protocol can add some."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Hello(Answer):
    """Who the program is. version: of the implementation behind it."""

    what: Literal["hello"] = Field(alias="is")
    protocol: Literal[1]
    version: Annotated[str, Field(min_length=1, max_length=64)]


class Ready(Answer):
    """The points are in the program's own form."""

    what: Literal["ready"] = Field(alias="is")


class Done(Answer):
    """The labels are in their file. core: whether the core flags are in theirs. about: shown and never relied on."""

    what: Literal["done"] = Field(alias="is")
    core: bool = False
    about: dict[str, str | int | float] = Field(default_factory=dict, max_length=64)


class ProgramProcess:
    """A running program. Raises ProgramError if it cannot be started."""

    def __init__(self, command: tuple[str, ...], folder: Path) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the words of the user's own file, and no shell
                command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            raise ProgramError(f"{command[0]} cannot be started: {error.strerror or error}") from error
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        self._requests, self._answers = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._unread = b""
        self._ended = False

    def ask(self, request: dict[str, Any], expected: type[AnswerT], seconds: float) -> AnswerT:
        """Send a request and return its answer. Ends the program and raises ProgramError if there is no valid one.

        Raises MemoryError if it was killed as the kernel kills for want of memory.
        """
        try:
            self._send(request)
            return _parse(self._line(str(request["do"]), time.monotonic() + seconds, seconds), expected, request["do"])
        except BaseException:
            self.end(EXIT_SECONDS if self._ended else 0.0)
            raise

    def end(self, seconds: float = EXIT_SECONDS) -> int:
        """Close its input, wait so long for its end, kill its whole process group, and return its exit code."""
        if self._process.returncode is None:
            with suppress(OSError):
                self._process.stdin.close()  # type: ignore[union-attr]
            self._await_exit(seconds)
            # It is not reaped yet, so that the number of its group is still its own.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process.stdout.close()  # type: ignore[union-attr]
        return int(self._process.returncode)

    def _await_exit(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() >= deadline:
                return
            time.sleep(_POLL_SECONDS)

    def _send(self, request: dict[str, Any]) -> None:
        """Write a request: shorter than the buffer of a pipe, which is empty, so that writing does not block."""
        if self._process.returncode is not None:
            raise ProgramError("the program has ended")
        if self._unread or (select.select([self._answers], [], [], 0.0)[0] and not self._at_end()):
            raise ProgramError(f"printed {_shown(self._unread)} without a request; only answers go to standard output")
        try:
            os.write(self._requests, json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            self._ended = True
            raise self._exited(request["do"]) from None

    def _at_end(self) -> bool:
        self._unread += os.read(self._answers, MAX_LINE_BYTES)
        return not self._unread

    def _line(self, asked: str, deadline: float, seconds: float) -> bytes:
        while b"\n" not in self._unread:
            if len(self._unread) > MAX_LINE_BYTES:
                raise ProgramError(f"answered {asked!r} with a line of more than {MAX_LINE_BYTES:,} bytes")
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise ProgramError(f"did not answer {asked!r} within {seconds:g} s")
            data = os.read(self._answers, MAX_LINE_BYTES)
            if not data:
                self._ended = True
                raise self._exited(asked)
            self._unread += data
        line, self._unread = self._unread.split(b"\n", 1)
        return line

    def _exited(self, asked: str) -> Exception:
        code = self.end(EXIT_SECONDS)
        if code == -signal.SIGKILL:
            return MemoryError(
                f"the program was killed by SIGKILL during {asked!r}, most likely by the kernel, for want of memory"
            )
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
        return ProgramError(f"the program {how} without an answer to {asked!r}; its standard error may say why")


def _parse(line: bytes, expected: type[AnswerT], asked: str) -> AnswerT:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        raise ProgramError(
            f"answered {asked!r} with {_shown(line)}, which is not JSON; other output goes to standard error"
        ) from None
    if isinstance(values, dict) and values.get("is") == "error":
        raise ProgramError(f"reported an error: {' '.join(str(values.get('message', '')).split())[:900]}")
    try:
        return expected.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the line"
        raise ProgramError(f"answered {asked!r} with {_shown(line)}: {where}: {first['msg']}") from None


def _shown(line: bytes) -> str:
    return repr(line[:80].decode(errors="replace"))
