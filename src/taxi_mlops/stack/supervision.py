"""Control the supervisor of a stack's processes: supervisord, through a socket in the stack's folder.

It restarts services that end, keeps their logs, and stops them in reverse order.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil

from taxi_mlops.errors import ServiceError
from taxi_mlops.stack.folder import StackFolder, write_private
from taxi_mlops.stack.service import Program

MARKER = "TAXI_STACK"
"""Environment variable that the stack's processes inherit, with the id of the stack."""

_START_SECONDS = 20.0
_KILL_AFTER_SECONDS = 10.0
_SHUTDOWN_SECONDS = 60.0
"""How long a supervisor may take to end, once its programs are stopped."""
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "SSL_CERT_FILE")
_MAX_SOCKET_PATH = 100  # the kernel allows 107 bytes, and supervisord appends to the path

_HEAD = """\
[unix_http_server]
file = {socket}
chmod = 0700

[supervisord]
logfile = {logfile}
pidfile = {pidfile}
childlogdir = {logs}
nodaemon = true
silent = true
umask = 077
identifier = taxi
{user}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

_PROGRAM = """
[program:{name}]
command = {command}
directory = {directory}
environment = {environment}
{user}autostart = false
autorestart = true
startsecs = 1
startretries = 6
priority = {priority}
stopsignal = {stop_signal}
stopwaitsecs = {stop_seconds}
stopasgroup = true
killasgroup = true
redirect_stderr = true
stdout_logfile = {log}
stdout_logfile_maxbytes = 20MB
stdout_logfile_backups = 1
"""


@dataclass(frozen=True)
class Process:
    """A service's process as the supervisor reports it. `pid` is 0 while there is none."""

    state: str
    pid: int
    said: str

    @property
    def running(self) -> bool:
        return self.state in ("STARTING", "RUNNING")


class Supervisor:
    """The supervisor of one folder. Methods raise ServiceError if it does not answer."""

    def __init__(self, stack: StackFolder) -> None:
        self._stack = stack
        self._socket = stack.runtime / "supervisor.sock"
        self._pidfile = stack.runtime / "supervisord.pid"
        self._session = stack.runtime / "session"
        self._file = stack.runtime / "supervisord.conf"

    @property
    def alive(self) -> bool:
        """Return whether it answers."""
        if not self._socket.exists():
            return False
        try:
            self._call("getState")
        except ServiceError:
            return False
        return True

    def configure(self, programs: Mapping[str, Program]) -> None:
        """Set its programs, in the order of their start, and start the supervisor if it is not running.

        A running program is not changed, even if it would be started differently now.
        """
        head = _HEAD.format(
            socket=_plain(self._socket),
            logfile=_plain(self._stack.log("supervisor")),
            pidfile=_plain(self._pidfile),
            logs=_plain(self._stack.logs),
            user="user = root\n" if os.geteuid() == 0 else "",
        )
        sections = [_section(self._stack, name, programs[name], rank) for rank, name in enumerate(programs, start=1)]
        write_private(self._file, head + "".join(sections))
        if not self.alive:
            return
        added, changed, _ = self._call("reloadConfig")[0]
        for name in changed:
            if not self.processes()[name].running:
                self._call("removeProcessGroup", name)
                added.append(name)
        for name in added:
            self._call("addProcessGroup", name)

    def launch(self, prefix: Sequence[str] = ()) -> None:
        """Start it if it is not running. prefix: a command to start it with, as `setpriv --pdeathsig TERM`."""
        if self.alive:
            return
        if len(os.fsencode(self._socket)) > _MAX_SOCKET_PATH:
            raise ServiceError(f"the path of {self._stack.path} is too long for a socket in it; choose a shorter --dir")
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        command = [*prefix, sys.executable, "-P", "-m", "supervisor.supervisord", "-c", str(self._file)]
        quiet = [(os.POSIX_SPAWN_OPEN, descriptor, os.devnull, os.O_RDWR, 0) for descriptor in (0, 1, 2)]
        started = os.posix_spawnp(
            command[0],
            command,
            environment | {MARKER: self._stack.identifier},
            file_actions=quiet,
            setsid=True,  # it outlives the command, and does not receive Ctrl-C
        )
        write_private(self._session, str(started))
        deadline = time.monotonic() + _START_SECONDS
        while not self.alive:
            if os.waitpid(started, os.WNOHANG)[0] or time.monotonic() > deadline:
                raise ServiceError(f"the supervisor did not start; see {self._stack.log('supervisor')}")
            time.sleep(0.05)

    def start(self, name: str) -> None:
        """Start a program; succeeds if the supervisor has just restarted it."""
        from supervisor.xmlrpc import Faults

        self._call("startProcess", name, False, fine=Faults.ALREADY_STARTED)

    def stop(self, name: str) -> None:
        """Stop a program with all its processes, and wait for it; succeeds if it is not running."""
        from supervisor.xmlrpc import Faults

        self._call("stopProcess", name, True, fine=Faults.NOT_RUNNING)

    def processes(self) -> dict[str, Process]:
        """Return each program's process, by name."""
        found = self._call("getAllProcessInfo")
        return {
            one["name"]: Process(one["statename"], one["pid"], one["spawnerr"] or one["description"]) for one in found
        }

    def shut_down(self) -> None:
        """Stop everything, the last started first, and then what is left of it.

        Processes in a session of their own, as the flow runs of Prefect's worker, end with their program, while the
        services that they need still answer.
        """
        if self.alive:
            supervisor = psutil.Process(self._call("getPID"))
            programs = sorted(self._call("getAllConfigInfo"), key=lambda program: program["group_prio"], reverse=True)
            for program in programs:
                self.stop(program["name"])
                self._end(partial(self._orphans, supervisor))
            self._call("shutdown")
            try:
                supervisor.wait(timeout=_SHUTDOWN_SECONDS)
            except psutil.TimeoutExpired:
                supervisor.kill()
        self.sweep()
        for path in (self._socket, self._pidfile, self._session, self._file):
            path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """End the processes of a supervisor that was killed."""
        self.end_databases()
        self._end(self._left)

    def end_databases(self, name: str = "") -> None:
        """End PostgreSQL of a service that is stopped, or of all: where Patroni was killed, its server still runs."""
        folder = self._stack.path / name
        self._end(lambda: self._databases(folder), signal.SIGINT)

    def _end(self, found: Callable[[], list[psutil.Process]], how: signal.Signals = signal.SIGTERM) -> None:
        """Send these processes a signal to end, and then kill those that are still found."""
        left = found()
        if not left:
            return
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(how)
        _, stubborn = psutil.wait_procs(left, timeout=_KILL_AFTER_SECONDS)
        for process in (*stubborn, *found()):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _left(self) -> list[psutil.Process]:
        session = int(self._session.read_text(encoding="utf-8")) if self._session.is_file() else None
        return [process for process in psutil.process_iter() if self._is_ours(process, session)]

    def _databases(self, folder: Path) -> list[psutil.Process]:
        """Return PostgreSQL's processes in a folder: those that Patroni starts have a session of their own."""
        return [process for process in psutil.process_iter() if _is_database(process, folder)]

    def _orphans(self, supervisor: psutil.Process) -> list[psutil.Process]:
        """Return our processes that are not descendants of a program of the supervisor.

        PostgreSQL's are left out: of a Patroni, they end with it.
        """
        ours = self._left()  # first, so that processes started meanwhile are not included
        supervised = {supervisor, *supervisor.children(recursive=True)}
        return [
            process for process in ours if process not in supervised and not _is_database(process, self._stack.path)
        ]

    def _is_ours(self, process: psutil.Process, session: int | None) -> bool:
        """Check the marker; PostgreSQL and Redis overwrite it by their titles, so also the session and the folder."""
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                return False
            if process.environ().get(MARKER) == self._stack.identifier:
                return True
            return os.getsid(process.pid) == session and Path(process.cwd()).is_relative_to(self._stack.path)
        except (psutil.Error, OSError):
            return False

    def _call(self, method: str, *arguments: object, fine: int | None = None) -> Any:  # noqa: ANN401 - what it answers
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(serverurl=f"unix://{self._socket}")
        try:
            proxy = ServerProxy("http://127.0.0.1", transport=transport)
            return getattr(proxy.supervisor, method)(*arguments)
        except Fault as fault:
            if fault.faultCode == fine:
                return None
            raise ServiceError(f"the supervisor says to {method} {arguments}: {fault.faultString}") from None
        except (OSError, HTTPException) as error:
            raise ServiceError(f"the supervisor of {self._stack.path} does not answer: {error}") from None
        finally:
            transport.close()


def _is_database(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.name() == "postgres" and Path(process.cwd()).is_relative_to(folder)
    except (psutil.Error, OSError):
        return False


def _section(stack: StackFolder, name: str, program: Program, priority: int) -> str:
    user = f"user = {program.user}\n" if program.user and os.geteuid() == 0 else ""
    return _PROGRAM.format(
        name=name,
        command=_plain(shlex.join(program.command)),
        directory=_plain(stack.data(name)),
        environment=_environment(program.environment),
        user=user,
        priority=priority,
        stop_signal=program.stop_signal,
        stop_seconds=program.stop_seconds,
        log=_plain(stack.log(name)),
    )


def _environment(variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        if '"' in value or "\n" in value:
            raise ServiceError(
                f"the variable {name} of a service has a quote or a line break, which cannot be passed on"
            )
    return _plain(",".join(f'{name}="{value}"' for name, value in variables.items()))


def _plain(text: object) -> str:
    """Escape text for supervisord's file, which expands percent signs."""
    return str(text).replace("%", "%%")
