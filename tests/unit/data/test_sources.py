"""What may be named as data, and how versions of it are told apart."""

from __future__ import annotations

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
