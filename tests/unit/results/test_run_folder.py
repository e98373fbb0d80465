"""The folder of a run: which are taken, which are refused, and its lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from taxi_mlops.errors import RunFolderError
from taxi_mlops.results.run_folder import RunFolder


def test_a_new_or_empty_folder_is_taken(tmp_path: Path) -> None:
    RunFolder(tmp_path / "a" / "b").create()
    RunFolder(tmp_path / "a" / "b").create()


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RunFolderError, match=r"not empty \(thesis.tex"):
        RunFolder(tmp_path).create()


def test_a_folder_with_a_run_says_how_to_resume(tmp_path: Path) -> None:
    RunFolder(tmp_path).specification.touch()
    with pytest.raises(RunFolderError, match=f"--resume {tmp_path}"):
        RunFolder(tmp_path).create()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="cannot use"):
        RunFolder(tmp_path / "file").create()


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.locked(), pytest.raises(RunFolderError, match="in use"), RunFolder(tmp_path).locked():
        pass
    with folder.locked():
        assert folder.path.is_dir()
    folder.create()  # the lock itself does not make the folder taken
