"""Compiled code on disk: where it is written and looked for, and when it is too old."""

import os
import subprocess
import sys

import pytest
from numba import config

from haversine_dbscan import code_cache

pytestmark = pytest.mark.skipif(config.DISABLE_JIT, reason="compiling is off")

KERNEL = """
from haversine_dbscan.compiling import kernel

@kernel
def double(x):
    return 2.0 * x

if __name__ == "__main__":
    import tiny
    assert tiny.double(1.5) == 3.0
    hits, misses = (sum(count.values()) for count in (tiny.double.stats.cache_hits, tiny.double.stats.cache_misses))
    print(hits, misses, tiny.double._cache.failure is not None)
"""


@pytest.fixture
def double(tmp_path):
    """Calls a kernel in a new process, and returns how often its code was found on disk and compiled, and whether it
    could not be written."""
    (tmp_path / "tiny.py").write_text(KERNEL)

    def call(**variables):
        environment = {**os.environ, "NUMBA_CACHE_DIR": "", "XDG_CACHE_HOME": str(tmp_path / "user"), **variables}
        command = [sys.executable, "tiny.py"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        hits, misses, failed = done.stdout.split()
        return int(hits), int(misses), failed == "True"

    return call


def test_code_beside_the_sources_is_found_when_another_folder_is_set(double, tmp_path):
    assert double() == (0, 1, False)
    assert double(NUMBA_CACHE_DIR=str(tmp_path / "other")) == (1, 0, False)


def test_a_folder_of_its_own_is_used(double, tmp_path):
    other = {"NUMBA_CACHE_DIR": str(tmp_path / "other")}
    assert [double(**other), double(**other), double()] == [(0, 1, False), (1, 0, False), (0, 1, False)]


def test_where_nothing_can_be_written_code_is_compiled_each_time(double, tmp_path):
    for folder in ("__pycache__", "user"):
        (tmp_path / folder).write_text("a file, so that no folder can be made here")
    assert [double(), double()] == [(0, 1, True)] * 2


def test_a_change_of_any_file_makes_code_too_old(monkeypatch):
    from haversine_dbscan.labelling import lower_to_root

    cache, codegen = lower_to_root._cache, lower_to_root.targetctx.codegen()
    before = cache._index_key((), codegen)
    assert cache._index_key((), codegen) == before
    monkeypatch.setattr(code_cache, "_digest_of_sources", lambda: "of other files")
    assert cache._index_key((), codegen) != before
