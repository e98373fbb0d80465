"""Compiling ahead: after it, no call of a user compiles."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import config

from haversine_dbscan.clustering import dbscan, dbscan_plane
from haversine_dbscan.compiling import KERNELS
from haversine_dbscan.estimator import GridDBSCAN
from haversine_dbscan.warming import warm


def compiled():
    return sum(len(kernel.signatures) for kernel in KERNELS)


@pytest.mark.skipif(config.DISABLE_JIT, reason="compiling is off")
def test_every_kernel_is_compiled_and_no_call_compiles_more():
    done = warm()
    assert [kernel.py_func.__name__ for kernel in KERNELS if not kernel.signatures] == []
    assert done.compiled + done.found >= len(KERNELS)
    before = compiled()
    points = np.random.default_rng(0).uniform([48.85, 2.35], [48.88, 2.38], (400, 2))
    read_only = points.copy()
    read_only.flags.writeable = False
    weight = np.arange(400)
    for form in (points, points.astype(np.float32), np.asfortranarray(points), read_only, points[::2], points.tolist()):
        model = GridDBSCAN(eps=100, min_samples=4, n_jobs=2).fit(form)
        assert model.predict(form).max() == model.labels_.max()
        dbscan_plane(*np.array(form).T, 1e-3, 4)
    for eps in (100, 100.0, np.float32(100), 1e6, 1e7):
        dbscan([1, 2, 3], [170, -170, 0], eps, 2)
        dbscan(points[:, 0], points[:, 1] + 177.6, eps, np.int32(4), weight)
        dbscan(points[:, 0], points[:, 1], eps, 4.5, weight - 5.0)
    GridDBSCAN(eps=1e-3, min_samples=3, metric="euclidean").fit(points, sample_weight=weight).predict(points)
    assert compiled() == before


def run_module(*arguments, **variables):
    command = [sys.executable, "-m", "haversine_dbscan", *arguments]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)


@pytest.mark.skipif(config.DISABLE_JIT, reason="compiling is off")
def test_the_command_says_what_it_did():
    done = run_module("warm")
    assert done.returncode == 0, done.stderr
    line = r"(\d+) functions compiled in \d+\.\d s, (\d+) were on disk before\. Compiled code is kept in (\S+)\n"
    compiled_now, found, folder = re.fullmatch(line, done.stdout).groups()
    assert int(compiled_now) + int(found) >= len(KERNELS)
    assert list(Path(folder).glob("connecting.connect-*.nbc"))


def test_nothing_is_compiled_where_compiling_is_off():
    done = run_module("warm", NUMBA_DISABLE_JIT="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: NUMBA_DISABLE_JIT is set, so that nothing is compiled\n"
