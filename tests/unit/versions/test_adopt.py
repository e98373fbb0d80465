"""Loose Parquet files become part of a table where they are, or are copied, which is said."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_mlops.data.load import load_points, open_trips
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.errors import DataError, UsageError
from taxi_mlops.settings import Settings
from taxi_mlops.versions import AlreadyCommittedError, adopt, commit, history, vacuum

pytest.importorskip("deltalake", reason="deltalake is in the extra delta")

ROWS = 60


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Settings(cache_dir=tmp_path / "cache")


def write(name, seed, rows=ROWS, **columns):
    """Write trips, and return their latitudes."""
    rng = np.random.default_rng(seed)
    latitude = rng.uniform(48.8, 48.9, rows)
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"latitude": latitude, "longitude": rng.uniform(2.3, 2.4, rows), **columns}), name)
    return latitude


def latitudes(settings, source="delta:raw", **request):
    return load_points(LoadRequest(source=source, **request), settings).latitude


def states(folder="raw"):
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*.parquet")}


@pytest.mark.parametrize("name", ["b.parquet", "with blank.parquet", "ä%41+b.parquet", "deep/er/b.parquet"])
def test_files_stay_where_they_are(settings, name):
    narrow = pa.array([7] * ROWS, pa.int32())
    first, second = write("raw/a.parquet", 1, n=narrow), write(f"raw/{name}", 2, n=narrow)
    before = states()
    done = adopt(["raw"], settings)
    assert (done.table, done.version, done.rows) == ("delta:raw", 0, 2 * ROWS)
    assert (done.in_place, done.copied, done.there) == (("a.parquet", name), (), 0)
    assert states() == before
    assert np.array_equal(latitudes(settings), np.r_[first, second])
    assert history("raw", settings)[0].rows == 2 * ROWS


def test_other_readers_see_the_same_rows(settings):
    from deltalake import DeltaTable

    write("raw/month=2016-05/with blank.parquet", 1, n=pa.array([7] * ROWS, pa.int32()))
    adopt(["raw"], settings)
    table = pa.table(DeltaTable("raw").to_pyarrow_table())
    assert table["n"].type == pa.int32()
    assert table["month"].to_pylist() == ["2016-05"] * ROWS


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pa.array([0] * ROWS, pa.timestamp("ns")), r"column 'x' is timestamp\[ns\] there and timestamp\[us\] in the"),
        (pa.array([7] * ROWS, pa.uint8()), "column 'x' is uint8 there and int16 in the table"),
        (pa.array([1] * ROWS).cast(pa.decimal128(25, 2)), r"column 'x' is decimal128\(25, 2\) there and double in the"),
    ],
)
def test_types_that_tables_have_not_are_copied(settings, column, reason):
    first, second = write("raw/a.parquet", 1), write("raw/b.parquet", 2, x=column)
    done = adopt(["raw"], settings)
    assert done.in_place == ("a.parquet",)
    ((file, said),) = [(one.file, one.reason) for one in done.copied]
    assert file == "raw/b.parquet"
    assert re.match(reason, said)
    assert np.array_equal(np.sort(latitudes(settings)), np.sort(np.r_[first, second]))
    with pytest.raises(AlreadyCommittedError, match="delta:raw has all 2 files already"):
        adopt(["raw"], settings)


def test_the_widest_type_is_the_tables(settings):
    write("raw/a.parquet", 1, n=pa.array([1] * ROWS, pa.int32()))
    write("raw/b.parquet", 2, n=pa.array([2] * ROWS, pa.int64()))
    done = adopt(["raw/*.parquet"], settings)
    assert done.in_place == ("b.parquet",)
    assert [one.reason for one in done.copied] == ["column 'n' is int32 there and int64 in the table"]
    rows = pa.Table.from_batches(open_trips(LoadRequest(source="delta:raw"), settings).rows())
    assert rows["n"].type == pa.int64()
    assert sorted(rows["n"].to_pylist()) == [1] * ROWS + [2] * ROWS


def test_a_later_commit_of_such_numbers_rewrites_nothing(settings):
    write("raw/a.parquet", 1, n=pa.array([1] * ROWS, pa.int32()))
    adopt(["raw"], settings)
    write("b.parquet", 2, n=pa.array([2] * ROWS, pa.int32()))
    Path("c.csv").write_text("latitude,longitude,n\n" + "".join(f"48.8{row},2.3,{row}\n" for row in range(20)))
    assert commit(["b.parquet"], "raw", settings).widened == ()
    assert commit(["c.csv"], "raw", settings).widened == ()
    write("d.parquet", 3, n=pa.array([2**40] * ROWS))
    assert commit(["d.parquet"], "raw", settings).widened == ("n",)


def test_files_elsewhere_are_copied(settings):
    latitude = write("raw/a.parquet", 1)
    done = adopt(["raw"], settings, "table")
    assert done.in_place == ()
    assert [one.reason for one in done.copied] == ["is outside table, the table's folder"]
    assert np.array_equal(latitudes(settings, "delta:table"), latitude)
    with pytest.raises(AlreadyCommittedError, match="has all 1 files already"):
        adopt(["raw"], settings, "table")


def test_months_are_those_of_folders_or_names_or_given(settings):
    may, june = write("raw/month=2016-05/a.parquet", 1), write("raw/month=2016-06/b.parquet", 2)
    assert adopt(["raw/month=2016-05"], settings).months == ("2016-05",)
    assert adopt(["raw"], settings).months == ("2016-06",)
    assert np.array_equal(latitudes(settings, month="2016-05"), may)
    assert np.array_equal(latitudes(settings, month="2016-06"), june)
    named = write("names/trips_2016-07.parquet", 3)
    write("names/other_2016-08.parquet", 4)
    assert adopt(["names"], settings, month="names").months == ("2016-07", "2016-08")
    assert np.array_equal(latitudes(settings, "delta:names", month="2016-07"), named)
    write("given/a.parquet", 5)
    assert adopt(["given"], settings, month="2016-09").months == ("2016-09",)
    write("none/a.parquet", 6)
    with pytest.raises(DataError, match=r"none/a.parquet: its name holds no month; name it with --month"):
        adopt(["none"], settings, month="names")
    with pytest.raises(UsageError, match="months are written like 2016-06, or names takes"):
        adopt(["none"], settings, month="June")


def test_what_was_added_since_is_adopted(settings):
    first = write("raw/a.parquet", 1)
    adopt(["raw"], settings)
    second = write("raw/b.parquet", 2)
    done = adopt(["raw"], settings, message="the second")
    assert (done.version, done.in_place, done.there) == (1, ("b.parquet",), 1)
    assert np.array_equal(latitudes(settings), np.r_[first, second])
    assert history("raw", settings)[0].message == "the second"


def test_what_was_replaced_stays_so(settings):
    write("raw/a.parquet", 1)
    adopt(["raw"], settings)
    write("correction.parquet", 2)
    commit(["correction.parquet"], "raw", settings, replace=True)
    with pytest.raises(AlreadyCommittedError, match="has all 1 files already"):
        adopt(["raw"], settings)


def test_a_vacuum_removes_what_was_replaced_and_nothing_else(settings):
    write("raw/a.parquet", 1)
    loose = write("raw/b.parquet", 2)
    adopt(["raw/a.parquet"], settings)
    write("correction.parquet", 3)
    commit(["correction.parquet"], "raw", settings, replace=True)
    assert vacuum("raw", settings, timedelta(0)).files == ("a.parquet",)
    assert not Path("raw/a.parquet").exists()
    assert np.array_equal(latitudes(settings, "raw/b.parquet"), loose)


def test_rows_that_are_not_as_expected_are_not_adopted(settings):
    write("raw/a.parquet", 1)
    adopt(["raw"], settings)
    few = write("raw/b.parquet", 2, rows=3)
    with pytest.raises(DataError, match=r"raw: not committed: 3 rows, where 12 to 300 are .* stay where they are"):
        adopt(["raw"], settings)
    assert len(history("raw", settings)) == 1
    assert np.array_equal(latitudes(settings, "raw/b.parquet"), few)
    assert adopt(["raw"], settings, accept=True).rows == 3


def test_files_without_points_are_not_adopted(settings):
    Path("raw").mkdir()
    pq.write_table(pa.table({"latitude": ["here"] * ROWS, "longitude": ["there"] * ROWS}), "raw/a.parquet")
    with pytest.raises(DataError, match="not committed: column 'latitude': not of the right type"):
        adopt(["raw"], settings, accept=True)
    with pytest.raises(DataError, match="there is no Delta table"):
        history("raw", settings)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("trips.csv", r"trips.csv: is csv and not Parquet; `taxi data commit` takes it"),
        ("-", "only files and s3:// objects can be adopted"),
        ("https://example.org/a.parquet", "only files and s3:// objects can be adopted"),
        ("tlc:yellow/2016-06", "only files and s3:// objects can be adopted"),
        ("delta:table", "only files and s3:// objects can be adopted"),
        ("nothing/*.parquet", "no file matches"),
    ],
)
def test_what_cannot_be_adopted(settings, source, message):
    Path("trips.csv").write_text("latitude,longitude\n48.85,2.35\n48.86,2.36\n")
    with pytest.raises(DataError, match=message):
        adopt([source], settings)


def test_files_need_a_common_folder(settings, tmp_path):
    write("a.parquet", 1)
    write("raw/b.parquet", 2)
    with pytest.raises(UsageError, match="the files are in no common folder; name one with --table"):
        adopt(["raw/b.parquet", str(tmp_path / "a.parquet")], settings)
    done = adopt(["raw/b.parquet", str(tmp_path / "a.parquet")], settings, ".")
    assert done.in_place == ("raw/b.parquet", "a.parquet")
