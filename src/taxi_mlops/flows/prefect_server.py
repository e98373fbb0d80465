"""A temporary Prefect server for one process: on loopback, without pages, and ended with that process.

Prefect's own temporary server outlives a process that is killed; this one reads a pipe that closes with its parent.

Usage: python -m taxi_mlops.flows.prefect_server SOCKET_FD    (ends when standard input does)
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import threading
import time

from taxi_mlops.errors import ServiceError

START_SECONDS = 120.0
"""The first start on a machine creates a database, which has taken 20 s."""
STOP_SECONDS = 10.0
NO_TELEMETRY = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "true"}


def start_server() -> str:
    """Start a server that ends with this process, and return the URL of its API.

    Its runs are stored in the user's own Prefect database. Raises ServiceError if it does not start.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/api"
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-m", "taxi_mlops.flows.prefect_server", str(listening.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | NO_TELEMETRY,
            pass_fds=(listening.fileno(),),
            start_new_session=True,  # Ctrl-C goes to the run, which reports its end to the server
        )
    atexit.register(_stop, process)
    _await(url, process)
    return url


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    import httpx

    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServiceError(
                f"Prefect's server ended with code {process.returncode} as it started; "
                "`prefect server start` shows why, and --no-flow does without"
            )
        try:
            if httpx.get(f"{url}/health", timeout=START_SECONDS).is_success:
                return
        except httpx.TransportError:  # it does not listen yet
            time.sleep(0.1)
    raise ServiceError(f"Prefect's server did not start within {START_SECONDS:g} s; --no-flow does without")


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None  # noqa: S101 - it was asked for
    process.stdin.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main(descriptor: int) -> None:
    """Serve on an inherited socket until standard input ends."""
    import uvicorn
    from prefect.server.api.server import create_app

    server = uvicorn.Server(uvicorn.Config(create_app(ephemeral=True, final=True), log_level="error"))

    def end_with_parent() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True
        time.sleep(STOP_SECONDS / 2)
        os._exit(0)  # it hangs

    threading.Thread(target=end_with_parent, daemon=True).start()
    server.run([socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(int(sys.argv[1]))
