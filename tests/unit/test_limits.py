"""The memory and the CPUs of a container, from the files of control groups."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from taxi_mlops.limits import usable_cpus, usable_memory

Write = Callable[[str, str], None]
TOTAL = psutil.virtual_memory().total


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(place: str, text: str) -> None:
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")

    return write


def usable(tmp_path: Path) -> int:
    return usable_memory(tmp_path / "cgroup", tmp_path / "root")


def test_version_2_as_a_container_sees_it(write: Write, tmp_path: Path) -> None:
    write("cgroup", "0::/\n")
    write("root/memory.max", "50000000\n")
    assert usable(tmp_path) == 50_000_000


def test_the_lowest_limit_of_the_groups_above_holds(write: Write, tmp_path: Path) -> None:
    write("cgroup", "0::/a/b\n")
    write("root/memory.max", "max\n")
    write("root/a/memory.max", "40000000\n")
    write("root/a/b/memory.max", "50000000\n")
    assert usable(tmp_path) == 40_000_000


def test_version_1_whose_container_shows_its_group_as_the_root(write: Write, tmp_path: Path) -> None:
    write("cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/1234\n0::/\n")
    write("root/memory/memory.limit_in_bytes", "60000000\n")
    write("root/cpu/memory.limit_in_bytes", "1\n")
    assert usable(tmp_path) == 60_000_000


@pytest.mark.parametrize("text", ["max", "9223372036854771712", ""])
def test_without_a_limit_it_is_the_memory_of_the_machine(write: Write, tmp_path: Path, text: str) -> None:
    write("cgroup", "0::/a\n4:memory:/a\n")
    write("root/a/memory.max", text)
    write("root/memory/a/memory.limit_in_bytes", text)
    assert usable(tmp_path) == TOTAL


def test_without_control_groups_it_is_the_memory_of_the_machine(tmp_path: Path) -> None:
    assert usable(tmp_path) == TOTAL


def cpus(tmp_path: Path) -> int:
    return len(usable_cpus(tmp_path / "cgroup", tmp_path / "root"))


@pytest.fixture
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(2, 10)), raising=False)


@pytest.mark.usefixtures("eight_cpus")
@pytest.mark.parametrize(
    ("quota", "expected"),
    [("200000 100000", 2), ("250000 100000", 2), ("50000 100000", 1), ("max 100000", 8), ("900000 50000", 8), ("", 8)],
)
def test_a_share_of_time_is_as_many_cpus_as_it_keeps_busy(
    write: Write, tmp_path: Path, quota: str, expected: int
) -> None:
    write("cgroup", "0::/a\n")
    write("root/cpu.max", "max 100000\n")
    write("root/a/cpu.max", f"{quota}\n")
    assert usable_cpus(tmp_path / "cgroup", tmp_path / "root") == tuple(range(2, 2 + expected))


@pytest.mark.usefixtures("eight_cpus")
@pytest.mark.parametrize(("quota", "expected"), [("300000", 3), ("-1", 8)])
def test_a_share_of_time_in_version_1(write: Write, tmp_path: Path, quota: str, expected: int) -> None:
    write("cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/1234\n0::/\n")
    write("root/cpu/cpu.cfs_quota_us", f"{quota}\n")
    write("root/cpu/cpu.cfs_period_us", "100000\n")
    assert cpus(tmp_path) == expected


@pytest.mark.usefixtures("eight_cpus")
def test_without_control_groups_the_affinity_holds(tmp_path: Path) -> None:
    assert cpus(tmp_path) == 8
