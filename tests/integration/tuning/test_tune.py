"""`taxi tune` from beginning to end: what it writes, kill -9 and resuming, a database that is away."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import taxi_mlops
from taxi_mlops.cli.main import app
from taxi_mlops.errors import LibraryMissingError, RunFolderError, UsageError
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.tune import command_of, resume, tune
from taxi_mlops.results.tuning import TuningFolder, read_trials
from taxi_mlops.settings import Settings
from taxi_mlops.training import Train, Tune
from taxi_mlops.tuning.storage import study_url

optuna = pytest.importorskip("optuna", reason="Optuna is in the extra tune")
CITY = "synthetic:rows=3000,seed=1"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuning")
    return Settings(runs_dir=folder / "runs", cache_dir=folder / "cache", points_cache=False)


class Warnings(Observer):
    def __init__(self):
        self.said = []

    def warning(self, text):
        self.said.append(text)


def document(**parameters):
    return Tune().with_parameters({"data": CITY, "trials": 12, **parameters})


@pytest.fixture(scope="module")
def tuned(settings):
    folder = TuningFolder(settings.runs_dir / "tuned")
    return tune(document(), folder, settings, Observer()), folder


def studied(settings, name):
    url = study_url(settings).reveal()
    return sorted(optuna.load_study(study_name=name, storage=url).trials, key=lambda trial: trial.user_attrs["number"])


def test_the_trips_are_divided_into_three(tuned):
    header = tuned[0].header
    n = header.dataset.points
    assert header.left_for_training == pytest.approx(0.2 * n, abs=1)
    assert header.unseen == pytest.approx(0.16 * n, abs=2)
    assert header.left_for_training + header.unseen + header.fitted == n


def test_the_best_is_on_the_front_and_within_the_bounds(tuned):
    result, folder = tuned
    assert len(result.trials) == 12
    assert result.best in result.front
    assert result.best_trial.noise_ratio <= 0.5
    assert result.best_trial.unseen.value > 0.5
    assert tuple(read_trials(folder.journal)) == result.trials


def test_the_study_in_the_database_has_every_trial(tuned, settings):
    result, _ = tuned
    trials = studied(settings, result.study)
    assert [trial.user_attrs["number"] for trial in trials] == list(range(12))
    assert [trial.values for trial in trials if trial.values] == [
        [trial.unseen.value, trial.stability.value] for trial in result.trials if trial.state == "complete"
    ]
    assert Path(settings.runs_dir / "tuning.db").is_file()


def test_the_page_shows_the_best_and_needs_no_network(tuned):
    result, folder = tuned
    page = folder.page.read_text(encoding="utf-8")
    assert "http-equiv" in page
    assert f"{result.best_trial.eps_metres:g} m" in page
    assert "https://" not in page.split("<script")[0]
    assert json.loads(folder.hotspots.read_text())["features"]


def test_the_command_trains_on_the_same_trips(tuned):
    result, _ = tuned
    best = result.best_trial
    expected = ["taxi", "train", CITY, "--eps", f"{best.eps_metres:g}", "--min-samples", str(best.min_samples)]
    assert shlex.split(result.command) == expected
    words = shlex.split(
        command_of(document(lat="start lat", lon="lng", bbox="-34,-71,-33,-70", holdout=0.1, seed=4, threads=2), best)
    )
    flags = {
        word.split("=")[0][2:].replace("-", "_"): word.split("=")[1]
        for word in words
        if "=" in word[2:] and word[:2] == "--"
    }
    trained = Train().with_parameters(flags)
    assert trained.dataset.latitude_column == "start lat"
    assert trained.dataset.bbox == (-34.0, -71.0, -33.0, -70.0)
    assert (trained.holdout, trained.dataset.seed, trained.threads) == (0.1, 4, 2)


def test_a_tuning_that_has_ended_is_not_run_again(tuned, settings):
    result, folder = tuned
    assert resume(folder, settings, Observer()) == result


def test_equal_tunings_have_equal_trials(tuned, settings, tmp_path):
    again = tune(document(), TuningFolder(tmp_path / "again"), settings, Observer())
    for one, other in zip(again.trials, tuned[0].trials, strict=True):
        same = {"finished_at": other.finished_at, "seconds": other.seconds}
        assert one.model_copy(update=same) == other


def test_one_objective(settings, tmp_path):
    result = tune(document(objective="unseen", trials=8), TuningFolder(tmp_path / "one"), settings, Observer())
    assert result.front
    assert all(trial.stability is None for trial in result.trials)
    assert result.best_trial.unseen.value == max(t.unseen.value for t in result.trials if t.unseen)


def test_time_that_is_over_ends_it(settings, tmp_path):
    result = tune(document(timeout=0.001), TuningFolder(tmp_path / "late"), settings, Observer())
    assert len(result.trials) < 12
    assert result.stopped == "The time of 0.001 s was over."


def test_no_trial_within_the_bounds_is_said(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("TAXI_RUNS_DIR", str(settings.runs_dir))
    monkeypatch.setenv("TAXI_CACHE_DIR", str(settings.cache_dir))
    done = CliRunner().invoke(
        app,
        [
            "tune",
            CITY,
            "--trials",
            "2",
            "--noise",
            "0.999,1",
            "--eps",
            "500,900",
            "--min-samples",
            "5,6",
            "-q",
            "--output",
            str(tmp_path / "none"),
        ],
    )
    assert done.exit_code == 1, done.output
    assert "No trial has a share of noise from 100% to 100%" in " ".join(done.output.split())


def test_a_database_that_is_away_stops_nothing(settings, tmp_path):
    """Journal first: one warning, all results, and what the study lacks is added when the database is back."""
    away = settings.model_copy(update={"experiments_url": None, "runs_dir": tmp_path / "runs"})
    away.runs_dir.mkdir()
    (away.runs_dir / "tuning.db").mkdir()  # a folder in its place
    observer, folder = Warnings(), TuningFolder(tmp_path / "away")
    result = tune(document(trials=4), folder, away, observer)
    assert len(result.trials) == 4
    assert len(observer.said) == 1
    assert "the trials are in the journal, and the tuning continues" in observer.said[0]
    assert any("Optuna's storage lacks trials" in warning for warning in result.warnings)
    (away.runs_dir / "tuning.db").rmdir()
    folder.result.unlink()
    resumed = resume(folder, away, observer)
    assert resumed.trials == result.trials
    assert resumed.warnings == tuple(w for w in result.warnings if "storage" not in w)
    assert len(studied(away, resumed.study)) == 4


def test_the_store_can_be_turned_off(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("TAXI_EXPERIMENTS_URL", "off")
    off = Settings(runs_dir=tmp_path, cache_dir=settings.cache_dir, points_cache=False)
    result = tune(document(trials=2), TuningFolder(tmp_path / "off"), off, Observer())
    assert (result.study, result.storage) == (None, None)


PROGRAM = "from taxi_mlops.cli.main import main; main()"


def test_kill_9_loses_nothing(settings, tmp_path):
    """Killed while trials run, and resumed: every trial of the journal is kept, and each is in the study once."""
    folder = TuningFolder(tmp_path / "killed")
    environment = os.environ | {
        "TAXI_RUNS_DIR": str(tmp_path / "runs"),
        "TAXI_CACHE_DIR": str(settings.cache_dir),
        "TAXI_POINTS_CACHE": "false",
    }
    command = [sys.executable, "-c", PROGRAM, "tune", CITY, "--trials", "500", "--output", str(folder.path), "-q"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        limit = time.monotonic() + 200
        while not (folder.journal.is_file() and folder.journal.read_bytes().count(b"\n") >= 5):
            assert process.poll() is None
            assert time.monotonic() < limit
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    before = read_trials(folder.journal)
    assert 5 <= len(before) < 500
    assert not folder.result.is_file()

    changed = folder.document.read_text().replace("trials = 500", f"trials = {len(before) + 3}")
    folder.document.write_text(changed)
    header = folder.read_header()
    shorter = header.model_copy(update={"document": Tune.from_file(folder.document)})
    folder.header.write_text(shorter.model_dump_json())
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "tune", "--resume", str(folder.path), "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    after = read_trials(folder.journal)
    assert after[: len(before)] == before
    assert len(after) == len(before) + 3
    url = f"sqlite:///{tmp_path / 'runs' / 'tuning.db'}"
    study = optuna.load_study(study_name=f"taxi-{header.tuning_id}", storage=url)
    assert sorted(trial.user_attrs["number"] for trial in study.trials) == list(range(len(after)))


def test_a_tuning_of_other_trips_is_not_resumed(settings, tmp_path):
    folder = TuningFolder(tmp_path / "changed")
    tune(document(trials=1), folder, settings, Observer())
    folder.result.unlink()
    folder.document.write_text(document(trials=1, data="synthetic:rows=3001,seed=1").to_toml())
    with pytest.raises(RunFolderError, match="has changed since"):
        resume(folder, settings, Observer())


def test_mistakes_leave_no_folder(settings, tmp_path):
    folder = TuningFolder(tmp_path / "few")
    with pytest.raises(UsageError, match="too few to tune on"):
        tune(document(data="synthetic:rows=50,seed=1"), folder, settings, Observer())
    assert not folder.path.exists()
    with pytest.raises(RunFolderError, match="holds no tuning"):
        resume(folder, settings, Observer())


def test_without_optuna_the_command_says_what_to_install(settings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(LibraryMissingError, match=r"pip install 'taxi-mlops\[tune\]'"):
        tune(document(), TuningFolder(tmp_path / "without"), settings, Observer())
    assert not (tmp_path / "without").exists()


def test_python(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("TAXI_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("TAXI_CACHE_DIR", str(settings.cache_dir))
    found = taxi_mlops.tune(CITY, trials=3, eps=(20, 500), min_samples=(5, 50), noise=(0, 1))
    assert found.best.eps_metres <= 500
    assert found.command.startswith("taxi train ")
    assert repr(found).startswith(f"eps {found.best.eps_metres:g} m with min_samples")
    assert (found.folder / "tune.json").is_file()
    assert "<iframe" in found._repr_html_()
    with pytest.raises(UsageError, match="give its path"):
        taxi_mlops.tune([1, 2])
