"""Files in, arrays out; and one clear line for each way in which a file can be bad."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_mlops.data.loader import DataLoader
from taxi_mlops.errors import DataError

LATITUDE = [-33.44, None, -33.45, -33.46]
LONGITUDE = [-70.64, -70.65, None, -70.66]
CSV = """origin_latitude,origin_longitude,destination_latitude,destination_longitude
-33.44,-70.64,1,2
,-70.65,3,4
-33.45,NaN,5,6
-33.46,-70.66,7,8
"""


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_parquet(path: Path, latitude: pa.Array, longitude: pa.Array, **options: object) -> Path:
    columns = {
        "origin_latitude": latitude,
        "origin_longitude": longitude,
        "destination_latitude": latitude,
        "destination_longitude": longitude,
    }
    pq.write_table(pa.table(columns), path, **options)
    return path


def read(*files: Path, **options: object) -> tuple[list[float], list[float]]:
    batches = list(DataLoader(files, **options).coordinates())
    latitude, longitude = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    assert latitude.dtype == longitude.dtype == np.float64
    return latitude.tolist(), longitude.tolist()


def same(values: list[float], expected: list[float | None]) -> bool:
    return np.array_equal(np.array(values), np.array(expected, dtype=np.float64), equal_nan=True)


@pytest.mark.parametrize(
    "content",
    [
        CSV.encode(),
        CSV.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + CSV.encode(),
        gzip.compress(CSV.encode()),
        CSV.replace("longitude\n", "longitude\n\n").encode(),
        "".join(line + ("\n" if number == 0 else ",,\n") for number, line in enumerate(CSV.splitlines())).encode(),
        CSV.replace("-33.44", ' "-33.44" ').replace(' "', '"').replace('" ', '"').encode(),
    ],
    ids=["plain", "crlf", "byte order mark", "gzip", "blank line", "blank fields at the end of lines", "quoted"],
)
def test_reads_csv(tmp_path, content):
    latitude, longitude = read(write(tmp_path / "trips.csv", content))
    assert same(latitude, LATITUDE)
    assert same(longitude, LONGITUDE)


@pytest.mark.parametrize(
    "as_type",
    [
        pa.array,
        lambda values: pa.array([None if value is None else f"{value}" for value in values]),
        lambda values: pa.array([None if value is None else f"{value}" for value in values]).dictionary_encode(),
        lambda values: pa.array(["" if value is None else f" {value}" for value in values]),
        lambda values: pa.array(values).cast(pa.decimal128(10, 4)),
    ],
    ids=["float64", "text", "dictionary", "text with blanks", "decimal"],
)
def test_reads_parquet_columns_of_any_type(tmp_path, as_type):
    path = write_parquet(tmp_path / "trips.parquet", as_type(LATITUDE), as_type(LONGITUDE))
    latitude, longitude = read(path)
    assert same(latitude, LATITUDE)
    assert same(longitude, LONGITUDE)


def test_reads_float32_and_integers_as_they_are(tmp_path):
    path = write_parquet(tmp_path / "t.parquet", pa.array([0.1, 2.5], pa.float32()), pa.array([7, None], pa.int16()))
    latitude, longitude = read(path)
    assert latitude == [float(np.float32(0.1)), 2.5]
    assert same(longitude, [7.0, None])


def test_integers_beyond_float64_are_not_degrees(tmp_path):
    path = write_parquet(tmp_path / "t.parquet", pa.array([2**62 + 1] * 2), pa.array([1.0, 2.0]))
    with pytest.raises(DataError, match="outside ±90"):
        read(path)


def test_reads_the_wanted_end_of_several_files_in_order(tmp_path):
    first = write(tmp_path / "a.csv", CSV)
    second = write_parquet(tmp_path / "b.parquet", pa.array([40.0]), pa.array([50.0]))
    latitude, longitude = read(first, second, points="dropoff")
    assert latitude == [1, 3, 5, 7, 40]
    assert longitude == [2, 4, 6, 8, 50]


def test_reads_batches_and_reports_progress(tmp_path):
    rows = 600_000
    path = write_parquet(tmp_path / "t.parquet", pa.array(np.arange(rows) / rows), pa.array(np.ones(rows)))
    progress_calls = []
    loader = DataLoader([path], on_progress=lambda *progress: progress_calls.append(progress))
    sizes = [latitude.size for latitude, _ in loader.coordinates()]
    assert len(sizes) > 1
    assert sum(sizes) == rows == loader.count_rows()
    assert progress_calls[-1] == ("Reading", rows, rows)
    assert [done for _, done, _ in progress_calls] == np.cumsum(sizes).tolist()


def test_the_numbers_of_rows_of_a_csv_file_is_found_by_reading_it(tmp_path):
    loader = DataLoader([write(tmp_path / "t.csv", CSV)])
    assert loader.tables[0].rows is None
    assert loader.count_rows() == 4


@pytest.mark.parametrize(
    ("points", "latitude", "longitude"),
    [
        ("pickup", [41.14, 41.2, None, None], [-8.61, -8.7, None, None]),
        ("dropoff", [41.16, 41.2, None, None], [-8.63, -8.7, None, None]),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_reads_either_end_of_polylines(tmp_path, points, latitude, longitude, kind):
    polylines = ["[[-8.61,41.14],[-8.62,41.15],[-8.63,41.16]]", "[[-8.7, 41.2]]", "[]", None]
    if kind == "csv":
        lines = [f'{number},9,"{text}"' if text else f"{number},9," for number, text in enumerate(polylines)]
        path = write(tmp_path / "porto.csv", "\n".join(["TRIP_ID,TIMESTAMP,POLYLINE", *lines]))
    else:
        path = tmp_path / "porto.parquet"
        pq.write_table(pa.table({"TRIP_ID": range(4), "TIMESTAMP": [9] * 4, "POLYLINE": polylines}), path)
    found = read(path, points=points)
    assert same(found[0], latitude)
    assert same(found[1], longitude)


def test_a_long_polyline_is_no_obstacle(tmp_path):
    pairs = ",".join(f"[-8.{number:06d},41.{number:06d}]" for number in range(20_000))
    path = write(tmp_path / "porto.csv", f'TRIP_ID,TIMESTAMP,POLYLINE\n1,9,"[{pairs}]"\n')
    assert read(path, points="pickup") == ([41.0], [-8.0])
    assert read(path, points="dropoff") == ([41.019999], [-8.019999])


def test_a_broken_polyline_is_named(tmp_path):
    path = write(tmp_path / "porto.csv", 'TRIP_ID,TIMESTAMP,POLYLINE\n1,9,"[[1,2]]"\n2,9,"[[1;2]]"\n3,9,nowhere\n')
    with pytest.raises(
        DataError, match=r"'POLYLINE': not of the right type in 2 rows \(first: row 2: \[\[1;2\]\], row 3"
    ):
        read(path)


def test_zone_numbers_are_read_as_they_are(tmp_path):
    path = write(tmp_path / "zones.csv", "PULocationID,DOLocationID\n1,2\n,3\n264,4\n")
    loader = DataLoader([path])
    (zones,) = loader.zone_numbers()
    assert same(zones, [1, None, 264])
    with pytest.raises(DataError, match="no points"):
        next(loader.coordinates())


def test_points_are_not_zone_numbers(tmp_path):
    with pytest.raises(DataError, match="leave out --zones"):
        next(DataLoader([write(tmp_path / "t.csv", CSV)]).zone_numbers())


def test_files_of_different_kinds_are_not_mixed(tmp_path):
    zones = write(tmp_path / "zones.csv", "PULocationID,DOLocationID\n1,2\n")
    with pytest.raises(DataError, match=r"zones\.csv holds .*zone era.* but .*trips\.csv holds .*Santiago"):
        DataLoader([write(tmp_path / "trips.csv", CSV), zones])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (CSV.splitlines()[0].encode(), "the file has no rows"),
        (
            CSV.replace(",3,4", ",3,4,5").replace(",7,8", "").encode(),
            r"2 broken lines \(first: line 3: 5 fields instead of 4: ,-70.65,3,4,5; line 5: 2 fields instead of 4",
        ),
        (
            CSV.replace("-33.45", "south").replace("-33.46", "x").encode(),
            r"column 'origin_latitude': not of the right type in 2 rows \(first: row 3: south, row 4: x\)",
        ),
        (gzip.compress(CSV.encode() * 99)[:-20], "truncated or corrupt"),
        (b"x" * 200_000, "truncated or corrupt \\(field larger than field limit"),
        (CSV.replace("-33.45", '"two\nlines"').encode(), r"row 3: two lines\)"),
        (b"PK\x03\x04\x14\x00\x00\x00", "truncated or corrupt \\(File is not a zip file\\)"),
        ((CSV + '"-33.44,-70.64,1,2\n').encode(), r"line 6: a quotation mark is not closed"),
    ],
    ids=[
        "empty",
        "header only",
        "broken lines",
        "words for numbers",
        "gzip cut",
        "one long word",
        "cell of two lines",
        "zip",
        "open quote",
    ],
)
def test_a_bad_csv_file_is_one_clear_error(tmp_path, content, said):
    with pytest.raises(DataError, match=said) as raised:
        read(write(tmp_path / "trips.csv", content))
    assert "\n" not in str(raised.value)
    assert "trips.csv" in str(raised.value)


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    return write_parquet(
        tmp_path / "trips.parquet", pa.array(rng.random(50_000)), pa.array(rng.random(50_000)), write_page_checksum=True
    )


@pytest.mark.parametrize("keep", [6, 1000, -1, -5000])
def test_a_truncated_parquet_file_is_one_clear_error(parquet, keep):
    write(parquet, parquet.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"trips\.parquet: truncated or corrupt \(.*\); fetch or export it again"):
        read(parquet)


def test_a_parquet_file_with_spoiled_pages_is_one_clear_error(parquet):
    content = bytearray(parquet.read_bytes())
    content[5000:9000] = bytes(4000)
    write(parquet, bytes(content))
    with pytest.raises(DataError, match="truncated or corrupt"):
        read(parquet)


def test_another_file_named_parquet_is_one_clear_error(tmp_path):
    with pytest.raises(DataError, match=r"trips\.parquet: this is a web page"):
        read(write(tmp_path / "trips.parquet", "<html>"))


def test_text_that_is_no_number_in_parquet_is_named(tmp_path):
    path = write_parquet(tmp_path / "t.parquet", pa.array(["1.5", "one"]), pa.array([True, False]))
    with pytest.raises(
        DataError,
        match=r"'origin_latitude': not of the right type in 1 row \(first: row 2: one\); "
        r"column 'origin_longitude': not of the right type in 2 rows",
    ):
        read(path)


def test_a_file_that_vanishes_before_its_turn_is_one_clear_error(tmp_path):
    first, second = write(tmp_path / "a.csv", CSV), write(tmp_path / "b.csv", CSV)
    batches = DataLoader([first, second]).coordinates()
    next(batches)
    second.unlink()
    with pytest.raises(DataError, match=r"b\.csv: there is no such file \(was it removed meanwhile\?\)"):
        list(batches)


def test_a_file_that_shrinks_while_it_is_read_is_one_clear_error(tmp_path):
    rng = np.random.default_rng(0)
    values = pa.array(rng.random(1_000_000))
    path = write_parquet(tmp_path / "t.parquet", values, values, row_group_size=100_000, compression="none")
    batches = DataLoader([path]).coordinates()
    next(batches)
    with path.open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(DataError, match="truncated or corrupt"):
        list(batches)


def test_a_column_without_any_value_is_named(tmp_path):
    with pytest.raises(DataError, match=r"'origin_latitude': missing \(more than 90% of all\) in 3 rows"):
        read(write_parquet(tmp_path / "t.parquet", pa.nulls(3), pa.array([1.0, 2.0, 3.0])))


def test_a_parquet_file_without_rows_is_one_clear_error(tmp_path):
    with pytest.raises(DataError, match="the file has no rows"):
        list(DataLoader([write_parquet(tmp_path / "t.parquet", pa.array([], "f8"), pa.array([], "f8"))]).coordinates())


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(DataError, match=r"is a folder; name its files, for example .*/\*\.parquet"):
        DataLoader([tmp_path])
