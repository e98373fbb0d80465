"""Locks of a host: one run at a time is timed, and no other run works meanwhile."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from taxi_mlops.errors import TaxiError, UsageError
from taxi_mlops.settings import Settings

_POLL_SECONDS = 0.05


@contextmanager
def host_lock(settings: Settings, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold this host's lock for timed trials. `on_wait` is called once for each lock that is waited for.

    The lock files are in `settings.cache_dir`, named by the host, since hosts may share the folder.
    Raises TaxiError after `settings.host_lock_timeout_seconds`, UsageError if the folder cannot be written.
    """
    with ExitStack() as held:
        _take_turn(settings, on_wait, held)
        _join_work(settings, fcntl.LOCK_EX, on_wait, held)
        yield


@contextmanager
def untimed_work(settings: Settings, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the shared lock of untimed work, which would disturb timed trials.

    A run that waits to be timed goes first: work that begins later waits for its end. Raises as `host_lock` does.
    """
    with ExitStack() as held:
        with ExitStack() as turn:
            _take_turn(settings, on_wait, turn)
            _join_work(settings, fcntl.LOCK_SH, on_wait, held)
        yield


def _take_turn(settings: Settings, on_wait: Callable[[str], None] | None, held: ExitStack) -> None:
    """Acquire the lock that a timed run keeps, and all others hold for a moment."""
    path = _path(settings, "timed-trials")
    timeout = settings.host_lock_timeout_seconds
    lock = FileLock(path)
    try:
        settings.cache_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except OSError as error:
        if not isinstance(error, Timeout):
            raise _unusable(path, error) from None
        if on_wait is not None:
            on_wait(f"another run is timing trials on this host (lock {path}); waiting up to {timeout:g} s")
        try:
            lock.acquire(timeout=timeout)
        except Timeout:
            raise _taken(path, timeout) from None
    held.callback(lock.release)


def _join_work(settings: Settings, mode: int, on_wait: Callable[[str], None] | None, held: ExitStack) -> None:
    """Acquire the lock that untimed work shares. The kernel releases it when its holder ends, even if killed."""
    path = _path(settings, "untimed-work")
    timeout = settings.host_lock_timeout_seconds
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _unusable(path, error) from None
    held.callback(os.close, descriptor)
    deadline, reported = time.monotonic() + timeout, False
    while True:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise _taken(path, timeout) from None
            if on_wait is not None and not reported:
                on_wait(f"other runs are at work on this host (lock {path}); waiting up to {timeout:g} s")
                reported = True
            time.sleep(_POLL_SECONDS)
        else:
            return


def _path(settings: Settings, what: str) -> Path:
    return settings.cache_dir / f"{what}-{socket.gethostname()}.lock"


def _unusable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"cannot lock {path}: {error}; set TAXI_CACHE_DIR to a folder that can be written")


def _taken(path: Path, timeout: float) -> TaxiError:
    return TaxiError(
        f"another run has held {path} for more than {timeout:g} s; wait for it to end, "
        "or raise TAXI_HOST_LOCK_TIMEOUT_SECONDS"
    )
