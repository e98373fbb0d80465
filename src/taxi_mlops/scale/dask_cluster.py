"""A Dask cluster of this machine in a process of its own, which ends with the process that started it.

It is a program: `python -m taxi_mlops.scale.dask_cluster WORKERS BYTES FOLDER`. So scripts that use it need no main
guard, although Dask's workers are spawned.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Security


@dataclass(frozen=True, slots=True)
class Started:
    """What the program prints once there are workers: where the scheduler is, and what a client needs to speak to it.

    certificate, key: PEM. They are of this cluster alone, and go through a pipe only.
    """

    address: str
    certificate: str
    key: str

    @classmethod
    def parse(cls, line: bytes) -> Started:
        return cls(**json.loads(line))

    def security(self) -> Security:
        """Return what a client is given."""
        from distributed import Security

        return Security(
            require_encryption=True,
            tls_ca_file=self.certificate,
            tls_client_cert=self.certificate,
            tls_client_key=self.key,
        )


def main(workers: int, memory_bytes: int, folder: str) -> None:
    """Start a cluster, and end it when standard input ends."""
    import dask
    from distributed import LocalCluster, Security

    dask.config.set(
        {
            "distributed.scheduler.allowed-failures": 1,
            "distributed.scheduler.worker-saturation": 1.0,  # nothing waits beside a task that kills its worker
            "distributed.deploy.lost-worker-timeout": "1 day",  # a worker that died is started again
            "distributed.diagnostics.nvml": False,
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
        }
    )
    security = Security.temporary()
    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        protocol="tls",
        security=security,
        dashboard_address="127.0.0.1:0",
        memory_limit=memory_bytes,
        local_directory=folder,
        silence_logs=logging.ERROR,
    ) as cluster:
        started = Started(cluster.scheduler_address, security.tls_client_cert, security.tls_client_key)
        print(json.dumps(asdict(started)), flush=True)  # noqa: T201 - its answer
        sys.stdin.read()
    shutil.rmtree(folder, ignore_errors=True)  # where the process that started it was killed


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
