"""Row groups outside a box are not read, and what comes out is the same."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_mlops.data.load import load_points, open_trips
from taxi_mlops.data.regions import BoundingBox
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.data.row_groups import row_groups, runs_of
from taxi_mlops.errors import DataError
from taxi_mlops.settings import Settings

GROUP = 10
PARIS = (48.8, 2.2, 48.95, 2.45)


def city(latitude, longitude, rows=GROUP, seed=0):
    rng = np.random.default_rng(seed)
    return latitude + rng.uniform(0, 0.05, rows), longitude + rng.uniform(0, 0.05, rows)


def written(path, latitude, longitude, **options):
    table = pa.table({"latitude": pa.array(latitude), "longitude": pa.array(longitude)})
    pq.write_table(table, path, row_group_size=GROUP, **options)
    return path


def two_cities(path):
    """Write two row groups of Paris around one of Rome."""
    parts = [city(48.85, 2.3, seed=1), city(41.9, 12.45, seed=2), city(48.85, 2.3, seed=3)]
    return written(path, np.concatenate([one for one, _ in parts]), np.concatenate([other for _, other in parts]))


def spoil(path, group):
    """Overwrite the rows of a row group: who reads them gets an error."""
    metadata = pq.read_metadata(path)
    with path.open("r+b") as file:
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            file.seek(column.dictionary_page_offset or column.data_page_offset)
            file.write(b"\xff" * column.total_compressed_size)


@pytest.fixture
def settings(tmp_path):
    return Settings(cache_dir=tmp_path / "cache")


def request_of(path, box=PARIS):
    return LoadRequest(source=str(path), bbox=box)


def test_a_row_group_elsewhere_is_not_read(tmp_path, settings):
    path = two_cities(tmp_path / "trips.parquet")
    whole = load_points(request_of(path), settings)
    spoil(path, 1)
    with pytest.raises(DataError, match=r"truncated or corrupt"):
        load_points(LoadRequest(source=str(path)), settings)
    found = load_points(request_of(path), settings)
    assert np.array_equal(found.latitude, whole.latitude)
    assert np.array_equal(found.row, np.r_[0:10, 20:30])
    assert found.fingerprint == whole.fingerprint
    assert (found.provenance.rows_read, found.provenance.rows_used) == (30, 20)
    assert found.provenance.dropped["outside_region"] == 10
    assert any(note.startswith("10 rows were not read") for note in found.provenance.notes)


def test_pieces_do_not_read_it_either(tmp_path, settings):
    path = two_cities(tmp_path / "trips.parquet")
    spoil(path, 1)
    trips = open_trips(request_of(path), settings)
    assert trips.pieces is not None
    pieces = trips.pieces(GROUP)
    assert len(pieces) == 3
    remarks = []
    rows = [rows for piece in pieces for rows in piece.settle(BoundingBox(*PARIS)).points(remarks)]
    assert sum(len(one.latitude) for one in rows) == 20
    assert sum(one.read for one in rows) == 30
    assert sum(one.counts["outside_region"] for one in rows) == 10


def test_a_file_of_a_table_that_lies_elsewhere_is_not_read(tmp_path, settings):
    pytest.importorskip("deltalake", reason="deltalake is in the extra delta")
    from taxi_mlops.versions import commit

    table = tmp_path / "table"
    for name, place in (("paris", (48.85, 2.3)), ("rome", (41.9, 12.45))):
        commit([str(written(tmp_path / f"{name}.parquet", *city(*place)))], str(table), settings)
    source = f"delta:{table}"
    whole = load_points(request_of(source), settings)
    (of_rome,) = [path for path in table.glob("month=*/*.parquet") if pq.read_table(path)["latitude"][0].as_py() < 45]
    spoil(of_rome, 0)
    found = load_points(request_of(source), settings)
    assert found.fingerprint == whole.fingerprint
    assert found.provenance.rows_read == 20
    with pytest.raises(DataError, match=r"truncated or corrupt"):
        load_points(LoadRequest(source=source), settings)


@pytest.mark.parametrize(
    ("latitude", "longitude", "box", "read"),
    [
        ((48.8, 48.9), (2.3, 2.4), PARIS, True),
        ((41.8, 42.0), (12.4, 12.5), PARIS, False),
        ((48.95, 50.0), (2.45, 3.0), PARIS, True),  # they touch
        ((2.3, 2.4), (48.8, 48.9), PARIS, True),  # exchanged, which cleaning counts apart
        ((-0.1, 0.1), (-0.1, 0.1), PARIS, True),  # may hold (0, 0)
        ((41.8, 42.0), (12.4, 286.0), PARIS, True),  # 286 is -74
        ((41.8, 91.0), (12.4, 12.5), PARIS, True),  # out of range
        ((-17.5, -16.5), (179.5, 179.9), (-17, 179, -16, -179), True),
        ((-17.5, -16.5), (-179.9, -179.5), (-17, 179, -16, -179), True),
        ((-17.5, -16.5), (10.0, 20.0), (-17, 179, -16, -179), False),
    ],
)
def test_what_may_count_otherwise_is_read(tmp_path, latitude, longitude, box, read):
    path = written(tmp_path / "trips.parquet", latitude, longitude)
    (run,) = runs_of(path, ("latitude", "longitude"), BoundingBox(*box))
    assert (run.outside is None) == read


def test_ranges_are_of_numbers(tmp_path):
    path = tmp_path / "trips.parquet"
    pq.write_table(
        pa.table({"a": [1, 3], "b": ["x", "y"], "c": [np.nan, np.nan], "d": pa.nulls(2, pa.float64())}), path
    )
    (group,) = row_groups(path, ("a", "b", "c", "d", "none"))
    assert (group.rows, group.ranges) == (2, {"a": (1.0, 3.0)})


degrees = st.one_of(
    st.floats(48.7, 49.0), st.floats(2.1, 2.5), st.floats(-100, 400), st.sampled_from((0.0, None, np.nan, 286.0))
)


@given(
    st.lists(st.tuples(degrees, degrees), min_size=1, max_size=8),
    st.sampled_from((PARIS, (40, 0, 50, 5), (-17, 179, -16, -179), (-90, -180, 90, 180))),
)
def test_the_same_points_come_out(tmp_path_factory, places, box):
    """Each place is a row group of its own rows, so that many groups are outside."""
    folder = tmp_path_factory.mktemp("groups")
    latitude = [place[0] for place in places for _ in range(GROUP)] + [48.85, -16.5]
    longitude = [place[1] for place in places for _ in range(GROUP)] + [2.3, 179.5]
    settings = Settings(cache_dir=folder / "cache")
    with_statistics = written(folder / "a.parquet", latitude, longitude)
    without = written(folder / "b.parquet", latitude, longitude, write_statistics=False)
    try:
        expected = load_points(request_of(without, box), settings)
    except DataError:
        with pytest.raises(DataError):
            load_points(request_of(with_statistics, box), settings)
        return
    found = load_points(request_of(with_statistics, box), settings)
    assert found.fingerprint == expected.fingerprint
    assert np.array_equal(found.row, expected.row)
    one, other = dict(found.provenance.dropped), dict(expected.provenance.dropped)
    assert one.pop("missing") + one.pop("outside_region") == other.pop("missing") + other.pop("outside_region")
    assert one == other
