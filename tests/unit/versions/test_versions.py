"""Versions of trips: what is committed is read back, row by row, whatever is committed later."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_mlops.data.delta import TableAddress, find_version, versions_named
from taxi_mlops.data.load import load_points, open_trips
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.errors import DataError, TaxiError, UsageError
from taxi_mlops.settings import Settings
from taxi_mlops.versions import commit, difference, history, restore, table_state, tag, vacuum

pytest.importorskip("deltalake")

ROWS = 60


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Settings(cache_dir=tmp_path / "cache")


def trips(seed=0, rows=ROWS, **columns):
    rng = np.random.default_rng(seed)
    points = {"latitude": rng.uniform(48.8, 48.9, rows), "longitude": rng.uniform(2.3, 2.4, rows)}
    return pa.table({**points, **columns})


def written(name, table):
    pq.write_table(table, name)
    return name


def latitudes(source, settings):
    return load_points(LoadRequest(source=source), settings).latitude


def test_a_version_is_read_as_it_was_committed(settings):
    first, second = trips(1), trips(2)
    assert commit([written("1.parquet", first)], "t", settings, month="2016-05").version == 0
    assert commit([written("2.parquet", second)], "t", settings, month="2016-06").version == 1
    assert np.array_equal(latitudes("delta:t@0", settings), first["latitude"].to_numpy())
    both = np.concatenate([first["latitude"].to_numpy(), second["latitude"].to_numpy()])
    assert np.array_equal(latitudes("delta:t", settings), both)
    provenance = load_points(LoadRequest(source="delta:t"), settings).provenance
    assert provenance.uri == "delta:t@1"
    assert provenance.data_version.endswith("@1")


def test_one_month_is_read(settings):
    for number, month in enumerate(("2016-05", "2016-06")):
        commit([written(f"{number}.parquet", trips(number))], "t", settings, month=month)
    points = load_points(LoadRequest(source="delta:t", month="2016-06"), settings)
    assert np.array_equal(points.latitude, trips(1)["latitude"].to_numpy())
    with pytest.raises(DataError, match="version 1 has no rows of 2016-07; months: 2016-05, 2016-06"):
        load_points(LoadRequest(source="delta:t", month="2016-07"), settings)
    with pytest.raises(DataError, match="--month is for tables of versions"):
        load_points(LoadRequest(source="1.parquet", month="2016-06"), settings)


def test_a_month_is_replaced(settings):
    for number, month in enumerate(("2016-05", "2016-06")):
        commit([written(f"{number}.parquet", trips(number))], "t", settings, month=month)
    correction = trips(9)
    commit([written("9.parquet", correction)], "t", settings, month="2016-05", replace=True)
    found = latitudes("delta:t@2", settings)
    assert np.array_equal(np.sort(found), np.sort(np.r_[trips(1)["latitude"], correction["latitude"]]))


def test_trips_are_not_committed_twice(settings):
    file = written("1.parquet", trips())
    commit([file], "t", settings)
    with pytest.raises(DataError, match="was committed as version 0 of delta:t; --replace"):
        commit([file], "t", settings)
    assert len(history("t", settings)) == 1


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2", "NA"], "int64"),
        (["1", "2.5", ""], "double"),
        (["007", "012", "1"], "string"),
        (["2016-06-01 08:00:00", "2016-06-01T09:30:00", "null"], "timestamp[us]"),
        (["2016-06-01 08:00:00", "noon", "7"], "string"),
        (["12:30", "08:15", "00:10"], "string"),
    ],
)
def test_text_of_csv_files_gets_the_type_of_all_its_cells(settings, tmp_path, cells, kind):
    lines = [f"48.85{row},2.35{row},{cell}" for row, cell in enumerate(cells)]
    (tmp_path / "trips.csv").write_text("latitude,longitude,extra\n" + "\n".join(lines) + "\n")
    commit(["trips.csv"], "t", settings)
    (file,) = find_version(TableAddress("t"), settings).files
    assert str(pq.read_schema(file).field("extra").type) == kind


def test_a_further_column_is_added_and_said(settings):
    commit([written("1.parquet", trips(1))], "t", settings)
    done = commit([written("2.parquet", trips(2, fare=pa.array(range(ROWS), pa.int32())))], "t", settings)
    assert done.added == ("fare",)
    found = difference("t@0", f"t@{done.version}", settings)
    assert (found.columns_added, found.columns_removed, found.columns_changed) == (("fare",), (), ())
    assert found.statistics[1].columns["fare"].greatest == ROWS - 1
    rows = pa.Table.from_batches(open_trips(LoadRequest(source="delta:t"), settings).rows())
    assert rows["fare"].to_pylist() == [None] * ROWS + list(range(ROWS))
    only = pa.Table.from_batches(open_trips(LoadRequest(source="delta:t"), settings).rows(["fare"]))
    assert only.equals(rows.select(["fare"]))


def test_the_types_of_files_stay_where_they_can(settings):
    columns = {
        "none": pa.nulls(ROWS, pa.float32()),
        "code": pa.array(["007"] * ROWS).dictionary_encode(),
        "when": pa.array([0] * ROWS, pa.timestamp("ns", "UTC")),
        "small": pa.array([200] * ROWS, pa.uint8()),
        "price": pa.array([1] * ROWS).cast(pa.decimal128(25, 2)),
    }
    commit([written("1.parquet", trips(1, **columns))], "t", settings)
    (file,) = find_version(TableAddress("t"), settings).files
    kinds = {field.name: str(field.type) for field in pq.read_schema(file)}
    expected = {
        "none": "double",
        "code": "string",
        "when": "timestamp[us, tz=UTC]",
        "small": "int64",
        "price": "double",
    }
    assert kinds == {"latitude": "double", "longitude": "double", **expected}


def test_numbers_that_do_not_fit_widen_the_column(settings):
    for number, month in enumerate(("2016-06", "2016-05")):
        table = trips(number, count=pa.array([number] * ROWS))
        commit([written(f"{number}.parquet", table)], "t", settings, month=month)
    done = commit([written("2.parquet", trips(2, count=pa.array([1.5] * ROWS)))], "t", settings, month="2016-07")
    assert done.widened == ("count",)
    rows = pa.Table.from_batches(open_trips(LoadRequest(source="delta:t"), settings).rows())
    assert rows["count"].to_pylist() == [0.0] * ROWS + [1.0] * ROWS + [1.5] * ROWS
    assert np.array_equal(rows["latitude"], np.concatenate([trips(seed)["latitude"] for seed in range(3)]))
    before = pa.Table.from_batches(open_trips(LoadRequest(source="delta:t@1"), settings).rows())
    assert before["count"].type == pa.int64()
    done = commit(
        [written("3.parquet", trips(3, count=pa.array([3] * ROWS)))], "t", settings, month="2016-07", replace=True
    )
    assert done.widened == ()
    found = difference("t@1", f"t@{done.version}", settings)
    assert found.columns_changed == ("count",)
    assert found.statistics[1].columns["count"].greatest == 3.0


def test_a_month_is_replaced_by_wider_numbers(settings):
    for number, month in enumerate(("2016-05", "2016-06")):
        table = trips(number, count=pa.array([number] * ROWS))
        commit([written(f"{number}.parquet", table)], "t", settings, month=month)
    wider = trips(2, count=pa.array([1.5] * ROWS))
    commit([written("2.parquet", wider)], "t", settings, month="2016-05", replace=True)
    rows = pa.Table.from_batches(open_trips(LoadRequest(source="delta:t"), settings).rows())
    assert rows["count"].to_pylist() == [1.0] * ROWS + [1.5] * ROWS


def test_text_in_a_column_of_numbers_is_refused(settings):
    commit([written("1.parquet", trips(1, count=pa.array([1] * ROWS)))], "t", settings)
    with pytest.raises(DataError, match=r"column 'count' is int64 in the table, and holds string here"):
        commit([written("2.parquet", trips(2, count=pa.array(["many"] * ROWS)))], "t", settings)
    assert len(history("t", settings)) == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (trips(2, rows=3), "3 rows, where 12 to 300 are expected"),
        (trips(2, fare=pa.array([None] * 30 + [1.0] * 30)), "50.0% of 'fare' is missing, where at most 10.0% is"),
    ],
)
def test_what_fails_the_checks_is_kept_apart(settings, tmp_path, bad, reason):
    commit([written("1.parquet", trips(1, fare=pa.array([1.0] * ROWS)))], "t", settings)
    file = written("2.parquet", bad)
    with pytest.raises(DataError, match=f"2.parquet: not committed: {reason}"):
        commit([file], "t", settings)
    assert latitudes("delta:t", settings).size == ROWS
    (kept,) = (tmp_path / "t/_taxi/quarantine").iterdir()
    assert sorted(path.suffix for path in kept.iterdir()) == [".json", ".parquet"]
    assert commit([file], "t", settings, accept=True).version >= 1


def test_trips_without_points_are_kept_apart(settings):
    file = written("1.parquet", trips().set_column(0, "latitude", pa.array(["here"] * ROWS)))
    with pytest.raises(DataError, match=r"not committed: column 'latitude': not of the right type"):
        commit([file], "t", settings, accept=True)
    with pytest.raises(DataError, match="there is no Delta table"):
        history("t", settings)


def test_expectations_are_edited_in_the_table(settings, tmp_path):
    commit([written("1.parquet", trips(1))], "t", settings)
    expectations = tmp_path / "t/_taxi/expectations.json"
    expectations.write_text('{"least_rows": 0}')
    assert commit([written("2.parquet", trips(2, rows=3))], "t", settings).version == 1
    expectations.write_text('{"least_row": 0}')
    with pytest.raises(DataError, match=r"expectations.json: least_row: Extra inputs are not permitted"):
        commit([written("3.parquet", trips(3))], "t", settings)


def test_versions_have_numbers_tags_and_times(settings):
    for number in range(2):
        commit([written(f"{number}.parquet", trips(number))], "t", settings, message=f"the {number}th")
    assert tag("t@0", "training", settings) == 0
    assert tag("t@0", "training", settings) == 0
    with pytest.raises(DataError, match="the tag training is on version 0 already"):
        tag("t@1", "training", settings)
    with pytest.raises(UsageError, match="a tag is a letter"):
        tag("t", "../x", settings)
    newest, first = history("t", settings)
    assert (first.tags, first.message, newest.number) == (("training",), "the 0th", 1)
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for text, number in (("training", "0"), ("1", "1"), ("", "1"), (later, "1")):
        assert find_version(TableAddress("t", text), settings).address.version == number


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("delta:nothing", "there is no Delta table; `taxi data commit FILE --table nothing` makes one"),
        ("delta:t@7", "the newest version is 0"),
        ("delta:t@tomorrow", "there is no tag 'tomorrow'"),
        ("delta:t@2016-06-01", "the first version is of "),
        ("delta:t@2016-06-99", "times are written like"),
        ("delta:", "tables are named like"),
    ],
)
def test_versions_that_are_not_there(settings, source, message):
    commit([written("1.parquet", trips())], "t", settings)
    with pytest.raises(DataError, match=message):
        load_points(LoadRequest(source=source), settings)


def test_restore_goes_back_and_keeps_the_log(settings):
    for number in range(2):
        commit([written(f"{number}.parquet", trips(number))], "t", settings)
    assert restore("t@0", settings) == 2
    assert np.array_equal(latitudes("delta:t", settings), trips(0)["latitude"].to_numpy())
    assert latitudes("delta:t@1", settings).size == 2 * ROWS


def test_a_vacuum_keeps_what_runs_and_tags_name(settings, tmp_path):
    for number in range(4):
        commit([written(f"{number}.parquet", trips(number))], "t", settings, replace=True)
    tag("t@1", "training", settings)
    named = versions_named("t", ["delta:t@2", "delta:other@0", f"delta:{tmp_path}/t/@2", "trips.csv"])
    assert named == {2}
    assert vacuum("t", settings, timedelta(0), named, dry_run=True).kept == (1, 2)
    assert len(vacuum("t", settings, timedelta(0), named).files) == 1
    for number in (1, 2, 3):
        assert latitudes(f"delta:t@{number}", settings).size == ROWS
    with pytest.raises(DataError, match="a vacuum removed files of version 0"):
        latitudes("delta:t@0", settings)


@pytest.mark.parametrize("there", [True, False])
def test_of_commits_at_once_none_is_lost(settings, there):
    if there:
        commit([written("0.parquet", trips(0))], "t", settings)
    refused: list[TaxiError] = []

    def add(number):
        try:
            commit([f"{number}.parquet"], "t", settings)
        except TaxiError as error:
            refused.append(error)

    for number in (1, 2, 3):
        written(f"{number}.parquet", trips(number))
    threads = [threading.Thread(target=add, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("commit again" in str(error) for error in refused)
    assert latitudes("delta:t", settings).size == ROWS * (3 + there - len(refused))


def test_a_commit_that_is_killed_leaves_the_version_before(settings):
    commit([written("0.parquet", trips(0))], "t", settings)
    written("1.parquet", trips(1))
    program = (
        "import os, sys, taxi_mlops.versions; from taxi_mlops.settings import Settings\n"
        "module = sys.modules['taxi_mlops.versions.commit']\n"
        "module.transact = lambda *_: os.kill(os.getpid(), 9)\n"
        "module.commit(['1.parquet'], 't', Settings())"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    assert latitudes("delta:t", settings).size == ROWS
    assert len(vacuum("t", settings, timedelta(0)).files) == 1
    assert latitudes("delta:t", settings).size == ROWS


def test_a_table_of_other_columns_is_refused(settings):
    with pytest.raises(DataError, match="a column is named 'month'"):
        commit([written("1.parquet", trips(month=pa.array(["x"] * ROWS)))], "t", settings)


@pytest.mark.parametrize("month", ["2016-13", "June", "2016-6"])
def test_months(settings, month):
    with pytest.raises(UsageError, match="months are written like 2016-06"):
        commit([written("1.parquet", trips())], "t", settings, month=month)


def test_the_map_marks_where_points_came_and_went(settings):
    commit([written("1.parquet", trips(1, rows=4000))], "t", settings)
    east = trips(2, rows=4000)
    east = east.set_column(1, "longitude", pa.array(2.35 + (east["longitude"].to_numpy() - 2.3) / 2))
    commit([written("2.parquet", east)], "t", settings, replace=True)
    drift = difference("t@0", "t@1", settings).drift
    assert drift is not None
    assert drift.population_stability_index > 1
    for line in drift.lines:
        assert "+" not in line[:20]
        assert "-" not in line[28:]
    same = difference("t@0", "t@0", settings).drift
    assert same is not None
    assert same.population_stability_index == 0
    assert set("".join(same.lines)) <= {"·", " "}


def test_the_log_says_how_far_the_points_moved(settings):
    moved = trips(2, rows=2000)
    moved = moved.set_column(0, "latitude", pa.array(moved["latitude"].to_numpy() + 0.2))
    for number, table in enumerate((trips(0, rows=2000), trips(1, rows=2000), moved, trips(3, rows=500))):
        commit([written(f"{number}.parquet", table)], "t", settings, replace=True)
    few, after, alike, first = history("t", settings)
    assert (few.drift, first.drift) == (None, None)
    assert alike.drift is not None
    assert alike.drift < 0.1
    assert after.drift is not None
    assert after.drift > 1
    state = table_state("t", settings)
    assert (state.drift, state.rows, state.quarantined, state.failed) == (after.drift, 500, 0, None)
