"""What may be named as data, and how its versions are identified."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

import pytest

from taxi_mlops.data.sources import data_version, resolve
from taxi_mlops.errors import DataError


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere.csv", r"nowhere\.csv: there is no such file \(in /"),
        ("nowhere/*.csv", r"nowhere/\*\.csv: no file matches \(in /"),
        ("ftp://server/trips.csv", "ftp:// is not supported"),
        ("file:///etc/passwd", "file:// is not supported"),
        ("tlc:yellow/2010", "named like tlc:yellow/2010-01"),
        ("tlc:yellow/2010-13", "named like"),
        ("tlc:../2010-01", "named like"),
    ],
)
def test_says_what_is_wrong_with_a_source(source, said, settings):
    with pytest.raises(DataError, match=said):
        resolve(source, settings)


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path, settings):
    path = tmp_path / "trips[1].csv"
    path.touch()
    assert resolve(str(path), settings).files == (path,)


def test_a_folder_stands_for_its_files_of_one_kind(tmp_path, settings):
    folder = tmp_path / "trips"
    (folder / "2016").mkdir(parents=True)
    files = [folder / "2016" / "06.csv.gz", folder / "2016" / "07.CSV", folder / "a.csv"]
    for path in [*files, folder / "README.md", folder / "_SUCCESS", folder / ".hidden.csv", folder / "_tmp.csv"]:
        path.touch()
    assert resolve(str(folder), settings).files == tuple(files)
    (folder / "b.parquet").touch()
    with pytest.raises(DataError, match=r"files of several kinds \(3 \.csv, 1 \.parquet\); name one kind"):
        resolve(str(folder), settings)


def test_a_folder_without_trips_is_named(tmp_path, settings):
    with pytest.raises(DataError, match="a folder without files of trips"):
        resolve(str(tmp_path), settings)


def test_a_pipe_is_read_once_and_may_be_named_again(tmp_path, settings):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"lat,lon\n1,2\n",))
    writer.start()
    (first,) = resolve(str(pipe), settings).files
    writer.join()
    assert first.read_bytes() == b"lat,lon\n1,2\n"
    assert resolve(str(pipe), settings).files == (first,)


def test_a_pipe_that_never_ends_is_given_up(tmp_path, settings):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with suppress(BrokenPipeError):
            pipe.write_bytes(bytes(5_000_000))

    writer = threading.Thread(target=write)
    writer.start()
    with pytest.raises(DataError, match="more than 3,000,000 bytes came"):
        resolve(str(pipe), settings.model_copy(update={"http_max_bytes": 3_000_000}))
    writer.join()


def test_the_version_of_data_changes_with_the_files(tmp_path):
    first, copy = tmp_path / "a", tmp_path / "b"
    first.write_bytes(bytes(3_000_000))
    copy.write_bytes(first.read_bytes())
    assert data_version([first]) == data_version([copy])
    versions = {data_version([first]), data_version([first, copy])}
    for changed in (b"x" + bytes(2_999_999), bytes(2_999_999) + b"x", bytes(3_000_001), b""):
        copy.write_bytes(changed)
        versions.add(data_version([copy]))
    assert len(versions) == 6
