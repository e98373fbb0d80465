"""Start and stop a stack of plain processes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict

from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.stack.folder import StackFolder, write_private
from taxi_mlops.stack.registry import DEFAULT_PROFILE, Registry
from taxi_mlops.stack.service import Program, Service
from taxi_mlops.stack.services import PROFILES
from taxi_mlops.stack.supervision import Process, Supervisor
from taxi_mlops.trials.confinement import proportional_bytes

_REGISTRIES = {profile: Registry(services) for profile, services in PROFILES.items()}
_LOG_LINES = 5
_LOCK_SECONDS = 300.0
_RETRY_SECONDS = 5.0
"""How long a service may fail within a second of each start."""


class ServiceStatus(BaseModel):
    """The state of a service.

    dashboard: where its pages are, if not at its address. Seconds: of one probe. Bytes: the memory of all its
    processes.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    up: bool
    version: str
    address: str
    dashboard: str | None
    latency_seconds: float | None
    memory_bytes: int | None
    pid: int | None
    problem: str | None


@dataclass(frozen=True)
class Stack:
    """A stack of plain processes in one folder."""

    folder: StackFolder

    @classmethod
    def at(cls, path: Path) -> Stack:
        return cls(StackFolder(path))

    def up(
        self,
        names: Sequence[str] = (),
        notify: Callable[[str], None] = lambda _: None,
        *,
        launcher: Sequence[str] = (),
        workers: int | None = None,
        profile: str | None = None,
    ) -> None:
        """Start these services, their dependencies, and those that this folder had before; wait for each.

        names: none for all that are started by default and whose programs are installed. workers: of Dask and Ray, from
        their next start on. notify: called with a line for each service, started or left out. launcher: see
        `Supervisor.launch`. profile: of a new folder; a folder keeps its own. Raises UsageError for an unknown service
        or profile, and for another than that of the folder; ServiceError if one is not installed or does not start.
        """
        self._check_folder()
        self._check_profile(profile)
        self.folder.make()
        with self._locked():
            chosen = profile or self.folder.profile or DEFAULT_PROFILE
            registry = _REGISTRIES[chosen]
            services = registry.in_order((*(names or _startable(registry, notify)), *self.folder.services()))
            if reasons := registry.missing([service.name for service in services]):
                raise ServiceError("; ".join(reasons))
            if workers is not None:
                self.folder.write_workers(workers)
            self.folder.write_profile(chosen)
            self.folder.write_services(tuple(service.name for service in services))
            supervisor = Supervisor(self.folder)
            if not supervisor.alive:
                supervisor.sweep()
            running = {name for name, process in _processes(supervisor).items() if process.running}
            stopped = [service for service in services if service.name not in running]
            for service in stopped:
                supervisor.end_databases(service.name)
                self.folder.renew_ports(service.name)
                service.prepare(self.folder)
            programs = {service.name: service.program(self.folder) for service in services}
            # Of running ones too: the targets of Prometheus are in a file that it reads again.
            for service in services:
                self._write_files(service, programs[service.name])
            self._write_settings(services)
            supervisor.configure(programs)
            supervisor.launch(launcher)
            self._start(services, supervisor, notify)

    def down(self) -> None:
        """Stop all services, and leave no process behind. The data stay."""
        if self.folder.is_made:
            with self._locked():
                Supervisor(self.folder).shut_down()
                for service in self._registry.in_order(self.folder.services()):
                    service.clean_up(self.folder)

    def status(self) -> tuple[ServiceStatus, ...]:
        """Probe each service of this stack."""
        processes = _processes(Supervisor(self.folder))
        return tuple(
            self._status(service, processes.get(service.name))
            for service in self._registry.in_order(self.folder.services())
        )

    def logs(self, names: Sequence[str] = ()) -> tuple[Path, ...]:
        """Return the log files of these services, or of all."""
        services = self._registry.in_order(names or self.folder.services(), needed=not names)
        return tuple(path for service in services if (path := self.folder.log(service.name)).is_file())

    def _start(self, services: Sequence[Service], supervisor: Supervisor, notify: Callable[[str], None]) -> None:
        """Start each service once its dependencies answer, several at a time."""
        order = Registry(tuple(services)).sorter()
        order.prepare()
        by_name = {service.name: service for service in services}
        begun: dict[str, float] = {}
        while order.is_active():
            for name in order.get_ready():
                begun[name] = time.monotonic()
                if not supervisor.processes()[name].running:
                    supervisor.start(name)
            time.sleep(0.05)
            processes = supervisor.processes()
            for name in tuple(begun):
                took = time.monotonic() - begun[name]
                if self._is_up(by_name[name], processes[name], took):
                    by_name[name].bootstrap(self.folder)
                    notify(f"{name} is up at {by_name[name].address(self.folder)} after {took:.1f} s")
                    del begun[name]
                    order.done(name)

    def _is_up(self, service: Service, process: Process, took: float) -> bool:
        try:
            service.probe(self.folder)
        except ServiceError as error:
            if process.state == "FATAL" or (process.state == "BACKOFF" and took > _RETRY_SECONDS):
                raise ServiceError(
                    f"{service.name} ended as it started ({process.said}); {self._said(service)}"
                ) from None
            if took > service.start_seconds:
                raise ServiceError(
                    f"{service.name} does not answer after {took:.0f} s: {error}; {self._said(service)}"
                ) from None
            return False
        return process.running

    def _said(self, service: Service) -> str:
        path = self.folder.log(service.name)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
        return f"its log {path} ends: {' | '.join(lines[-_LOG_LINES:])}"

    def _status(self, service: Service, process: Process | None) -> ServiceStatus:
        problem, latency = None, None
        begun = time.perf_counter()
        if process is None or not process.running:
            problem = "not running" if process is None else f"{process.state.lower()}: {process.said}"
        else:
            try:
                service.probe(self.folder)
            except ServiceError as error:
                problem = str(error)
            else:
                latency = time.perf_counter() - begun
        pid = process.pid if process is not None and process.running else None
        return ServiceStatus(
            name=service.name,
            up=problem is None,
            version=service.missing() or service.version(self.folder),
            address=service.address(self.folder),
            dashboard=service.dashboard(self.folder),
            latency_seconds=latency,
            memory_bytes=_memory(pid) if pid else None,
            pid=pid,
            problem=problem,
        )

    def _write_files(self, service: Service, program: Program) -> None:
        for name, text in program.files.items():
            path = self.folder.data(service.name) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_private(path, text)
            if program.user and os.geteuid() == 0:
                shutil.chown(path, program.user, program.user)

    def _write_settings(self, services: Sequence[Service]) -> None:
        self.folder.write_settings(
            {name: value for service in services for name, value in service.settings(self.folder).items()}
        )

    @property
    def _registry(self) -> Registry:
        return _REGISTRIES[self.folder.profile or DEFAULT_PROFILE]

    def _check_profile(self, profile: str | None) -> None:
        """Raise UsageError for a profile that does not exist, or is not the one of this folder."""
        if profile is not None and profile not in _REGISTRIES:
            raise UsageError(f"no profile {profile!r}; there are {', '.join(_REGISTRIES)}")
        kept = self.folder.profile or (DEFAULT_PROFILE if self.folder.services() else None)
        if profile is not None and kept is not None and profile != kept:
            raise UsageError(
                f"{self.folder.path} has the profile {kept}, whose data another cannot use; choose another --dir"
            )

    def _check_folder(self) -> None:
        """Raise UsageError for a folder that is not a stack's."""
        path = self.folder.path
        if path.exists() and not self.folder.is_made and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(f"{path} is not empty, and no stack's; choose another --dir")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.folder.path / "lock", timeout=_LOCK_SECONDS)
        try:
            with lock:
                yield
        except Timeout:
            raise ServiceError(f"another `taxi stack` is at work in {self.folder.path}") from None


def _startable(registry: Registry, notify: Callable[[str], None]) -> tuple[str, ...]:
    """Return the services whose programs, and those of their dependencies, are installed; report the others."""
    usual = [service for service in registry.services if service.by_default]
    left_out = {service.name: reasons for service in usual if (reasons := registry.missing([service.name]))}
    for name, reasons in left_out.items():
        notify(f"{name} is left out: {'; '.join(reasons)}")
    return tuple(service.name for service in usual if service.name not in left_out)


def missing(names: Sequence[str], profile: str = DEFAULT_PROFILE) -> tuple[str, ...]:
    """Return why these services, or their dependencies, cannot be started here; empty if they can."""
    return _REGISTRIES[profile].missing(names)


def _processes(supervisor: Supervisor) -> dict[str, Process]:
    return supervisor.processes() if supervisor.alive else {}


def _memory(pid: int) -> int:
    """Return the memory of a process and all its children in bytes; shared memory counts once."""
    try:
        process = psutil.Process(pid)
        processes = (process, *process.children(recursive=True))
    except psutil.NoSuchProcess:
        return 0
    return sum(proportional_bytes(each.pid) or 0 for each in processes)
