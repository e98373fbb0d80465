"""`taxi doctor`: what it finds on a machine, and what it advises."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from taxi_mlops.health.diagnosis import Health, diagnose
from taxi_mlops.recording.mlflow_recorder import installed
from taxi_mlops.settings import Settings


def test_a_working_machine_has_no_problem_and_gets_no_folder(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path / "cache", runs_dir=tmp_path / "deep" / "runs")
    findings = {finding.name: finding for finding in diagnose(settings)}
    assert {finding.health for finding in findings.values()} <= {Health.OK, Health.WARNING}
    assert list(tmp_path.iterdir()) == []
    assert "available" in findings["adapters"].found


def test_a_folder_that_cannot_be_written_is_a_problem_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = Settings(cache_dir=tmp_path / "file" / "cache", runs_dir=tmp_path)
    finding = next(finding for finding in diagnose(settings) if finding.name == "cache folder")
    assert finding.health is Health.PROBLEM
    assert "TAXI_CACHE_DIR" in finding.advice


def test_it_says_where_runs_are_recorded_and_shows_no_password(tmp_path: Path) -> None:
    address = SecretStr("https://lab:hunter2@tracking.example.org")
    settings = Settings(runs_dir=tmp_path, experiments_url=SecretStr("off"), mlflow_uri=address)
    findings = {finding.name: finding for finding in diagnose(settings)}
    assert findings["experiment store"].found == "turned off"
    assert "https://lab:***@tracking.example.org" in findings["MLflow"].found
    assert findings["MLflow"].health is (Health.OK if installed() else Health.WARNING)
    assert (
        f"sqlite:///{tmp_path}"
        in {finding.name: finding for finding in diagnose(Settings(runs_dir=tmp_path))}["experiment store"].found
    )
