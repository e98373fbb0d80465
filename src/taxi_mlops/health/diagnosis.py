"""Check whether this machine is fit for measuring: what would disturb it, and what to do about that."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

from taxi_mlops.adapters.registry import list_adapters
from taxi_mlops.health.connections import Answer, try_connections
from taxi_mlops.limits import usable_cpus
from taxi_mlops.recording.mlflow_recorder import INSTALL, installed
from taxi_mlops.service_urls import experiments_url, mlflow_url
from taxi_mlops.settings import Settings

FREE_DISK_BYTES = 1_000_000_000
FREE_MEMORY_BYTES = 2_000_000_000


class Health(StrEnum):
    """What a check found: all is well, results may suffer, or something does not work."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(BaseModel):
    """The result of one check, with advice if something is wrong."""

    model_config = ConfigDict(frozen=True)

    name: str
    health: Health
    found: str
    advice: str = ""


def diagnose(settings: Settings) -> tuple[Finding, ...]:
    """Run every check. A check never raises; what it cannot find out is part of its result."""
    checks: tuple[Callable[[], Finding], ...] = (
        _python,
        _system,
        _cpus,
        _load,
        _governor,
        _memory,
        lambda: _folder("cache folder", settings.cache_dir, "TAXI_CACHE_DIR"),
        lambda: _folder("runs folder", settings.runs_dir, "TAXI_RUNS_DIR"),
        _adapters,
        lambda: _store(settings),
        lambda: _mlflow(settings),
    )
    return (*(check() for check in checks), *map(_connection, try_connections(settings)))


def _python() -> Finding:
    health = Health.OK if sys.version_info >= (3, 11) else Health.PROBLEM
    return Finding(
        name="Python", health=health, found=platform.python_version(), advice="Python 3.11 or newer is needed."
    )


def _system() -> Finding:
    if platform.system() == "Linux":
        return Finding(name="system", health=Health.OK, found=platform.platform())
    return Finding(
        name="system",
        health=Health.WARNING,
        found=platform.platform(),
        advice="CPUs are not pinned and memory is limited by sampling only; measure on Linux.",
    )


def _cpus() -> Finding:
    usable, there = len(usable_cpus()), os.cpu_count() or 1
    return Finding(name="CPUs", health=Health.OK, found=f"{usable} usable of {there}")


def _load() -> Finding:
    busy, cpus = os.getloadavg()[0], len(usable_cpus())
    quiet = busy < 0.5 * cpus
    return Finding(
        name="load",
        health=Health.OK if quiet else Health.WARNING,
        found=f"{busy:.2f} over the last minute on {cpus} CPUs",
        advice="" if quiet else "Timings suffer from whatever else runs; stop it, or trust wide intervals only.",
    )


def _governor() -> Finding:
    path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    try:
        governor = path.read_text(encoding="utf-8").strip()
    except OSError:
        return Finding(name="CPU frequency", health=Health.OK, found="not reported by this system")
    steady = governor == "performance"
    return Finding(
        name="CPU frequency",
        health=Health.OK if steady else Health.WARNING,
        found=f"governor {governor}",
        advice=""
        if steady
        else "Set the governor to performance for steadier timings: cpupower frequency-set -g performance",
    )


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    enough = memory.available >= FREE_MEMORY_BYTES
    return Finding(
        name="memory",
        health=Health.OK if enough else Health.WARNING,
        found=f"{memory.available / 1e9:.1f} GB available of {memory.total / 1e9:.1f} GB",
        advice=""
        if enough
        else "scikit-learn needs 3 GB for 450,000 points; lower --memory-limit so that nothing swaps.",
    )


def _folder(name: str, folder: Path, variable: str) -> Finding:
    there = next(ancestor for ancestor in (folder.absolute(), *folder.absolute().parents) if ancestor.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            free = psutil.disk_usage(str(there)).free
    except OSError as error:
        advice = f"Point {variable} at a folder that can be written."
        return Finding(name=name, health=Health.PROBLEM, found=f"{folder}: {error.strerror}", advice=advice)
    enough = free >= FREE_DISK_BYTES
    return Finding(
        name=name,
        health=Health.OK if enough else Health.WARNING,
        found=f"{folder}, {free / 1e9:.1f} GB free",
        advice="" if enough else f"Free some space, or point {variable} elsewhere.",
    )


def _adapters() -> Finding:
    listings = [listing for listing in list_adapters() if listing.by_default]
    missing = [listing.name for listing in listings if not listing.available]
    return Finding(
        name="adapters",
        health=Health.WARNING if missing else Health.OK,
        found=f"{len(listings) - len(missing)} of {len(listings)} available",
        advice=f"Missing: {', '.join(missing)}; `taxi adapters` shows how to install them." if missing else "",
    )


def _store(settings: Settings) -> Finding:
    return Finding(name="experiment store", health=Health.OK, found=str(experiments_url(settings) or "turned off"))


def _mlflow(settings: Settings) -> Finding:
    url = mlflow_url(settings)
    if url is None or installed():
        return Finding(name="MLflow", health=Health.OK, found=str(url or "turned off"))
    asked_for = settings.mlflow_uri is not None
    advice = f"Install it with: {INSTALL}"
    return Finding(
        name="MLflow",
        health=Health.WARNING if asked_for else Health.OK,
        found=f"not installed, so runs are not recorded in {url}" if asked_for else f"not installed. {advice}",
        advice=advice,
    )


def _connection(answer: Answer) -> Finding:
    name = f"connection: {answer.connection.name}"
    if answer.failure is None:
        return Finding(name=name, health=Health.OK, found=f"{answer.connection.target}: {answer.said}")
    return Finding(name=name, health=Health.PROBLEM, found=answer.failure, advice=answer.advice or "")
