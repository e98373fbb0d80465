from __future__ import annotations

from datetime import UTC, datetime

import pytest

from taxi_mlops.errors import RunFolderError
from taxi_mlops.results.tuning import TuningFolder, TuningTrial, append_trial, objective_values, read_trials


def trial(number):
    return TuningTrial(
        number=number,
        finished_at=datetime(2026, 1, 2, tzinfo=UTC),
        seconds=0.5,
        eps_metres=100.0,
        min_samples=10,
        state="infeasible",
        noise_ratio=0.75,
        n_clusters=3,
        on_samples={5000: 0.5},
    )


def test_trials_are_read_as_they_were_written(tmp_path):
    journal = TuningFolder(tmp_path).journal
    assert read_trials(journal) == []
    for number in range(3):
        append_trial(journal, trial(number))
    assert read_trials(journal) == [trial(0), trial(1), trial(2)]


def test_the_line_of_a_killed_writer_is_removed(tmp_path):
    journal = tmp_path / "trials.jsonl"
    append_trial(journal, trial(0))
    with journal.open("ab") as file:
        file.write(trial(1).model_dump_json().encode()[:40])
    assert read_trials(journal) == [trial(0)]
    append_trial(journal, trial(1))
    assert read_trials(journal) == [trial(0), trial(1)]


@pytest.mark.parametrize(
    ("content", "message"),
    [("{}\n", "line 1 is no trial"), (trial(1).model_dump_json() + "\n", "not numbered from 0")],
)
def test_a_broken_journal_is_refused(tmp_path, content, message):
    journal = tmp_path / "trials.jsonl"
    journal.write_text(content)
    with pytest.raises(RunFolderError, match=message):
        read_trials(journal)


def test_values_of_objectives():
    assert trial(0).value_of("noise") == 0.75
    assert objective_values(trial(0), ("noise",)) is None
    assert objective_values(trial(0).model_copy(update={"state": "complete"}), ("noise",)) == [0.75]


def test_a_folder_that_holds_a_tuning_is_refused(tmp_path):
    folder = TuningFolder(tmp_path)
    folder.document.write_text("")
    with pytest.raises(RunFolderError, match=r"holds a tuning already; resume it with --resume"):
        folder.create()
