"""What a service of the stack is. Each is one file in `services/`, and one line in its registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.probes import get
from taxi_mlops.stack.programs import INSTALL, find_program, program, program_version


@dataclass(frozen=True)
class Program:
    """A process to start, and what it needs. `command` is seen by every user of the machine: no secret goes there.

    environment: added to a bare one (PATH, HOME, the locale), not to the caller's.
    files: path below the service's folder → content; written with mode 600 before each start.
    user: to run as where the supervisor is root; None for the same.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 20


class Service(ABC):
    """One service. Its data lie in `stack.data(name)`; its ports and secrets are made on first use and kept."""

    name: ClassVar[str]
    depends_on: ClassVar[tuple[str, ...]] = ()
    start_seconds: ClassVar[float] = 60.0
    """How long a start may take on a slow machine."""

    @abstractmethod
    def missing(self) -> str | None:
        """Why it cannot be started here, in one line, or None."""

    @abstractmethod
    def version(self, stack: StackFolder) -> str:
        """Of the program."""

    @abstractmethod
    def program(self, stack: StackFolder) -> Program:
        """How it is started."""

    @abstractmethod
    def probe(self, stack: StackFolder) -> None:
        """Ask it something that it answers only when it works. Raises ServiceError with one line."""

    def address(self, stack: StackFolder) -> str:
        """Where it is reached, without any secret."""
        return stack.listens_at(self.name)

    def prepare(self, stack: StackFolder) -> None:  # noqa: B027 - most need nothing
        """Make what its first start needs. Called before every start; changes nothing the next time."""

    def bootstrap(self, stack: StackFolder) -> None:  # noqa: B027 - most need nothing
        """Make users and the like once it answers. Called at every `up`; changes nothing the next time."""

    def settings(self, stack: StackFolder) -> Mapping[str, object]:  # noqa: ARG002 - for those that have some
        """The settings of ours that point at it, by their names in `Settings`."""
        return {}


class InstalledService(Service):
    """A service whose program comes with the system, not with Python.

    programs: as Debian calls it, and as its publisher does. how_to_get: where it is not installed.
    version_option: what makes it tell its version.
    """

    programs: ClassVar[tuple[str, ...]]
    how_to_get: ClassVar[str] = f"{INSTALL} gets it"
    version_option: ClassVar[str] = "--version"

    @property
    def executable(self) -> str:
        """The path of its program. Raises ServiceError where it is not installed."""
        return program(*self.programs)

    def missing(self) -> str | None:
        if any(map(find_program, self.programs)):
            return None
        return f"{self.programs[0]} is not installed; {self.how_to_get}"

    def version(self, stack: StackFolder) -> str:  # noqa: ARG002
        return program_version(self.executable, self.version_option)


class HttpService(Service):
    """A service that speaks HTTP. health: the path that is answered well only where it works."""

    health: ClassVar[str]

    def address(self, stack: StackFolder) -> str:
        return f"http://{stack.listens_at(self.name)}"

    def probe(self, stack: StackFolder) -> None:
        get(f"{self.address(stack)}{self.health}")
