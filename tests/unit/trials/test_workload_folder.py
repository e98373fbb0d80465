"""A workload on disk: written once, opened by every trial."""

from __future__ import annotations

import numpy as np
import pytest

from taxi_mlops.domain import Parameters, Points, Provenance
from taxi_mlops.trials.workload_folder import open_workload, workload_size, write_workload


def points(n: int, *, weighted: bool) -> Points:
    generator = np.random.default_rng(n)
    provenance = Provenance("file:trips.csv", "chicago", "v1", n + 3, n, {"nan": 2, "swapped": 1}, ("a sample",))
    weight = generator.uniform(0.1, 5.0, n) if weighted else None
    row = None if weighted else np.arange(n) * 3
    return Points(generator.uniform(-90, 90, n), generator.uniform(-180, 180, n), weight, "abc", provenance, row)


@pytest.mark.parametrize("n", [0, 1, 1000])
@pytest.mark.parametrize("weighted", [False, True])
def test_what_is_written_is_what_is_opened(tmp_path, n, weighted):
    written = points(n, weighted=weighted)
    write_workload(written, Parameters(12.5, 7), tmp_path / "new" / "folder")
    opened = open_workload(tmp_path / "new" / "folder")
    assert opened.parameters == Parameters(12.5, 7)
    assert opened.points.fingerprint == "abc"
    assert opened.points.provenance == written.provenance
    np.testing.assert_array_equal(opened.points.latitude, written.latitude)
    np.testing.assert_array_equal(opened.points.longitude, written.longitude)
    if weighted:
        np.testing.assert_array_equal(opened.points.weight, written.weight)
        assert opened.points.row is None
    else:
        assert opened.points.weight is None
        np.testing.assert_array_equal(opened.points.row, written.row)
        assert opened.points.row.dtype == np.int64
    assert workload_size(tmp_path / "new" / "folder") == n


def test_opened_points_are_plain_read_only_arrays(tmp_path):
    write_workload(points(10, weighted=True), Parameters(1.0, 1), tmp_path)
    opened = open_workload(tmp_path).points
    for array in (opened.latitude, opened.longitude, opened.weight):
        assert type(array) is np.ndarray
        assert not array.flags.writeable
        assert array.dtype == np.float64


def test_writing_again_replaces_weights_and_rows_as_well(tmp_path):
    write_workload(points(10, weighted=True), Parameters(1.0, 1), tmp_path)
    write_workload(points(5, weighted=False), Parameters(2.0, 2), tmp_path)
    opened = open_workload(tmp_path)
    assert (len(opened.points), opened.points.weight, opened.parameters) == (5, None, Parameters(2.0, 2))
    write_workload(points(5, weighted=True), Parameters(2.0, 2), tmp_path)
    assert open_workload(tmp_path).points.row is None


def test_an_empty_folder_is_no_workload(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_workload(tmp_path)
