"""The memory of a container, from the files of control groups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from taxi_mlops.memory import usable_memory

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
