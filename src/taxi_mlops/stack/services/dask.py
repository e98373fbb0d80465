"""Dask: a scheduler and its workers, on loopback, with certificates of their own."""

from __future__ import annotations

import sys
import time
from importlib.metadata import version
from importlib.util import find_spec

import yaml

from taxi_mlops.limits import usable_memory
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.probes import get
from taxi_mlops.stack.service import Program, Service

_CERTIFICATE, _KEY = "dask_certificate.pem", "dask_key.pem"
_NEW_CERTIFICATE_SECONDS = 180 * 86_400.0
"""Dask makes them for a year; they are renewed when the scheduler is started by `up`."""
_SHARE_OF_MEMORY = 0.75


class _DaskService(Service):
    by_default = False

    def missing(self) -> str | None:
        if find_spec("distributed") and find_spec("cryptography"):
            return None
        return f"{self.name}: distributed is not installed; pip install 'taxi-mlops[dask]' gets it"

    def version(self, stack: StackFolder) -> str:  # noqa: ARG002
        return version("distributed")


class DaskScheduler(_DaskService):
    """Its address is the one for clients; `dask.yaml` in its folder has what they need."""

    name = "dask-scheduler"

    def address(self, stack: StackFolder) -> str:
        return f"tls://{stack.listens_at(self.name)}"

    def dashboard(self, stack: StackFolder) -> str:
        return f"http://{stack.listens_at(self.name, 'dashboard')}"

    def probe(self, stack: StackFolder) -> None:
        get(f"{self.dashboard(stack)}/health")

    def prepare(self, stack: StackFolder) -> None:
        """Make a key that scheduler, workers and clients share: who has it may run code."""
        path = stack.secret_file(_CERTIFICATE)
        if path.is_file() and time.time() - path.stat().st_mtime < _NEW_CERTIFICATE_SECONDS:
            return
        from distributed import Security

        made = Security.temporary()
        stack.write_secret(_KEY, made.tls_client_key)
        stack.write_secret(_CERTIFICATE, made.tls_client_cert)

    def program(self, stack: StackFolder) -> Program:
        host, port = stack.listens_at(self.name).rsplit(":", 1)
        module = (sys.executable, "-P", "-m", "distributed.cli.dask_scheduler")
        options = ("--protocol", "tls", "--host", host, "--port", port)
        dashboard = ("--dashboard-address", stack.listens_at(self.name, "dashboard"))
        return _configured(stack, self.name, (*module, *options, *dashboard))


class DaskWorkers(_DaskService):
    """As many workers as the stack is to have, of one thread each. Its address is that of the scheduler for clients."""

    name = "dask"
    depends_on = (DaskScheduler.name,)
    start_seconds = 120.0

    def address(self, stack: StackFolder) -> str:
        return f"tls://{stack.listens_at(DaskScheduler.name)}"

    def program(self, stack: StackFolder) -> Program:
        share = int(usable_memory() * _SHARE_OF_MEMORY) // stack.workers
        module = (sys.executable, "-P", "-m", "taxi_mlops.stack.dask_workers")
        return _configured(stack, self.name, (*module, self.address(stack), str(share), *worker_addresses(stack)))

    def probe(self, stack: StackFolder) -> None:
        for address in worker_addresses(stack):
            get(f"http://{address}/health")


def worker_addresses(stack: StackFolder) -> list[str]:
    """Return where each worker serves its metrics."""
    return [stack.listens_at(DaskWorkers.name, f"worker-{number}") for number in range(stack.workers)]


def _configured(stack: StackFolder, name: str, command: tuple[str, ...]) -> Program:
    """Return a program with Dask's configuration as a file; a client takes the same file."""
    pair = {"cert": str(stack.secret_file(_CERTIFICATE)), "key": str(stack.secret_file(_KEY))}
    folder = stack.data(name)
    document = {
        "temporary-directory": str(folder),
        "distributed": {
            "comm": {
                "require-encryption": True,
                "tls": {"ca-file": pair["cert"], "scheduler": pair, "worker": pair, "client": pair},
            },
            "diagnostics": {"nvml": False},
        },
    }
    return Program(
        command=command,
        environment={"DASK_CONFIG": str(folder / "dask.yaml")},
        files={"dask.yaml": yaml.safe_dump(document, sort_keys=False)},
        stop_seconds=30,
    )
