"""The files of labels."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from taxi_mlops.domain import Clustering, Points, Provenance
from taxi_mlops.pipeline.verdicts import Answers, write_labels
from taxi_mlops.trials.clusterings import store_clustering

PROVENANCE = Provenance("trips.csv", "columns", "1", 9, 3)
LATITUDE, LONGITUDE = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])


@pytest.mark.parametrize(
    ("weight", "row", "names"),
    [
        (None, np.array([0, 4, 8]), ["row", "latitude", "longitude", "label", "core"]),
        (np.array([2.0, 3.0, 4.0]), None, ["latitude", "longitude", "weight", "label", "core"]),
    ],
)
def test_labels_begin_with_the_row_of_the_input_where_points_are_rows(tmp_path, weight, row, names):
    points = Points(LATITUDE, LONGITUDE, weight, "f" * 64, PROVENANCE, row)
    clustering = Clustering(np.array([0, -1, 0], dtype=np.int32), np.array([True, False, False]))
    digest = store_clustering(clustering, tmp_path)
    write_labels(points, Answers("grid", (digest,)), tmp_path, tmp_path)
    table = pq.read_table(tmp_path / "grid.parquet")
    assert table.column_names == names
    assert table["label"].to_pylist() == [0, -1, 0]
    assert table["core"].to_pylist() == [True, False, False]
    if row is not None:
        assert table["row"].to_pylist() == [0, 4, 8]
