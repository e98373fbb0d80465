"""The list of the runs in a folder, with their states."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from taxi_mlops.domain import Trial, TrialKind, TrialOutcome, TrialStatus
from taxi_mlops.results.assembly import Verdicts, assemble
from taxi_mlops.results.documents import to_json
from taxi_mlops.results.journal import Journal, RunHeader, TrialRecord
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.runs.listing import list_runs


def begin(parent: Path, name: str, header: RunHeader) -> tuple[RunFolder, Journal]:
    folder = RunFolder(parent / name)
    folder.create()
    folder.specification.write_text(header.specification.to_toml(), encoding="utf-8")
    return folder, Journal.create(folder.journal, header)


def test_no_folder_holds_no_runs(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "nothing") == ()


def test_every_state_is_listed_and_the_newest_is_first(tmp_path: Path, header: RunHeader) -> None:
    (tmp_path / "holiday photos").mkdir()
    outcome = TrialOutcome(Trial("sklearn", TrialKind.TIMING, 1), TrialStatus.OK, fit_seconds=1.0, labels_digest="a")
    record = TrialRecord(finished_at=datetime.now(UTC), outcome=outcome)

    ended, journal = begin(tmp_path, "ended", header)
    journal.append(record)
    comparison = assemble(header, journal.outcomes, {}, Verdicts("sklearn", {}))
    ended.comparison.write_text(to_json(comparison), encoding="utf-8")

    later = header.model_copy(update={"created_at": datetime(2026, 5, 1, tzinfo=UTC)})
    _, journal = begin(tmp_path, "stopped", later)
    journal.append(record)

    early = RunFolder(tmp_path / "early")
    early.create()
    early.specification.write_text("", encoding="utf-8")
    broken, journal = begin(tmp_path, "broken", header)
    broken.journal.write_text("nonsense\n", encoding="utf-8")

    runs = {run.folder.name: run for run in list_runs(tmp_path)}
    assert list(runs)[:2] == ["stopped", "ended"]
    assert (runs["ended"].state, runs["ended"].winners) == ("ended", ("sklearn",))
    assert (runs["stopped"].state, runs["stopped"].winners) == ("1 of 6 trials", ())
    assert runs["early"].state == "stopped before the first trial"
    assert "line 1" in runs["broken"].state
    assert set(runs) == {"ended", "stopped", "early", "broken"}
