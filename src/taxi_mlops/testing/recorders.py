"""The test suite for recorders. Use it in a test of your own:

    from taxi_mlops.testing.recorders import RecorderContract

    class TestMine(RecorderContract):
        @pytest.fixture
        def recorder(self): ...

A recorder records the files of a run folder, whatever the outcome of the run; it records each run once, however often
it is called; it raises an error in one line, without passwords.
"""

# ruff: noqa: S101 - a test suite consists of asserts

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from taxi_mlops.errors import ServiceError
from taxi_mlops.files import write_atomically
from taxi_mlops.recording.base import RecordedRun, Recorder
from taxi_mlops.testing.sample_runs import BEGUN, make_run

PASSWORD = "p4ss/w@rd"  # noqa: S105 - it opens nothing
"""The password in the address of `broken`, which must never be shown."""

Contents = Callable[[], Mapping[str, object]]


class RecorderContract:
    """Derive a test class from it, with three fixtures."""

    @pytest.fixture
    def recorder(self) -> Recorder:
        """Return the recorder of an empty place."""
        raise NotImplementedError("give the contract a fixture `recorder`")

    @pytest.fixture
    def contents(self, recorder: Recorder) -> Contents:
        """Return everything that the place contains, by run id, in a comparable form; times of recording too."""
        raise NotImplementedError("give the contract a fixture `contents`")

    @pytest.fixture
    def broken(self) -> Recorder:
        """Return a recorder of a place that cannot be used, with `PASSWORD` in its address."""
        raise NotImplementedError("give the contract a fixture `broken`")

    def test_describes_itself(self, recorder: Recorder) -> None:
        assert recorder.name, "name is empty"
        assert recorder.target, "target is empty"

    def test_a_run_of_every_outcome_is_recorded(self, recorder: Recorder, contents: Contents, tmp_path: Path) -> None:
        run = make_run(tmp_path / "run")
        recorder.record(run)
        assert list(contents()) == [run.run_id]

    def test_a_run_of_several_workloads_is_recorded(
        self, recorder: Recorder, contents: Contents, tmp_path: Path
    ) -> None:
        alone, several = make_run(tmp_path / "alone"), make_run(tmp_path / "several", "several", sizes=(100, 300))
        for run in (alone, several):
            recorder.record(run)
        assert set(contents()) == {alone.run_id, several.run_id}

    def test_recording_twice_changes_nothing(self, recorder: Recorder, contents: Contents, tmp_path: Path) -> None:
        run = make_run(tmp_path / "run")
        recorder.record(run)
        once = contents()
        recorder.record(RecordedRun.read(run.folder))
        assert contents() == once

    def test_runs_are_kept_apart(self, recorder: Recorder, contents: Contents, tmp_path: Path) -> None:
        first = make_run(tmp_path / "first")
        recorder.record(first)
        alone = contents()
        second = make_run(tmp_path / "second", "20260103T030405Z-000002", begun=BEGUN + timedelta(days=1))
        recorder.record(second)
        both = contents()
        assert set(both) == {first.run_id, second.run_id}
        assert both[first.run_id] == alone[first.run_id]

    def test_a_run_whose_results_changed_replaces_its_record(
        self, recorder: Recorder, contents: Contents, tmp_path: Path
    ) -> None:
        run = make_run(tmp_path / "run")
        recorder.record(run)
        before = contents()
        write_atomically(run.folder.report, "<!doctype html><title>Made again</title>")
        recorder.record(RecordedRun.read(run.folder))
        after = contents()
        assert set(after) == {run.run_id}
        assert after[run.run_id] != before[run.run_id]

    def test_the_run_folder_is_only_read(self, recorder: Recorder, tmp_path: Path) -> None:
        run = make_run(tmp_path / "run")
        before = _files(run.folder.path)
        recorder.record(run)
        assert _files(run.folder.path) == before

    def test_a_failure_is_one_line_without_the_password(self, broken: Recorder, tmp_path: Path) -> None:
        with pytest.raises(ServiceError) as raised:
            broken.record(make_run(tmp_path / "run"))
        said = str(raised.value)
        assert said.strip(), "the failure says nothing"
        assert "\n" not in said, f"more than one line: {said!r}"
        assert "***" in broken.target, f"the target does not show that a password was masked: {broken.target}"
        for text in (said, broken.target, repr(broken)):
            assert PASSWORD not in text, "the password is shown"
            assert "p4ss%2Fw%40rd" not in text, "the password is shown, as it stands in a URL"


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
