"""Every DBSCAN that is installed, on the same points: right or wrong, how fast, how much memory, how it fails.

    python benchmarks/field.py run --data ../shared/data [--largest 20000] [--adapters grid,sklearn,turf] [--rounds 7]
    python benchmarks/field.py report

`run` does what is not in the results yet, and appends each trial as it ends: kill it at any time, and run it again,
with more points or other adapters. Trials are those of a comparison: processes of their own, with limits. In each round
of a workload all adapters take their turn, in another order; memory is measured in a trial of its own. An adapter is
not run on more points of a shape after it exceeded the time or the memory on fewer. Each answer is compared with that
of our engine, by the clauses of DBSCAN's definition. Results of another machine or of other versions are not continued.

`report` prints the tables, and writes the pictures beside them. docs/explanation/field.md describes the format.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil

from field_report import report
from field_workloads import FieldWorkload, make, workloads
from haversine_dbscan.clustering import dbscan
from taxi_mlops.adapters.programs import program_path, shipped_listings
from taxi_mlops.adapters.registry import list_adapters
from taxi_mlops.domain import Clustering, Points, Resources, Trial, TrialKind, TrialOutcome, TrialStatus
from taxi_mlops.evaluation.equivalence import check_equivalence
from taxi_mlops.settings import load_settings
from taxi_mlops.trials.clusterings import open_clustering
from taxi_mlops.trials.host_lock import host_lock
from taxi_mlops.trials.machine import Machine, changed_since, describe_machine
from taxi_mlops.trials.runner import run_trial
from taxi_mlops.trials.templates import Templates
from taxi_mlops.trials.workload_folder import write_workload

RESULTS = Path(__file__).parent / "field" / "results.jsonl"
SCHEMA = "taxi-mlops field 1"
TOO_MUCH = (TrialStatus.TIMEOUT, TrialStatus.OUT_OF_MEMORY)
IN_TILES = ("grid-tiles", "grid-dask", "grid-ray", "sklearn-dask")
"""For points that do not fit into memory; `scale.py` measures them."""


def main() -> None:
    arguments = _arguments()
    if arguments.do == "report":
        report(arguments.results)
        return
    known = _read(arguments.results)
    adapters = _adapters(arguments.adapters)
    chosen = [one for one in workloads() if _wanted(one, arguments)]
    print(f"{len(chosen)} workloads, {len(adapters)} adapters: {', '.join(adapters)}")
    run_id = f"field-{uuid.uuid4().hex}"
    with Templates(run_id, on_refusal=lambda adapter, reason: print(f"{adapter}: {reason}")) as templates:
        for workload in chosen:
            points = make(workload, arguments.data)
            if len(points) <= arguments.largest:
                _run_workload(workload, points, adapters, arguments, known, run_id, templates)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    commands = parser.add_subparsers(dest="do", required=True)
    commands.add_parser("report", help="print tables, write pictures")
    run = commands.add_parser("run", help="run what is not in the results yet")
    run.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the files of trips")
    run.add_argument("--adapters", help="names; all that are installed where it is not given")
    run.add_argument("--shapes", help="names of shapes and files; all where it is not given")
    run.add_argument("--smallest", type=int, default=0, help="points")
    run.add_argument("--largest", type=int, default=20_000, help="points")
    run.add_argument("--rounds", type=int, default=7)
    run.add_argument("--timeout", type=float, default=120.0, help="seconds of a trial, from start to end")
    run.add_argument("--memory-share", type=float, default=0.6, help="of the machine's memory, for a trial")
    run.add_argument("--threads", type=int, default=psutil.cpu_count() or 1)
    return parser.parse_args()


def _wanted(workload: FieldWorkload, arguments: argparse.Namespace) -> bool:
    if arguments.shapes is not None and workload.shape not in arguments.shapes.split(","):
        return False
    return workload.points is None or arguments.smallest <= workload.points <= arguments.largest


def _adapters(named: str | None) -> dict[str, Path | None]:
    """Return the adapters to run; for programs with their files."""
    cache = load_settings().cache_dir
    programs = {one.name: program_path(one.name, cache) for one in shipped_listings(cache) if one.available}
    python = [one.name for one in list_adapters() if one.available and one.name not in IN_TILES]
    found: dict[str, Path | None] = {**dict.fromkeys(python), **programs}
    if named is None:
        return found
    missing = [name for name in named.split(",") if name not in found]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}; taxi adapters lists how to install them")
    return {name: found[name] for name in named.split(",")}


def _read(results: Path) -> list[dict]:
    """Return the trials so far. Exits where they are of another machine, other versions or another format."""
    if not results.exists():
        results.parent.mkdir(parents=True, exist_ok=True)
        header = {"schema": SCHEMA, "machine": describe_machine().model_dump(), "load": psutil.getloadavg()}
        results.write_text(json.dumps(header) + "\n", encoding="utf-8")
        return []
    header, *rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    if header["schema"] != SCHEMA:
        sys.exit(f"{results} has the format {header['schema']!r}, and not {SCHEMA!r}; name another file with --results")
    changed = changed_since(Machine.model_validate(header["machine"]))
    if changed is not None:
        sys.exit(f"{results} was measured elsewhere ({changed}); name another file with --results")
    return rows


def _run_workload(
    workload: FieldWorkload,
    points: Points,
    adapters: dict[str, Path | None],
    arguments: argparse.Namespace,
    known: list[dict],
    run_id: str,
    templates: Templates,
) -> None:
    done = {(row["adapter"], row["kind"], row["round"]) for row in known if row["workload"] == workload.name}
    failed = {row["adapter"] for row in known if _settles(row, workload, len(points))}
    due = [trial for trial in _trials(workload, list(adapters), arguments.rounds) if _key(trial) not in done]
    if not any(trial.adapter not in failed for trial in due):
        return
    print(f"\n{workload.name}: {len(points):,} points", flush=True)
    labels, core = dbscan(points.latitude, points.longitude, workload.eps_metres, workload.min_samples)
    settings = load_settings()
    resources = Resources(
        threads=arguments.threads,
        cpus=tuple(range(arguments.threads)),
        memory_limit_bytes=int(psutil.virtual_memory().total * arguments.memory_share),
        timeout_seconds=arguments.timeout,
    )
    with tempfile.TemporaryDirectory() as name, host_lock(settings, print):
        folder = Path(name)
        write_workload(points, workload.parameters, folder / "workload")
        for trial in due:
            if trial.adapter in failed:
                continue
            outcome = run_trial(
                trial,
                run_id=run_id,
                workload=folder / "workload",
                resources=resources,
                scratch=folder / "scratch",
                labels=folder / "labels",
                templates=None if adapters[trial.adapter] else templates,
                adapter_file=adapters[trial.adapter],
            )
            row = _row(workload, len(points), outcome)
            if outcome.status is TrialStatus.OK and trial.kind is TrialKind.TIMING and trial.block == 1:
                row |= _verdict(points, workload, Clustering(labels, core), folder / "labels", outcome)
            known.append(row)
            with arguments.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            if outcome.status is not TrialStatus.OK:
                failed.add(trial.adapter)
            seconds = "" if outcome.fit_seconds is None else f"{outcome.fit_seconds:.4f} s"
            print(f"  {trial.key:32} {outcome.status} {seconds} {row.get('verdict', '')}", flush=True)


def _trials(workload: FieldWorkload, adapters: list[str], rounds: int) -> Iterator[Trial]:
    """Yield rounds of all adapters, each in an order of its own, then the trials that measure memory."""
    for block in range(1, rounds + 1):
        order = adapters.copy()
        random.Random(f"{workload.name} {block}").shuffle(order)
        yield from (Trial(adapter, TrialKind.TIMING, block) for adapter in order)
    yield from (Trial(adapter, TrialKind.MEMORY, 0) for adapter in adapters)


def _key(trial: Trial) -> tuple[str, str, int]:
    return trial.adapter, str(trial.kind), trial.block


def _settles(row: dict, workload: FieldWorkload, points: int) -> bool:
    """Return whether a trial of the past shows that its adapter fails on the workload, too."""
    if row["status"] == TrialStatus.OK:
        return False
    same = row["shape"] == workload.shape and (row["eps_metres"], row["min_samples"]) == (
        workload.eps_metres,
        workload.min_samples,
    )
    return row["workload"] == workload.name or (same and row["status"] in TOO_MUCH and row["points"] <= points)


def _row(workload: FieldWorkload, n: int, outcome: TrialOutcome) -> dict:
    cpu = None
    if outcome.fit_user_seconds is not None and outcome.fit_system_seconds is not None:
        cpu = outcome.fit_user_seconds + outcome.fit_system_seconds
    return {
        "workload": workload.name,
        "shape": workload.shape,
        "points": n,
        "eps_metres": workload.eps_metres,
        "min_samples": workload.min_samples,
        "adapter": outcome.trial.adapter,
        "version": outcome.adapter_version,
        "kind": str(outcome.trial.kind),
        "round": outcome.trial.block,
        "status": str(outcome.status),
        "cause": outcome.cause,
        "fit_seconds": outcome.fit_seconds,
        "cpu_seconds": cpu,
        "prepare_seconds": outcome.prepare_seconds,
        "peak_memory_bytes": outcome.peak_memory_bytes,
        "clusters": outcome.n_clusters,
        "noise": outcome.n_noise,
        "load": psutil.getloadavg()[0],
    }


def _verdict(
    points: Points, workload: FieldWorkload, right: Clustering, answers: Path, outcome: TrialOutcome
) -> dict[str, object]:
    """Compare an answer with the right one."""
    assert outcome.labels_digest is not None
    found = open_clustering(answers, outcome.labels_digest)
    result = check_equivalence(points, workload.parameters, right, found)
    return {
        "verdict": str(result.verdict),
        "core_points_differing": result.core_points_differing,
        "partition_differing": result.partition_differing,
        "noise_differing": result.noise_differing,
        "border_points_invalid": result.border_points_invalid,
        "adjusted_rand_index": result.adjusted_rand_index,
        "examples": [{**asdict(one), "clause": str(one.clause)} for one in result.examples[:3]],
    }


if __name__ == "__main__":
    main()
