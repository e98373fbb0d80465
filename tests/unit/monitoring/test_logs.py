"""The log of a run: JSON lines in its folder, and which events there are."""

from __future__ import annotations

import json
import logging
import re
import warnings
from pathlib import Path

import pytest

from taxi_mlops.monitoring.logs import LOGGER, get_logger, redirected, run_logs

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def prefect_loggers(monkeypatch: pytest.MonkeyPatch) -> tuple[logging.Logger, logging.Logger]:
    """Prefect's loggers `prefect` and `prefect.flow_runs` without the handlers that they have once it was imported."""
    loggers = logging.getLogger("prefect"), logging.getLogger("prefect.flow_runs")
    for logger in loggers:
        monkeypatch.setattr(logger, "handlers", [])
    return loggers


def test_every_event_is_documented() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "src" / "taxi_mlops").rglob("*.py")]
    calls = r"\b(?:get_logger\(\)|log)\.(?:debug|info|warning|error)\(\s*\"(\w+)\""
    logged = {event for text in sources for event in re.findall(calls, text)}
    page = (REPOSITORY / "docs" / "reference" / "log-events.md").read_text(encoding="utf-8")
    assert logged == set(re.findall(r"^\| `(\w+)` \|", page, re.M))
    assert len(logged) > 10


def test_a_run_writes_json_lines_with_its_id(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with run_logs(path, "run-1", "info", verbose=False):
        get_logger().info("trial_finished", seconds=1.5)
        get_logger().debug("not_shown")
        logging.getLogger(f"{LOGGER}.library").warning("from the standard library")
    first, second = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    assert (first["event"], first["run_id"], first["level"], first["seconds"]) == (
        "trial_finished",
        "run-1",
        "info",
        1.5,
    )
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["run_id"]) == ("from the standard library", "run-1")


def test_a_second_run_appends_and_the_first_one_hears_no_more(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for run_id in ("one", "two"):
        with run_logs(path, run_id, "info", verbose=False):
            get_logger().info("started")
    get_logger().info("after both")
    assert [json.loads(line)["run_id"] for line in path.read_text(encoding="utf-8").splitlines()] == ["one", "two"]


def test_nothing_is_printed_unless_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with run_logs(tmp_path / "log.jsonl", "run", "info", verbose=False):
        get_logger().info("silent")
    assert capsys.readouterr() == ("", "")
    with run_logs(tmp_path / "log.jsonl", "run", "info", verbose=True):
        get_logger().info("shown", points=3)
    out, err = capsys.readouterr()
    assert out == ""
    assert "shown" in err
    assert "points=3" in err


def test_libraries_and_warnings_write_to_the_log_of_the_run_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, library = tmp_path / "log.jsonl", logging.getLogger("tests.library")
    own = logging.StreamHandler()
    library.addHandler(own)
    with run_logs(path, "run", "info", verbose=False), redirected("tests.library"):
        library.warning("tables were made")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("soon gone", FutureWarning, stacklevel=1)
    assert library.handlers == [own]
    library.removeHandler(own)
    first, second = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    assert (first["event"], first["logger"], first["run_id"]) == ("tables were made", "tests.library", "run")
    assert "FutureWarning: soon gone" in second["event"]
    assert capsys.readouterr() == ("", "")
    shown = warnings.showwarning
    with run_logs(path, "run", "info", verbose=False):
        assert warnings.showwarning is not shown
    assert warnings.showwarning is shown


@pytest.mark.parametrize("passes_on", [True, False])
def test_what_prefect_says_is_written_once_however_its_loggers_are_configured(
    tmp_path: Path, prefect_loggers: tuple[logging.Logger, logging.Logger], passes_on: bool
) -> None:
    path, (parent, child) = tmp_path / "log.jsonl", prefect_loggers
    before = parent.level, parent.propagate, child.propagate
    parent.setLevel("INFO")
    parent.propagate, child.propagate = False, passes_on
    try:
        with run_logs(path, "run", "info", verbose=False):
            child.info("a task ended")
    finally:
        parent.level, parent.propagate, child.propagate = before
    assert [json.loads(line)["event"] for line in path.read_text(encoding="utf-8").splitlines()] == ["a task ended"]


def test_what_prefect_logs_is_in_the_log_of_the_run_too(
    tmp_path: Path, prefect_loggers: tuple[logging.Logger, logging.Logger]
) -> None:
    path, (_, flow_runs) = tmp_path / "log.jsonl", prefect_loggers
    level = flow_runs.level
    flow_runs.setLevel(logging.INFO)
    try:
        with run_logs(path, "run", "info", verbose=False):
            flow_runs.info("Finished in state Completed()")
    finally:
        flow_runs.setLevel(level)
    [line] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert (line["event"], line["logger"], line["run_id"]) == (
        "Finished in state Completed()",
        "prefect.flow_runs",
        "run",
    )
    assert not [handler for handler in flow_runs.handlers if isinstance(handler, logging.FileHandler)]
