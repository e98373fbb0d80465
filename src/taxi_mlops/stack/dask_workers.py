"""Dask workers of one thread each, which serve their metrics at addresses that are known beforehand.

    python -m taxi_mlops.stack.dask_workers SCHEDULER BYTES HOST:PORT…

BYTES: memory of each, at which it is started again, or `auto`. Dask's own command chooses ports by chance where there
are several workers.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

_LOOPBACK = "127.0.0.1"
_CLOSE_SECONDS = 20.0


async def run(scheduler: str, memory: str, addresses: Sequence[str]) -> None:
    """Run a worker for each address until this process is asked to end."""
    from distributed import Nanny

    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    nannies = [
        Nanny(
            scheduler,
            nthreads=1,
            memory_limit=memory,
            host=_LOOPBACK if address.startswith(f"{_LOOPBACK}:") else None,
            dashboard_address=address,
        )
        for address in addresses
    ]
    await asyncio.gather(*nannies)
    waits = [asyncio.ensure_future(stop.wait()), *(asyncio.ensure_future(nanny.finished()) for nanny in nannies)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.gather(*(nanny.close(timeout=_CLOSE_SECONDS) for nanny in nannies))


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], sys.argv[3:]))
