"""Limits of memory and CPUs of a process, and its peak."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from taxi_mlops.trials import confinement

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the kernel offers it on Linux only")


def run_confined(code: str) -> subprocess.CompletedProcess[str]:
    script = f"import os, sys\nfrom taxi_mlops.trials import confinement\n{code}"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


@linux_only
def test_allocations_beyond_the_limit_fail_even_if_untouched():
    code = "confinement.limit_memory(200 * 2**20)\nbytearray(100 * 2**20)\nprint('fits')\nbytearray(300 * 2**20)"
    finished = run_confined(code)
    assert finished.stdout == "fits\n"
    assert "MemoryError" in finished.stderr


@linux_only
def test_a_process_is_pinned_to_its_cpus():
    cpu = min(os.sched_getaffinity(0))
    assert run_confined(f"confinement.pin_to(({cpu},))\nprint(os.sched_getaffinity(0))").stdout == f"{{{cpu}}}\n"


@linux_only
def test_no_cpus_means_not_pinned():
    code = "before = os.sched_getaffinity(0)\nconfinement.pin_to(())\nprint(before == os.sched_getaffinity(0))"
    assert run_confined(code).stdout == "True\n"


@linux_only
def test_the_high_water_mark_does_not_start_at_the_size_of_the_parent():
    hoard = bytearray(os.urandom(1)) * (200 * 2**20)
    peak = int(run_confined("print(confinement.peak_resident_bytes(os.getpid()))").stdout)
    assert 2**20 < peak < 100 * 2**20 < len(hoard) < confinement.peak_resident_bytes(os.getpid())


@linux_only
def test_proportional_memory_is_at_most_the_resident():
    resident = psutil.Process().memory_info().rss
    assert 0 < confinement.proportional_bytes(os.getpid()) <= resident * 1.1


def test_of_a_process_that_is_gone_nothing_is_known():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert confinement.peak_resident_bytes(child.pid) is None
    assert confinement.proportional_bytes(child.pid) is None
