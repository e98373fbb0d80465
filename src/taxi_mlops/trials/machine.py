"""Describe the machine and the versions of a run. Runs of different ones are not compared with each other."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, Field

from taxi_mlops.limits import usable_cpus

LIBRARIES = ("numpy", "scipy", "numba", "scikit-learn", "joblib")


class Machine(BaseModel):
    """The host and the software that timings depend on."""

    model_config = ConfigDict(frozen=True)

    host: str = Field(description="Name of the host.")
    system: str = Field(description="Operating system and kernel.")
    processor: str = Field(description="Model of the processor.")
    logical_cpus: int = Field(description="Logical CPUs that this process may use.")
    memory_bytes: int = Field(description="Physical memory.")
    python: str = Field(description="Python implementation and version.")
    taxi_mlops: str = Field(description="Version of this package.")
    libraries: dict[str, str] = Field(description="Versions of the numeric libraries by distribution name.")


def describe_machine() -> Machine:
    """Return the processor, memory, system and versions of libraries of this machine."""
    return Machine(
        host=platform.node(),
        system=f"{platform.system()} {platform.release()}",
        processor=_processor(),
        logical_cpus=len(usable_cpus()),
        memory_bytes=psutil.virtual_memory().total,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        taxi_mlops=metadata.version("taxi-mlops"),
        libraries={name: metadata.version(name) for name in LIBRARIES},
    )


def changed_since(then: Machine) -> str | None:
    """Return what has changed, as `python: CPython 3.11.2 then, CPython 3.12.1 now`, or None."""
    machine = describe_machine()
    for name, before in then:
        now = getattr(machine, name)
        if now != before:
            return f"{name}: {before} then, {now} now"
    return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
