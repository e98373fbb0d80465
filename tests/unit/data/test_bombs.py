"""A small Parquet file of many equal rows is refused before it fills the memory. Other files: `test_csv_faults`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_mlops.data import files
from taxi_mlops.data.load import LoadRequest, load_points
from taxi_mlops.errors import DataError
from taxi_mlops.settings import Settings

ROWS = 400_000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files of a few megabytes be bombs."""
    monkeypatch.setattr(files, "_UNPACKED_BYTES", 1 << 20)


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trips.parquet"
    columns = {"latitude": np.full(ROWS, -33.4), "longitude": np.full(ROWS, -70.6)}
    pq.write_table(pa.table(columns), path, compression="zstd")
    assert path.stat().st_size < 25_000
    with pytest.raises(DataError, match=r"trips\.parquet: [\d,]+ bytes unpack to more than 250 times as many"):
        load_points(LoadRequest(source=str(path)), Settings(cache_dir=tmp_path / "cache"))


def test_trips_that_compress_well_are_read(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    columns = {"latitude": -33.4 + generator.integers(0, 50, ROWS) / 1e3, "longitude": np.full(ROWS, -70.6)}
    path = tmp_path / "trips.parquet"
    pq.write_table(pa.table(columns), path, compression="zstd")
    points = load_points(LoadRequest(source=str(path)), Settings(cache_dir=tmp_path / "cache"))
    assert len(points.latitude) == ROWS
