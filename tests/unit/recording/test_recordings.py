"""`recordings.json`: which recorder has which results of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from taxi_mlops.errors import RunFolderError, UsageError
from taxi_mlops.files import write_atomically
from taxi_mlops.recording.base import RecordedRun
from taxi_mlops.recording.recordings import Recordings, RecordingState, note
from taxi_mlops.recording.store import StoreRecorder
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.testing.sample_runs import make_run


@pytest.fixture
def recorder(tmp_path: Path) -> StoreRecorder:
    return StoreRecorder(ServiceUrl(f"sqlite:///{tmp_path}/store.db"))


def test_nothing_is_noted_of_a_run_that_was_never_recorded(tmp_path: Path) -> None:
    assert Recordings.read(make_run(tmp_path / "run").folder) == Recordings()


def test_the_last_attempt_counts(tmp_path: Path, recorder: StoreRecorder) -> None:
    run = make_run(tmp_path / "run")
    note(run, recorder, "the disk is full")
    noted = Recordings.read(run.folder)
    assert [(failed.recorder, failed.reason) for failed in noted.failed] == [("store", "the disk is full")]
    assert not noted.holds(recorder, run)
    note(run, recorder, None)
    noted = Recordings.read(run.folder)
    assert noted.failed == ()
    assert [recording.state for recording in noted.recordings] == [RecordingState.RECORDED]
    assert noted.holds(recorder, run)


def test_changed_results_and_another_place_are_not_held(tmp_path: Path, recorder: StoreRecorder) -> None:
    run = make_run(tmp_path / "run")
    note(run, recorder, None)
    noted = Recordings.read(run.folder)
    assert not noted.holds(StoreRecorder(ServiceUrl("sqlite:///elsewhere.db")), run)
    write_atomically(run.folder.report, "<title>another</title>")
    assert not noted.holds(recorder, RecordedRun.read(run.folder))


@pytest.mark.parametrize(("text", "error"), [("{", RunFolderError), ('{"schema_version": 2}', UsageError)])
def test_a_broken_note_is_named(tmp_path: Path, text: str, error: type[Exception]) -> None:
    run = make_run(tmp_path / "run")
    run.folder.recordings.write_text(text, encoding="utf-8")
    with pytest.raises(error, match=r"recordings\.json"):
        Recordings.read(run.folder)
