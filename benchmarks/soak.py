"""Soak the stack: many comparisons on several workers; is memory flat, and is each recorded exactly once?

Brings up PostgreSQL, Redis, the object store, Prefect's server and MLflow as processes of this machine, with workers,
and asks for comparisons of synthetic cities of 20,000 trips, never for many more than the workers can take. While they
run, the memory of each service is sampled (what processes share counts once; what PostgreSQL's share, its buffers above
all, is separate). Printed and written: memory in each quarter of the comparisons, its trend over the second half, and
how often each comparison stands in the journals, in PostgreSQL and in MLflow.

    python benchmarks/soak.py [--comparisons 200] [--workers 3] [--repeats 1] [--output FILE]

Timed trials take turns on a host; with --repeats 0 nothing is timed, and the comparisons overlap.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import numpy as np
import psutil

from taxi_mlops.flows.prefect_environment import configured_server
from taxi_mlops.flows.setup import set_up
from taxi_mlops.results.journal import Journal
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.runs.listing import RunFilter
from taxi_mlops.runs.stored_runs import stored_runs
from taxi_mlops.service_urls import experiments_url, mlflow_url
from taxi_mlops.settings import Settings, load_settings
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.native import Stack
from taxi_mlops.stack.services.prefect import PrefectWorker
from taxi_mlops.trials.confinement import proportional_bytes
from taxi_mlops.trials.machine import describe_machine

SERVICES = ("postgresql", "redis", "object-store", "mlflow", "prefect-server", "prefect-worker")
WATCHED = ("prefect-server", "mlflow", "postgresql", "redis")
SHARED = "postgresql-shared"
CITIES = 20
"""The cities take turns, so that the cache of points has all that it will ever hold after a tenth of the time."""
OUTSTANDING = 4
"""Comparisons asked for and not ended, by worker."""
SAMPLE_SECONDS = 3.0
WORKER_STOP_SECONDS = 15.0
MEGABYTE = 1e6


class Sample(NamedTuple):
    """Memory in bytes, by service, so many seconds after the first comparison was asked for."""

    seconds: float
    ended: int
    memory: dict[str, int]


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing of the stack is left
    with tempfile.TemporaryDirectory() as folder, _stack(Path(folder), options.workers) as workers:
        settings = load_settings()
        for done in set_up(settings):
            print(f"{done.part}: {done.said}")
        samples = _run(settings, Path(folder), workers, options.comparisons, options.repeats)
        result = {
            "machine": describe_machine().model_dump(mode="json"),
            "comparisons": options.comparisons,
            "workers": options.workers,
            "repeats": options.repeats,
            "seconds": samples[-1].seconds,
            "memory": {name: _trend(samples, name) for name in samples[-1].memory},
            "recorded": _recorded(settings, StackFolder(Path(folder)).data("runs")),
        }
    _show(result)
    if options.output:
        options.output.write_text(json.dumps(result, indent=2), encoding="utf-8")


@contextmanager
def _stack(folder: Path, workers: int) -> Iterator[dict[str, int]]:
    """A stack with so many workers. Yields the process identifiers of the workers, by name."""
    stack = Stack.at(folder)
    with ExitStack() as cleaning:
        cleaning.callback(stack.down)
        stack.up(SERVICES, print)
        os.environ["TAXI_SETTINGS"] = str(stack.folder.settings_file)
        pids = {one.name: one.pid or 0 for one in stack.status() if one.name == PrefectWorker.name}
        for number in range(2, workers + 1):
            pids[f"{PrefectWorker.name}-{number}"] = cleaning.enter_context(_another_worker(stack.folder, number)).pid
        yield pids


@contextmanager
def _another_worker(folder: StackFolder, number: int) -> Iterator[subprocess.Popen[bytes]]:
    program = PrefectWorker().program(folder)
    name = f"soak-{number}"
    environment = {
        **os.environ,
        **program.environment,
        "PREFECT_HOME": str(folder.data(name)),
        "PREFECT_WORKER_WEBSERVER_PORT": str(folder.port(name)),
    }
    own = {"native": name, folder.listens_at(PrefectWorker.name, "metrics"): folder.listens_at(name, "metrics")}
    command = [own.get(word, word) for word in program.command]
    with folder.log(name).open("wb") as log:
        worker = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            yield worker
        finally:
            worker.send_signal(signal.SIGINT)
            try:
                worker.wait(WORKER_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


def _run(settings: Settings, folder: Path, workers: dict[str, int], comparisons: int, repeats: int) -> list[Sample]:
    """Ask for all comparisons, a few at a time, and sample until they have ended."""
    with configured_server(settings):
        from prefect.client.orchestration import SyncPrefectClient, get_client
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
        from prefect.client.schemas.objects import State

        from taxi_mlops.flows.deployments import deployments
        from taxi_mlops.flows.prefect_trigger import start

        compare = next(one for one in deployments(settings) if one.name == "compare")
        asked = {"adapters": ["grid"], "reference": "grid", "repeats": repeats}
        outstanding: set[UUID] = set()
        ended: list[State] = []
        samples: list[Sample] = []

        def end_some(client: SyncPrefectClient) -> None:
            """Move runs that have ended from the outstanding ones to the ended ones."""
            chosen = FlowRunFilter(id=FlowRunFilterId(any_=list(outstanding)))
            for run in client.read_flow_runs(flow_run_filter=chosen, limit=200):
                # A crashed run is begun again within half a minute; one that is not shows as outstanding for ever.
                if run.state is not None and run.state.is_final() and not run.state.is_crashed():
                    outstanding.remove(run.id)
                    ended.append(run.state)

        begun = time.monotonic()
        with get_client(sync_client=True) as client:
            while len(ended) < comparisons:
                while (number := len(ended) + len(outstanding)) < comparisons and (
                    len(outstanding) < OUTSTANDING * len(workers)
                ):
                    outstanding.add(start(compare, asked | {"seed": number % CITIES}).id)
                time.sleep(SAMPLE_SECONDS)
                end_some(client)
                samples.append(Sample(time.monotonic() - begun, len(ended), _memory(folder, workers)))
                print(f"{samples[-1].seconds:6.0f} s  {len(ended)} ended, {len(outstanding)} outstanding", flush=True)
        for said in {state.message for state in ended if not state.is_completed()}:
            print(f"not completed: {said}")
        return samples


def _memory(folder: Path, workers: dict[str, int]) -> dict[str, int]:
    """Bytes of the servers with their processes, and of the workers without the runs that they have started."""
    servers = {one.name: one for one in Stack.at(folder).status() if one.name in WATCHED}
    memory = {name: one.memory_bytes or 0 for name, one in servers.items()}
    memory[SHARED] = _shared_bytes(servers["postgresql"].pid)
    memory["postgresql"] -= memory[SHARED]
    for name, pid in workers.items():
        if (worker := proportional_bytes(pid)) is None:
            log = StackFolder(folder).log(name).read_text(errors="replace")
            sys.exit(f"{name} has ended:\n" + "\n".join(log.splitlines()[-30:]))
        memory[name] = worker
    return memory


def _shared_bytes(pid: int | None) -> int:
    """What a process and its children hold in segments that they share, each page counted once."""
    process = psutil.Process(pid)
    total = 0
    for one in (process, *process.children(recursive=True)):
        with suppress(OSError):  # it has ended meanwhile
            fields = dict(
                line.split()[:2] for line in Path(f"/proc/{one.pid}/smaps_rollup").read_text().splitlines()[1:]
            )
            total += int(fields["Pss_Shmem:"]) * 1024
    return total


def _trend(samples: list[Sample], name: str) -> dict[str, object]:
    """Medians by quarter of the comparisons that ended, in MB; the slope over their second half."""
    values = np.array([sample.memory.get(name, 0) for sample in samples]) / MEGABYTE
    ended = np.array([sample.ended for sample in samples])
    quarters = np.minimum(4 * ended // max(ended[-1], 1), 3)
    half = quarters >= 2
    medians = [float(np.median(values[quarters == number])) for number in range(4) if np.any(quarters == number)]
    return {
        "quarters_mb": [round(median, 1) for median in medians],
        "slope_mb_per_100_comparisons": round(100 * float(np.polyfit(ended[half], values[half], 1)[0]), 2),
    }


def _recorded(settings: Settings, runs: Path) -> dict[str, dict[str, int]]:
    """In each place: how many comparisons there are, and how many of them stand there more than once."""
    from mlflow import MlflowClient

    from taxi_mlops.recording.mlflow_recorder import MlflowAccess

    journals = [Journal.read(RunFolder(path).journal) for path in sorted(runs.glob("run-*"))]
    trials = [Counter(outcome.trial.key for outcome in journal.outcomes) for journal in journals]
    store = experiments_url(settings)
    tracking = mlflow_url(settings)
    assert store is not None
    assert tracking is not None
    os.environ.update(MlflowAccess.chosen_by(settings).variables())
    client = MlflowClient(tracking_uri=tracking.reveal())
    experiment = client.get_experiment_by_name(settings.mlflow_experiment)
    assert experiment is not None
    parents: Counter[str] = Counter()
    token: str | None = None
    while token != "":
        page = client.search_runs([experiment.experiment_id], max_results=1000, page_token=token)
        parents.update(run.data.tags["run_id"] for run in page if "mlflow.parentRunId" not in run.data.tags)
        token = page.token or ""
    stored = Counter(run.run_id for run in stored_runs(store, RunFilter()))
    return {
        "journals": {"comparisons": len(journals), "twice": sum(max(of.values()) > 1 for of in trials)},
        "postgresql": {"comparisons": len(stored), "twice": sum(count > 1 for count in stored.values())},
        "mlflow": {"comparisons": len(parents), "twice": sum(count > 1 for count in parents.values())},
    }


def _show(result: dict[str, object]) -> None:
    print(json.dumps({name: value for name, value in result.items() if name != "machine"}, indent=2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=200)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
