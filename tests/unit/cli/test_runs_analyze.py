"""`taxi runs analyze`: several runs in one analysis, as text, as JSON and as a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from taxi_mlops.cli.main import app
from taxi_mlops.errors import UsageError
from taxi_mlops.testing.sample_runs import EQUAL, REFERENCE, make_run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        make_run(tmp_path / f"r{number}", f"run-{number}", slowness=1.0 + number)
    return ["r0", "r1", "r2"]


def test_several_runs_are_taken_together(runs: list[str]) -> None:
    result = CliRunner().invoke(app, ["runs", "analyze", *runs, "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [workload["run_id"] for workload in document["workloads"]] == ["run-0", "run-1", "run-2"]
    assert document["ranks"]["leaders"] == [EQUAL, REFERENCE]
    assert document["growth_reason"] == "growth is fitted to workloads that differ in size alone"


def test_what_they_say_is_readable(runs: list[str]) -> None:
    result = CliRunner().invoke(app, ["runs", "analyze", *runs])
    assert result.exit_code == 0, result.output
    assert "3 workloads of 3 runs" in result.stdout
    assert "differ in size alone" in result.stdout
    assert f"{EQUAL} 1.00" in " ".join(result.stdout.split())


def test_a_page_with_the_plots_is_written_where_it_is_asked_for(runs: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["runs", "analyze", *runs, "--output", "page.html"])
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("wrote page.html\n")
    assert "critical difference" in (tmp_path / "page.html").read_text(encoding="utf-8")
    missing = CliRunner().invoke(app, ["runs", "analyze", *runs, "--output", "no/such/folder/page.html"])
    assert isinstance(missing.exception, UsageError)
    assert "no/such/folder/page.html" in str(missing.exception)
