"""Measure `taxi serve`: requests with one point, beside a bare FastAPI application, and points of Arrow streams.

    python benchmarks/serving.py [--core-points 1000000] [--seconds 10] [--connections 32]

The load comes from this process, over connections that are kept open; the service is another one, so both share the
machine's CPUs. The model is random; start and memory are those of a service that reads it from its files, without the
registry. What is printed is the machine, then a line for each measurement.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import psutil
import pyarrow as pa

from taxi_mlops.models.hotspot_model import HotspotModel
from taxi_mlops.serving.arrow_stream import ARROW_STREAM
from taxi_mlops.trials.machine import describe_machine

ARROW_POINTS = 2_000_000
ARROW_BATCH = 65_536


def random_model(n: int) -> HotspotModel:
    """Return a model with n core points in 500 hotspots."""
    rng = np.random.default_rng(0)
    middles = rng.normal((-33.45, -70.65), 0.1, (500, 2))
    row = np.sort(rng.integers(0, 500, n)).astype(np.int32)
    places = middles[row] + rng.normal(0, 0.003, (n, 2))
    ring = [[-70.65, -33.45], [-70.64, -33.45], [-70.64, -33.44], [-70.65, -33.45]]
    return HotspotModel(
        latitude=places[:, 0].copy(),
        longitude=places[:, 1].copy(),
        hotspot=row,
        ids=np.arange(1, 501),
        centre=middles,
        size=np.bincount(row, minlength=500).astype(np.int64),
        area_km2=np.ones(500),
        outlines=({"type": "Polygon", "coordinates": [ring]},) * 500,
        eps_metres=100.0,
        min_samples=10,
        trained_on=2 * n,
    )


def run_service(port: int, folder: Path) -> None:
    """Serve a model from its files; runs in a process of its own."""
    import uvicorn
    from prometheus_client import CollectorRegistry

    from taxi_mlops.serving.app import create_app
    from taxi_mlops.serving.served_model import ServedModel
    from taxi_mlops.serving.service_metrics import ServiceMetrics
    from taxi_mlops.serving.watcher import RegistryState

    served = ServedModel("random", "1", HotspotModel.load(folder)).prepare()
    watcher = SimpleNamespace(current=served, state=RegistryState(datetime.now(UTC)))
    metrics = ServiceMetrics(CollectorRegistry())
    metrics.model_loaded(served)
    app = create_app(watcher, metrics, None, frozenset({"127.0.0.1"}))
    uvicorn.run(app, port=port, log_level="warning", access_log=False, lifespan="off")


def run_hello(port: int) -> None:
    """Serve the same request with as little as FastAPI can do; runs in a process of its own."""
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()

    @app.post("/v1/locate")
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    uvicorn.run(app, port=port, log_level="warning", access_log=False, lifespan="off")


@contextmanager
def started(*arguments: str) -> Iterator[tuple[int, psutil.Process, float]]:
    """Start a service; gives its port, its process and the seconds until it listened."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, __file__, arguments[0], str(port), *arguments[1:]])
    try:
        while True:
            if process.poll() is not None:
                raise SystemExit("the service ended")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield port, psutil.Process(process.pid), time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait()


async def load(port: int, seconds: float, connections: int) -> list[float]:
    """Send requests of one point over each connection, one after the other; returns the seconds of each."""
    body = json.dumps({"points": [{"latitude": -33.45, "longitude": -70.65}]}).encode()
    head = (
        "POST /v1/locate HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    request = "\r\n".join((*head, "", "")).encode() + body
    until = time.perf_counter() + seconds
    times: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (begun := time.perf_counter()) < until:
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise SystemExit(answer.decode())
            length = answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
            times.append(time.perf_counter() - begun)
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return times


def requests_line(name: str, times: list[float], seconds: float) -> str:
    milliseconds = np.array(times) * 1e3
    return (
        f"{name}: {len(times) / seconds:,.0f} requests/s, median {np.median(milliseconds):.2f} ms, "
        f"99th percentile {np.quantile(milliseconds, 0.99):.2f} ms"
    )


def arrow_rate(port: int) -> float:
    """Return points located in a second, from the first byte sent to the last received; median of three."""
    rng = np.random.default_rng(1)
    columns = {"latitude": rng.normal(-33.45, 0.1, ARROW_POINTS), "longitude": rng.normal(-70.65, 0.1, ARROW_POINTS)}
    table, sink = pa.table(columns), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=ARROW_BATCH)
    rates = []
    for _ in range(3):
        begun = time.perf_counter()
        answer = httpx.post(
            f"http://127.0.0.1:{port}/v1/locate",
            content=sink.getvalue(),
            headers={"Content-Type": ARROW_STREAM},
            timeout=600,
        )
        rates.append(ARROW_POINTS / (time.perf_counter() - begun))
        if pa.ipc.open_stream(answer.content).read_all().num_rows != ARROW_POINTS:
            raise SystemExit("points are missing in the answer")
    return statistics.median(rates)


def measure(core_points: int, seconds: float, connections: int) -> None:
    machine = describe_machine()
    print(f"{machine.processor}, {machine.logical_cpus} CPUs, {machine.system}, load {psutil.getloadavg()[0]:.1f}")
    with started("--hello") as (port, _, _):
        asyncio.run(load(port, 1.0, connections))
        print(requests_line("bare FastAPI", asyncio.run(load(port, seconds, connections)), seconds))
    with tempfile.TemporaryDirectory() as folder:
        random_model(core_points).save(Path(folder))
        with started("--serve", folder) as (port, process, ready):
            print(
                f"start to ready: {ready:.2f} s, {process.memory_info().rss / 1e6:,.0f} MB, {core_points:,} core points"
            )
            asyncio.run(load(port, 1.0, connections))
            print(requests_line("taxi serve, one point", asyncio.run(load(port, seconds, connections)), seconds))
            print(f"taxi serve, Arrow: {arrow_rate(port) / 1e6:.2f} million points/s")
            print(f"memory at the end: {process.memory_info().rss / 1e6:,.0f} MB")


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        run_service(int(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1:2] == ["--hello"]:
        run_hello(int(sys.argv[2]))
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--core-points", type=int, default=1_000_000)
        parser.add_argument("--seconds", type=float, default=10.0)
        parser.add_argument("--connections", type=int, default=32)
        given = parser.parse_args()
        measure(given.core_points, given.seconds, given.connections)


if __name__ == "__main__":
    main()
