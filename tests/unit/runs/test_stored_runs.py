"""Runs of the experiment store and of the runs folder as one list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taxi_mlops.errors import RunFolderError, UsageError
from taxi_mlops.recording.recordings import note
from taxi_mlops.recording.store import StoreRecorder
from taxi_mlops.runs.listing import RunFilter, list_runs
from taxi_mlops.runs.stored_runs import find_comparison, known_runs, stored_runs
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.testing.sample_runs import BEGUN, EQUAL, make_run

JANUARY, FEBRUARY, MARCH = "20260102-a", "20260202-b", "20260302-c"


@pytest.fixture
def url(tmp_path: Path) -> ServiceUrl:
    return ServiceUrl(f"sqlite:///{tmp_path}/store.db")


@pytest.fixture
def runs(tmp_path: Path, url: ServiceUrl) -> Path:
    """Three runs a month apart, of which the store holds the first two; MLflow failed for the second."""
    parent = tmp_path / "runs"
    for month, run_id in enumerate((JANUARY, FEBRUARY, MARCH)):
        begun = BEGUN + timedelta(days=31 * month)
        uri = f"/data/{'Chicago' if run_id == FEBRUARY else 'santiago'}.csv"
        run = make_run(parent / run_id, run_id, begun=begun, uri=uri)
        if run_id != MARCH:
            StoreRecorder(url).record(run)
        if run_id == FEBRUARY:
            note(run, StoreRecorder(url), "the server is down")
    return parent


def test_what_is_stored_and_asked_for_is_no_sql(url: ServiceUrl, tmp_path: Path) -> None:
    uri = "/data/o'hare; DROP TABLE trials; --.csv"
    StoreRecorder(url).record(make_run(tmp_path / "run", uri=uri))
    (found,) = stored_runs(url, RunFilter(data="o'hare; drop table"))
    assert found.uri == uri
    with pytest.raises(UsageError, match="no recorded run is called"):
        find_comparison(url, "' OR '' = '")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (RunFilter(), [FEBRUARY, JANUARY]),
        (RunFilter(limit=1), [FEBRUARY]),
        (RunFilter(adapter=EQUAL), [FEBRUARY, JANUARY]),
        (RunFilter(adapter="nobody"), []),
        (RunFilter(data="CHICAGO"), [FEBRUARY]),
        (RunFilter(data="_hicago"), []),
        (RunFilter(adapter="' OR '1' = '1"), []),
        (RunFilter(data="' OR 1 = 1 --"), []),
        (RunFilter(data="abab"), [FEBRUARY, JANUARY]),
        (RunFilter(since=datetime(2026, 1, 20, tzinfo=UTC)), [FEBRUARY]),
        (RunFilter(adapter=EQUAL, data="santiago", since=BEGUN), [JANUARY]),
    ],
)
def test_the_store_and_the_folders_are_filtered_alike(
    url: ServiceUrl, runs: Path, wanted: RunFilter, expected: list[str]
) -> None:
    assert [run.run_id for run in stored_runs(url, wanted)] == expected
    unlimited = RunFilter(wanted.adapter, wanted.data, wanted.since)
    held = [run.run_id for run in list_runs(runs, unlimited) if run.run_id != MARCH]
    assert held[: wanted.limit] == expected


def test_a_stored_run_is_summarised_like_its_folder(url: ServiceUrl, runs: Path) -> None:
    by_folder = {run.run_id: run for run in list_runs(runs)}
    for run in stored_runs(url, RunFilter()):
        stored = by_folder[run.run_id]
        assert run.model_copy(update={"adapters": stored.adapters}) == stored
        assert set(stored.adapters) < set(run.adapters)  # the store also names the adapter that was not installed
    assert by_folder[FEBRUARY].unrecorded == ("store",)


def test_the_store_and_what_it_does_not_hold_are_one_list(url: ServiceUrl, runs: Path) -> None:
    assert [run.run_id for run in known_runs(url, runs, RunFilter())] == [MARCH, FEBRUARY, JANUARY]
    assert [run.run_id for run in known_runs(url, runs, RunFilter(limit=2))] == [MARCH, FEBRUARY]
    assert [run.run_id for run in known_runs(None, runs, RunFilter())] == [MARCH, FEBRUARY, JANUARY]


def test_without_a_store_there_are_the_folders_and_none_is_made(tmp_path: Path, runs: Path) -> None:
    nowhere = tmp_path / "nowhere.db"
    found = known_runs(ServiceUrl(f"sqlite:///{nowhere}"), runs, RunFilter())
    assert len(found) == 3
    assert not nowhere.exists()


def test_a_run_is_found_by_folder_id_and_beginning(url: ServiceUrl, runs: Path) -> None:
    for named in (str(runs / FEBRUARY), FEBRUARY, "202602"):
        assert find_comparison(url, named).run_id == FEBRUARY
    with pytest.raises(UsageError, match="begins 2 run ids"):
        find_comparison(url, "2026")
    with pytest.raises(UsageError, match="no recorded run is called '2027'"):
        find_comparison(url, "2027")
    with pytest.raises(UsageError, match="no recorded run"):
        find_comparison(None, FEBRUARY)
    with pytest.raises(RunFolderError, match=r"comparison\.json"):
        find_comparison(url, str(runs))
