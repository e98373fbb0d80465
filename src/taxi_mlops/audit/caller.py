"""On whose behalf the current code runs. Every command sets it, so nothing that takes long to import is needed here."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf the current code runs. actor: None for the user of the process.

    warn: shows a line to this person; None where nobody looks.
    """

    origin: str = "python"
    actor: str | None = None
    warn: Callable[[str], None] | None = None


CALLER: ContextVar[Caller] = ContextVar("taxi_caller", default=Caller())  # noqa: B039 - it is immutable


def system_user() -> str:
    """Return the user whose rights the process has; not what environment variables say."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # in a container
        return f"uid {os.geteuid()}"
