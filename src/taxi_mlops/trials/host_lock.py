"""One run at a time may time anything on a host."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from taxi_mlops.errors import TaxiError, UsageError
from taxi_mlops.settings import Settings


@contextmanager
def host_lock(settings: Settings, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold this host's lock for timed trials. `on_wait` is told, once, where another run holds it.

    The lock file is in `settings.cache_dir`, named by the host, since the folder may be shared by several.
    Raises TaxiError after `settings.host_lock_timeout_seconds`, UsageError where the folder cannot be written.
    """
    path = settings.cache_dir / f"timed-trials-{socket.gethostname()}.lock"
    patience = settings.host_lock_timeout_seconds
    lock = FileLock(path)
    try:
        settings.cache_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except OSError as error:
        if not isinstance(error, Timeout):
            raise UsageError(
                f"cannot lock {path}: {error}; set TAXI_CACHE_DIR to a folder that can be written"
            ) from None
        if on_wait is not None:
            on_wait(f"another run is timing trials on this host (lock {path}); waiting up to {patience:g} s")
        _wait_for(lock, patience)
    try:
        yield
    finally:
        lock.release()


def _wait_for(lock: FileLock, patience: float) -> None:
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise TaxiError(
            f"another run has held {lock.lock_file} for more than {patience:g} s; wait for it to end, "
            "or raise TAXI_HOST_LOCK_TIMEOUT_SECONDS"
        ) from None
