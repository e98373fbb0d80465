"""Sweeps of real comparisons: alone, shared by two processes, and resumed after a kill."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise

import jsonschema
import pytest

from taxi_mlops.errors import RunFolderError, UsageError
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.sweep import prepare, resume, sweep
from taxi_mlops.results.comparison import read_comparison
from taxi_mlops.results.journal import Journal
from taxi_mlops.results.sweep_folder import SweepFolder
from taxi_mlops.results.sweep_result import SweepResult, read_sweep
from taxi_mlops.specification import Specification
from taxi_mlops.sweep import Sweep


@pytest.fixture
def ask(trips):
    """A sweep of the trips: any key of the grid and of the trials."""

    def ask(*adapters, repeats=1, **grid):
        grid = {"eps_metres": (40.0, 80.0), "min_samples": (5,), "sizes": (200, "all")} | grid
        dataset = {"source": str(trips), "latitude_column": "north", "longitude_column": "east"}
        trials = {"adapters": adapters, "repeats": repeats, "timeout_seconds": 60.0}
        return Sweep.model_validate({"dataset": dataset, "grid": grid, "trials": trials})

    return ask


@pytest.fixture
def taxi():
    """Start `taxi sweep` with these options."""
    started = []

    def taxi(*options):
        process = subprocess.Popen(
            [sys.executable, "-m", "taxi_mlops.cli", "sweep", *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield taxi
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def journals(folder):
    return {path.parent.name: Journal.read(path) for path in folder.path.glob("cells/*/trials.jsonl")}


def test_a_sweep_is_a_comparison_for_each_cell_and_what_they_say_together(ask, settings, tmp_path):
    folder = SweepFolder(tmp_path / "sweep")
    result = sweep(ask("light-exact", "light-wrong", eps_metres=(60.0,)), folder, settings, Observer())

    names = ["n200-eps60-min5", "n300-eps60-min5"]
    assert [cell.name for cell in result.cells] == names
    document = json.loads(folder.result.read_text(encoding="utf-8"))
    jsonschema.validate(document, SweepResult.model_json_schema(mode="serialization"))
    assert read_sweep(folder.result) == result
    for cell in result.cells:
        run = folder.path / "cells" / cell.name
        assert f'"sweep_id": "{result.sweep_id}"' in (run / "log.jsonl").read_text(encoding="utf-8")
        root = (run / "trace.jsonl").read_text(encoding="utf-8").splitlines()[-1]
        assert f'{{"key":"taxi.sweep_id","value":{{"stringValue":"{result.sweep_id}"}}}}' in root
        comparison = read_comparison(run / "comparison.json")
        assert (run / "report.html").is_file()
        assert comparison.dataset.points == cell.points == cell.size
        assert (comparison.parameters.eps_metres, comparison.parameters.min_samples) == (cell.eps_metres, 5)
        assert {adapter.name: adapter.verdict for adapter in cell.adapters} == {
            "light-exact": None,
            "light-wrong": "different",
        }
    for size in (200, 300):
        of_size = [candidate for candidate in result.candidates if candidate.size == size]
        best = max(candidate.quality for candidate in of_size)
        assert {candidate.quality for candidate in of_size if candidate.on_front} >= {best}
        assert {candidate.adapters for candidate in of_size} == {("light-exact",)}
    assert "light-wrong promises DBSCAN's clustering and gave another one in 2 of 2 cells" in result.warnings
    [curve] = result.curves
    assert (curve.k, curve.sampled) == (5, 300)

    assert not folder.points.exists()
    page = folder.report.read_text(encoding="utf-8")
    assert all(f"cells/{name}/report.html" in page for name in names)
    assert not re.search(r"(?:src|href)=\"(?!data:|#|cells/)", page)
    again = Sweep.from_file(folder.document)
    assert (again.grid.sizes, again.grid.eps_metres) == ((200, 300), (60.0,))


def test_all_cells_of_a_size_have_the_points_that_the_cell_alone_would_have(ask, run, settings, tmp_path):
    folder = SweepFolder(tmp_path / "sweep")
    prepare_only(ask("light-exact", repeats=0), folder, settings)
    specification = Specification.from_file(folder.path / "cells" / "n200-eps80-min5" / "specification.toml")
    alone = run(specification, tmp_path / "alone")
    assert alone.dataset.fingerprint == specification.fingerprint
    assert alone.dataset.points == 200
    assert {entry.reason for entry in alone.ranking} == {"nothing was timed: the run was asked for no repeats"}


def prepare_only(asked, folder, settings):
    from taxi_mlops.pipeline.sweep import begin

    begin(asked, folder)
    return prepare(folder, settings, Observer())


def test_without_eps_the_grid_lies_around_what_the_points_suggest(ask, settings, tmp_path):
    header = prepare_only(
        ask("light-exact", eps_metres=None, min_samples=(4, 8)), SweepFolder(tmp_path / "s"), settings
    )
    found = header.sweep.grid.eps_metres
    assert len(found) == 5
    assert {curve.k for curve in header.curves} == {4, 8}
    assert found[2] == sorted(curve.eps_metres for curve in header.curves)[1]
    assert all(1.38 < after / before < 1.45 for before, after in pairwise(found))


def test_two_processes_share_a_sweep_and_no_trial_runs_twice(ask, settings, taxi, tmp_path):
    folder = SweepFolder(tmp_path / "sweep")
    header = prepare_only(ask("light-exact", "light-slow", repeats=0, sizes=("all",)), folder, settings)
    both = [taxi("--resume", folder.path, "--json") for _ in range(2)]
    ended = [process.communicate(timeout=250) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert ended[0][0] == ended[1][0] == folder.result.read_text(encoding="utf-8")
    done = journals(folder)
    assert len(done) == len(header.cells) == 2
    for journal in done.values():
        keys = [outcome.trial.key for outcome in journal.outcomes]
        assert sorted(keys) == ["light-exact/memory/0", "light-slow/memory/0"]
    shares = [set(re.findall(r"Cell (\d) of 2", stderr)) for _, stderr in ended]
    assert shares[0] | shares[1] == {"1", "2"}
    assert all(shares), "one of the two had nothing to do"
    began = sorted((journal.header.created_at, journal.records[-1].finished_at) for journal in done.values())
    assert any(later[0] < earlier[1] for earlier, later in pairwise(began)), "quality-only cells did not overlap"


def test_a_killed_sweep_resumes_and_its_cell_from_its_journal(ask, settings, taxi, tmp_path):
    folder = SweepFolder(tmp_path / "sweep")
    prepare_only(ask("light-exact", "light-slow", sizes=(200,), eps_metres=(40.0,), repeats=2), folder, settings)
    process = taxi("--resume", folder.path)
    first = folder.path / "cells" / "n200-eps40-min5" / "trials.jsonl"
    deadline = time.monotonic() + 60
    while not first.is_file() or first.read_bytes().count(b"\n") < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = first.read_bytes()
    resume(folder, settings, Observer())
    assert first.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    for journal in journals(folder).values():
        keys = [outcome.trial.key for outcome in journal.outcomes]
        assert len(keys) == len(set(keys)) == 6


def test_a_timed_sweep_is_not_resumed_on_a_different_machine(ask, settings, tmp_path):
    folder = SweepFolder(tmp_path / "sweep")
    header = prepare_only(ask("light-exact"), folder, settings)
    elsewhere = folder.header.read_text(encoding="utf-8").replace(f'"{header.machine.host}"', '"elsewhere"')
    folder.header.write_text(elsewhere, encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"host: elsewhere then.*--repeats 0"):
        resume(folder, settings, Observer())


def test_errors_leave_nothing_behind(ask, settings, tmp_path):
    folder = SweepFolder(tmp_path / "sweep")
    with pytest.raises(UsageError, match=r"grid\.sizes = 5000: .* has 300 good trips"):
        sweep(ask("light-exact", sizes=(5000,)), folder, settings, Observer())
    assert not folder.path.exists()
    folder.path.mkdir()
    with pytest.raises(RunFolderError, match="holds no sweep"):
        resume(folder, settings, Observer())
