"""Faults of CSV files are named by the line of the file, or read where they hide nothing."""

from __future__ import annotations

import bz2
import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest

from taxi_mlops.data import files
from taxi_mlops.data.loader import DataLoader
from taxi_mlops.errors import DataError

HEADER = "id,lat,lon,note"
ROWS = [f"{number},{48.8 + number / 1e4:.4f},{2.3 + number / 1e4:.4f},note {number}" for number in range(1, 301)]
BROKEN = "10,48.8,2.3"


def write(folder: Path, content: str | bytes, name: str = "trips.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def csv(changes: dict[int, str], end: str = "\n", before: str = "") -> str:
    """The rows by their numbers from 1, some of them changed."""
    rows = [changes.get(number, row) for number, row in enumerate(ROWS, 1)]
    return before + end.join([HEADER, *rows, ""])


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    latitude, longitude = zip(*DataLoader([path]).coordinates(), strict=True)
    return np.concatenate(latitude), np.concatenate(longitude)


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as raised:
        read(path)
    return str(raised.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (csv({10: BROKEN}), 11),
        (csv({5: f"{ROWS[4]}\n\n\n", 10: BROKEN}), 14),
        (csv({5: f"{ROWS[4]}\n   ", 10: BROKEN}), 12),
        (csv({5: '5,48.8005,2.3005,"two\nlines\nthree"', 10: BROKEN}), 13),
        (csv({10: BROKEN}, before="Trips of June\n\n"), 13),
        (csv({10: BROKEN}, before="sep=,\n"), 12),
        (csv({10: BROKEN}, end="\r\n"), 11),
        (csv({10: BROKEN}, end="\r"), 11),
        (csv({10: BROKEN}).encode("utf-8-sig"), 11),
        (csv({10: BROKEN}).encode("utf-16"), 11),
        (gzip.compress(csv({10: BROKEN}).encode(), mtime=0), 11),
        (csv({10: BROKEN}).replace("note 3\n", "\xe9t\xe9\n").encode("latin-1"), 11),
        (csv({10: BROKEN}).replace(HEADER, 'id,lat,lon,"the\nnote"'), 12),
    ],
)
def test_broken_lines_are_named_by_their_number_in_the_file(tmp_path, content, line):
    assert refusal(write(tmp_path, content)) == (
        f"1 broken line (first: line {line}: 3 fields instead of 4: 10,48.8,2.3); correct or remove them"
    )


def test_the_first_three_broken_lines_are_named_and_all_are_counted(tmp_path):
    changes = {10: BROKEN, 11: "11", 20: f"{ROWS[19]},5,6", 30: BROKEN, 7: f"{ROWS[6]}\n"}
    assert refusal(write(tmp_path, csv(changes))) == (
        "4 broken lines (first: line 12: 3 fields instead of 4: 10,48.8,2.3; line 13: 1 field instead of 4: 11; "
        "line 22: 6 fields instead of 4: 20,48.8020,2.3020,note 20,5,6); correct or remove them"
    )


@pytest.mark.parametrize("long", [False, True])
def test_a_quotation_that_is_not_closed_is_named_by_its_line(tmp_path, long):
    """pyarrow reads the rest of the file as one cell, and reports nothing."""
    path = write(tmp_path, csv({150: '150,48.8,2.3,"open', 4: f"{ROWS[3]}\n"}))
    if long:
        path.write_text(path.read_text() + "".join(f"{row}\n" for row in ROWS * 100))
    assert refusal(path) == (
        "line 152: a quotation mark is not closed, so that the rest of the file is one cell; close or remove it"
    )


def test_a_cell_beyond_the_limit_is_named_by_its_line(tmp_path):
    path = write(tmp_path, csv({200: '200,48.8,2.3,"open'}) + "x" * (17 << 20))
    assert "line 201: a quotation mark is not closed" in refusal(path)


@pytest.mark.parametrize("note", ['5" pipe', 'a "word"', '"two\nlines"', '"a ""quoted"" word"', "x" * 5000])
def test_other_quotation_marks_and_long_notes_are_read(tmp_path, note):
    path = write(tmp_path, csv({150: f"150,48.8,2.3,{note}", **dict.fromkeys(range(200, 300), f"1,48.8,2.3,{note}")}))
    assert read(path)[0].size == 300


@pytest.mark.parametrize("as_all_columns", [False, True])
def test_a_byte_that_is_not_utf8_late_in_the_file_is_read_in_text(tmp_path, as_all_columns):
    many = "".join(f"{row}\n" for row in ROWS * 100).encode()
    path = write(
        tmp_path, f"{HEADER}\n".encode() + many + "301,48.8,2.3,été\n".encode("latin-1") + "7,48,2,é\n".encode()
    )
    assert read(path)[0].size == 30_002
    if as_all_columns:
        *_, last = DataLoader([path]).rows()
        assert last.column("note").to_pylist()[-2:] == ["été", "é"]
        assert last.column("note")[0].as_py().startswith("note ")


def test_a_byte_that_is_not_utf8_in_a_coordinate_is_named_by_column_and_row(tmp_path):
    many = "".join(f"{row}\n" for row in ROWS * 100).encode()
    path = write(tmp_path, f"{HEADER}\n".encode() + many + b"301,48.8\xe9,2.3,x\n")
    assert refusal(path).startswith("column 'lat': not of the right type in 1 row (first: row 30001: 48.8é); ")


def test_bytes_that_no_encoding_has_are_read_in_text(tmp_path):
    many = "".join(f"{row}\n" for row in ROWS * 100).encode()
    path = write(tmp_path, f"{HEADER}\n1,48.8,2.3,\xe9t\xe9\n".encode("latin-1") + many + b"301,48.8,2.3,\x81\x8d\n")
    assert read(path)[0].size == 30_002


def test_zero_bytes_are_read_in_text_and_named_in_a_coordinate(tmp_path):
    assert read(write(tmp_path, csv({2: "2,48.8,2.3,a\0b"})))[0].size == 300
    said = refusal(write(tmp_path, csv({2: "2,48.8\0,2.3,x"})))
    assert said.startswith(r"column 'lat': not of the right type in 1 row (first: row 2: 48.8\x00); ")
    assert "no format that is read here" in refusal(write(tmp_path, bytes(5000)))


def test_escape_sequences_of_terminals_do_not_reach_the_message(tmp_path):
    said = refusal(write(tmp_path, csv({2: "2,\x1b[2J48,2.3,x"})))
    assert r"row 2: \x1b[2J48" in said


def test_byte_order_marks_of_joined_files_are_read(tmp_path):
    path = write(tmp_path, csv({2: "2,\ufeff48.8,2.3,x", 3: "\ufeff3,48.8,2.3,x"}))
    latitude, _ = read(path)
    assert latitude[1] == latitude[2] == 48.8


def test_the_header_of_a_joined_file_is_named(tmp_path):
    said = refusal(write(tmp_path, csv({}).encode("utf-8-sig") * 2))
    assert "column 'lat': not of the right type in 1 row (first: row 301: lat)" in said
    assert said.endswith("; there the header stands again, as in files that were joined; remove it")


def test_degrees_and_minutes_are_named(tmp_path):
    said = refusal(write(tmp_path, "lat,lon\n48°51'N,2°21'E\n48°52'N,2°22'E\n"))
    assert said.endswith("column 'lon': not of the right type in 2 rows (first: row 1: 2°21'E, row 2: 2°22'E); "
                         "convert degrees, minutes and seconds to decimal degrees")  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"\n \n\n", "the file has no rows"),
        (b"\xef\xbb\xbf", "the file has no rows"),
        (b"lat,lon\n", "the file has no rows"),
        (b"lat,lon", "the file has no rows"),
        (gzip.compress(b"", mtime=0), "the file has no rows"),
        (gzip.compress(b"lat,lon\n", mtime=0), "the file has no rows"),
        (b"[]", "has no records and no points"),
        (b'{"type": "FeatureCollection", "features": []}', "has no records and no points"),
        (csv({}, before="").replace(HEADER, "id,lat,lat,lon").encode(), "the column 'lat' appears more than once"),
        (csv({}).encode("utf-16")[:-1], "not utf-16-le|truncated"),
        (gzip.compress(csv({}).encode(), mtime=0)[:-500], "truncated"),
        (bz2.compress(csv({}).encode())[:-500], "truncated"),
    ],
)
def test_what_holds_nothing_or_half_is_one_line(tmp_path, content, said):
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=said):
        read(path)


def test_two_other_columns_of_one_name_hinder_nothing(tmp_path):
    assert read(write(tmp_path, csv({}).replace(HEADER, "note,lat,lon,note")))[0].size == 300


def packed(kind: str, content: bytes, folder: Path) -> Path:
    if kind == "zip":
        path = folder / "trips.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("trips.csv", content)
        return path
    return write(folder, {"gzip": gzip, "bz2": bz2}[kind].compress(content))


@pytest.mark.parametrize("kind", ["zip", "gzip", "bz2"])
@pytest.mark.parametrize(
    "content", [b"lat,lon\n" + b"48.8,2.3\n" * 400_000, b'[{"lat":48.8,"lon":2.3}' + b" " * 4_000_000]
)
def test_a_file_that_unpacks_to_far_more_is_refused(tmp_path, monkeypatch, kind, content):
    path = packed(kind, content, tmp_path)
    monkeypatch.setattr(files, "_UNPACKED_BYTES", 1 << 20)
    monkeypatch.setattr(files, "_UNPACKED_TIMES", 100)
    said = refusal(path)
    assert (
        "bytes unpack to more than 100 times as many, as none of trips do; if they are right, unpack the file" in said
    )
    monkeypatch.undo()
    if content.startswith(b"lat"):
        assert read(path)[0].size == 400_000
