"""Show what metrics and spans cost a run.

Measured on their own, since a busy host disturbs whole runs by more than that: the CPU seconds of importing the
libraries in a fresh process, of a run's files, and of a trial's metrics and spans; then a run of the synthetic city,
which these are a share of. And for a timed trial: how often this process was woken while one ran, and what it used,
with telemetry and without. Where the settings name collectors (TAXI_OTLP_ENDPOINT, TAXI_OTLP_LOGS_ENDPOINT,
TAXI_PUSHGATEWAY_URL), spans, log and metrics are sent to them, and that is counted too. And how many seconds longer
than without any a run takes whose collectors are absent, never answer, answer byte by byte, or refuse.

    python benchmarks/observability.py [--rows 20000] [--repeats 5] [--trials 2000] [--output FILE]
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
from pydantic import SecretStr

from taxi_mlops.data.load import load_points
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.domain import Parameters, Resources, Trial, TrialKind, TrialOutcome, TrialStatus
from taxi_mlops.pipeline.compare import compare
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.record import configured_recorders
from taxi_mlops.pipeline.telemetry import monitored_run
from taxi_mlops.recording.base import RecordedRun
from taxi_mlops.recording.pushgateway import PUSHGATEWAY
from taxi_mlops.results.journal import Journal
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.settings import Settings, load_settings
from taxi_mlops.specification import Specification
from taxi_mlops.trials.machine import describe_machine, usable_cpus
from taxi_mlops.trials.runner import run_trial
from taxi_mlops.trials.workload_folder import write_workload

ADAPTER = "sklearn"
IMPORT = """
import time
import taxi_mlops.cli.main, taxi_mlops.specification, taxi_mlops.settings, taxi_mlops.results.assembly
import taxi_mlops.results.journal, taxi_mlops.recording.recordings
import taxi_mlops.data.load, taxi_mlops.trials.runner, taxi_mlops.adapters.registry
import structlog, rich.progress
started = time.process_time()
import taxi_mlops.pipeline.telemetry
{sending}
print(time.process_time() - started)
"""
SENDING = """
import urllib3
import opentelemetry.exporter.otlp.json.http.trace_exporter, taxi_mlops.monitoring.log_records
"""


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        report = _measure(Path(folder), load_settings(), arguments)
    print(json.dumps(report, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="of the synthetic city")
    parser.add_argument("--repeats", type=int, default=5, help="of everything that runs in a process of its own")
    parser.add_argument("--trials", type=int, default=2000, help="that metrics and spans are made of")
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


def _measure(folder: Path, settings: Settings, arguments: argparse.Namespace) -> dict[str, Any]:
    specification = Specification.model_validate(
        {
            "dataset": {"synthetic_rows": arguments.rows},
            "trials": {"adapters": [ADAPTER], "repeats": arguments.repeats},
        }
    )
    own = {"runs_dir": folder / "runs", "cache_dir": folder / "cache", "deployment": "benchmark"}
    quiet = settings.model_copy(update=own)
    started = time.perf_counter()
    compare(specification, RunFolder(folder / "run"), quiet, Observer())
    run_seconds = time.perf_counter() - started
    journal = Journal.read(RunFolder(folder / "run").journal)

    pushing = _pushing_seconds(RecordedRun.read(RunFolder(folder / "run")), quiet)
    sending = settings.otlp_endpoint is not None
    imports = statistics.median(_import_seconds(sending=sending) for _ in range(arguments.repeats))
    files = statistics.median(_recording_seconds(folder / f"none-{i}", quiet, journal, 0) for i in range(20))
    many = _recording_seconds(folder / "many", quiet, journal, arguments.trials)
    trial = (many - files) / arguments.trials
    cost = imports + files + trial * len(journal.outcomes) + pushing
    return {
        "machine": describe_machine().model_dump(mode="json"),
        "run": {"rows": arguments.rows, "trials": len(journal.outcomes), "seconds": run_seconds},
        "cpu_seconds": {"imports": imports, "files": files, "each_trial": trial, "push": pushing, "in_all": cost},
        "share_of_run": cost / run_seconds,
        "while_a_timed_trial_ran": {
            "without": _while_timing(folder / "without", quiet, arguments, watched=False),
            "with": _while_timing(folder / "with", quiet, arguments, watched=True),
        },
        "seconds_longer_where_collectors_are": _longer(folder / "collectors", quiet, arguments.repeats),
    }


def _import_seconds(*, sending: bool) -> float:
    program = IMPORT.format(sending=SENDING if sending else "")
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return float(done.stdout)


def _recording_seconds(path: Path, settings: Settings, journal: Journal, trials: int) -> float:
    """CPU seconds of the telemetry of a run with so many trials that take no time."""
    path.mkdir()
    folder = RunFolder(path)
    started = time.process_time()
    with monitored_run("benchmark", folder, (ADAPTER,), settings, Observer()) as monitor:
        monitor.trials_begin(journal.header, ())
        for block in range(1, trials + 1):
            outcome = TrialOutcome(
                Trial(ADAPTER, TrialKind.TIMING, block),
                TrialStatus.OK,
                cold_start_seconds=1.0,
                prepare_seconds=0.01,
                fit_seconds=0.5,
            )
            with monitor.step("trial"):
                monitor.trial_started(outcome.trial, block, trials)
                monitor.trial_finished(outcome)
    return time.process_time() - started


def _pushing_seconds(run: RecordedRun, settings: Settings) -> float:
    """CPU seconds of a push; 0 where the settings name no Pushgateway."""
    recorder = configured_recorders(settings)[-1]
    if recorder.name != PUSHGATEWAY:
        return 0.0
    started = time.process_time()
    recorder.record(run)
    return time.process_time() - started


def _while_timing(path: Path, settings: Settings, arguments: argparse.Namespace, *, watched: bool) -> dict[str, float]:
    """Medians over timed trials, of this process while each ran."""
    path.mkdir()
    folder = RunFolder(path)
    points = load_points(LoadRequest(synthetic_rows=arguments.rows), settings, lambda *_: None)
    write_workload(points, Parameters(100.0, 10), folder.points)
    used, woken = [], []
    this = psutil.Process()
    for block in range(1, arguments.repeats + 1):
        trial = Trial(ADAPTER, TrialKind.TIMING, block)

        def measured_trial(trial: Trial = trial) -> None:
            switches, cpu = this.num_ctx_switches(), time.process_time()
            run_trial(
                trial,
                run_id="benchmark",
                workload=folder.points,
                resources=Resources(threads=1, cpus=usable_cpus()[:1]),
                scratch=folder.scratch,
                labels=folder.answers,
            )
            used.append(time.process_time() - cpu)
            woken.append(this.num_ctx_switches().voluntary - switches.voluntary)

        if watched:
            with monitored_run("benchmark", folder, (ADAPTER,), settings, Observer()) as monitor, monitor.step("trial"):
                measured_trial()
        else:
            measured_trial()
    return {"cpu_seconds": statistics.median(used), "voluntary_switches": statistics.median(woken)}


class _Bad(BaseHTTPRequestHandler):
    """A collector that refuses, or answers a byte at a time. Which of the two depends on its server's `slow`."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with suppress(OSError):  # they did not wait
            if self.server.slow:  # type: ignore[attr-defined]
                for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}":
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.2)
            else:
                self.send_error(503)

    def do_PUT(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Say nothing on standard error."""


@contextmanager
def _collectors() -> Iterator[dict[str, str | None]]:
    """Addresses of collectors by what is wrong with them; none has no address."""
    with (
        socket.socket() as absent,
        socket.create_server(("127.0.0.1", 0)) as silent,
        ThreadingHTTPServer(("127.0.0.1", 0), _Bad) as slow,
        ThreadingHTTPServer(("127.0.0.1", 0), _Bad) as refusing,
    ):
        absent.bind(("127.0.0.1", 0))
        for server in (slow, refusing):
            server.daemon_threads = True
            server.slow = server is slow  # type: ignore[attr-defined]
            threading.Thread(target=server.serve_forever, daemon=True).start()
        sockets = {"absent": absent, "silent": silent, "slow": slow.socket, "refusing": refusing.socket}
        yield {"none": None} | {name: f"http://127.0.0.1:{one.getsockname()[1]}" for name, one in sockets.items()}
        for server in (slow, refusing):
            server.shutdown()


def _longer(folder: Path, settings: Settings, repeats: int) -> dict[str, float]:
    """Medians over interleaved runs, after one that imports everything."""
    seconds: dict[str, list[float]] = {}
    with _collectors() as collectors:
        _seconds_beside_trials(folder / "first", settings, collectors["refusing"])
        for repeat in range(repeats):
            for name, address in collectors.items():
                taken = _seconds_beside_trials(folder / f"{name}-{repeat}", settings, address)
                seconds.setdefault(name, []).append(taken)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {name: median - medians["none"] for name, median in medians.items() if name != "none"}


def _seconds_beside_trials(path: Path, settings: Settings, address: str | None) -> float:
    """Wall-clock seconds of a small run with all collectors at this address, without those of its trials."""
    specification = Specification.model_validate(
        {"dataset": {"synthetic_rows": 2000}, "trials": {"adapters": [ADAPTER], "repeats": 1}}
    )
    named = dict.fromkeys(("otlp_endpoint", "otlp_logs_endpoint", "pushgateway_url"), address)
    chosen = settings.model_copy(update={**named, "mlflow_uri": SecretStr("off")})
    started = time.perf_counter()
    done = compare(specification, RunFolder(path), chosen, Observer())
    return time.perf_counter() - started - done.trials_seconds


if __name__ == "__main__":
    main()
