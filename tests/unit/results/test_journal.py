"""The journal of a run: appended, read back, also when it was cut off."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from taxi_mlops.domain import Trial, TrialKind, TrialOutcome, TrialStatus
from taxi_mlops.errors import RunFolderError
from taxi_mlops.results.journal import Journal, RunHeader, TrialRecord

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def record(block: int) -> TrialRecord:
    trial = Trial("sklearn", TrialKind.TIMING, block)
    return TrialRecord(
        finished_at=NOW,
        outcome=TrialOutcome(trial=trial, status=TrialStatus.OK, fit_seconds=0.1 * block, about={"tiles": 3}),
    )


def test_what_was_appended_is_read_back(tmp_path: Path, header: RunHeader) -> None:
    journal = Journal.create(tmp_path / "trials.jsonl", header)
    journal.append(record(1))
    journal.append(record(2))
    again = Journal.open(journal.path)
    assert again.header == header
    assert again.outcomes == (record(1).outcome, record(2).outcome)
    assert again.holds(Trial("sklearn", TrialKind.TIMING, 2))
    assert not again.holds(Trial("sklearn", TrialKind.MEMORY, 2))


def test_a_truncated_journal_loses_no_complete_line(tmp_path: Path, header: RunHeader) -> None:
    journal = Journal.create(tmp_path / "whole.jsonl", header)
    after_header = journal.path.stat().st_size
    journal.append(record(1))
    after_first = journal.path.stat().st_size
    journal.append(record(2))
    content = journal.path.read_bytes()
    for length in range(after_header, len(content), 7):
        broken = tmp_path / "broken.jsonl"
        broken.write_bytes(content[:length])
        left = Journal.open(broken)
        assert len(left.outcomes) == int(length >= after_first)
        left.append(record(9))
        assert Journal.read(broken).outcomes == (*left.outcomes,)


def test_a_trial_is_recorded_once(tmp_path: Path, header: RunHeader) -> None:
    journal = Journal.create(tmp_path / "trials.jsonl", header)
    journal.append(record(1))
    with pytest.raises(ValueError, match="already"):
        journal.append(record(1))


def test_a_second_run_does_not_overwrite(tmp_path: Path, header: RunHeader) -> None:
    Journal.create(tmp_path / "trials.jsonl", header)
    with pytest.raises(RunFolderError, match="--resume"):
        Journal.create(tmp_path / "trials.jsonl", header)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "missing"),
        (b"", "no header"),
        (b'{"kind": "trial"', "no header"),
        (b'{"kind": "other"}\n', "line 1"),
        (b"not json\n", "line 1"),
    ],
)
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "trials.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunFolderError, match=message):
        Journal.open(path)


def test_two_headers_are_refused(tmp_path: Path, header: RunHeader) -> None:
    journal = Journal.create(tmp_path / "trials.jsonl", header)
    journal.path.write_bytes(journal.path.read_bytes() * 2)
    with pytest.raises(RunFolderError, match="second header"):
        Journal.open(journal.path)
