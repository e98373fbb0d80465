"""The base classes of services. Each service is one module in `services/`, and one line in its registry."""

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
    """A process to start. `command` is visible to every user of the machine: it must not contain secrets.

    environment: added to a bare one (PATH, HOME, the locale), not to the caller's.
    files: path below the service's folder → content; written with mode 600 before each start.
    user: to run as if the supervisor is root; None for the same.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 20


class Service(ABC):
    """One service. Its data are in `stack.data(name)`; its ports and secrets are created on first use and kept.

    Of several of a kind, `name` and `depends_on` are those of the instance.
    """

    name: str
    depends_on: tuple[str, ...] = ()
    by_default: ClassVar[bool] = True
    """Whether it is started where no services are named."""
    start_seconds: ClassVar[float] = 60.0
    """How long a start may take on a slow machine."""

    @abstractmethod
    def missing(self) -> str | None:
        """Return why it cannot be started here, in one line, or None."""

    @abstractmethod
    def version(self, stack: StackFolder) -> str:
        """Return the version of the program."""

    @abstractmethod
    def program(self, stack: StackFolder) -> Program:
        """Return the process to start."""

    @abstractmethod
    def probe(self, stack: StackFolder) -> None:
        """Send a request that only a working service answers. Raises ServiceError with one line."""

    def address(self, stack: StackFolder) -> str:
        """Return the address, without any secret."""
        return stack.listens_at(self.name)

    def dashboard(self, stack: StackFolder) -> str | None:  # noqa: ARG002 - for those that have one
        """Return the address of its pages, if that is another."""
        return None

    def prepare(self, stack: StackFolder) -> None:  # noqa: B027 - most need nothing
        """Create what the first start needs. Called before every start; repeating it changes nothing."""

    def bootstrap(self, stack: StackFolder) -> None:  # noqa: B027 - most need nothing
        """Create users and the like once the service answers. Called at every `up`; repeating it changes nothing."""

    def clean_up(self, stack: StackFolder) -> None:  # noqa: B027 - most leave nothing
        """Remove what it keeps outside the folder of the stack while it runs. Called after it has stopped."""

    def settings(self, stack: StackFolder) -> Mapping[str, object]:  # noqa: ARG002 - for those that have some
        """Return our settings that refer to it, by their names in `Settings`."""
        return {}


class InstalledService(Service):
    """A service whose program comes with the system, not with Python.

    programs: its names, Debian's and its publisher's. how_to_get: advice if it is not installed.
    version_option: the option that prints its version.
    """

    programs: ClassVar[tuple[str, ...]]
    how_to_get: ClassVar[str] = f"{INSTALL} gets it"
    version_option: ClassVar[str] = "--version"

    @property
    def executable(self) -> str:
        """Return the path of its program. Raises ServiceError if it is not installed."""
        return program(*self.programs)

    def missing(self) -> str | None:
        if any(map(find_program, self.programs)):
            return None
        return f"{self.programs[0]} is not installed; {self.how_to_get}"

    def version(self, stack: StackFolder) -> str:  # noqa: ARG002
        return program_version(self.executable, self.version_option)


class HttpService(Service):
    """A service with an HTTP interface. health: a path that succeeds only if the service works."""

    health: ClassVar[str]

    def address(self, stack: StackFolder) -> str:
        return f"http://{stack.listens_at(self.name)}"

    def probe(self, stack: StackFolder) -> None:
        get(f"{self.address(stack)}{self.health}")
