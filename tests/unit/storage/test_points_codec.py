"""Points as a stream and back: the same to the last bit, or an error."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from taxi_mlops.data.fingerprint import fingerprint
from taxi_mlops.domain import Points, Provenance
from taxi_mlops.storage import points_codec
from taxi_mlops.storage.cache_backend import DamagedEntryError
from taxi_mlops.storage.points_codec import read_points, write_points

KEY = "a" * 64


def make(latitude, longitude, weight=None, row=None):
    provenance = Provenance(
        uri="s3://trips/ü.csv",
        schema="x",
        data_version="1",
        rows_read=9,
        rows_used=7,
        dropped={"zero": 2},
        notes=("two", "notes"),
    )
    return Points(latitude, longitude, weight, fingerprint(latitude, longitude, weight), provenance, row)


def written(points, key=KEY):
    stream = io.BytesIO()
    write_points(points, key, stream)
    return stream.getvalue()


def read(content, key=KEY):
    return read_points(io.BytesIO(content), key)


degrees = st.floats(-90, 90, allow_subnormal=True) | st.integers(-90_000_000, 90_000_000).map(lambda n: n / 1e6)


@given(st.data())
def test_any_points_come_back_to_the_last_bit(data):
    n = data.draw(st.integers(1, 60))
    latitude, longitude = (data.draw(arrays(np.float64, n, elements=degrees)) for _ in range(2))
    weight = data.draw(st.none() | arrays(np.float64, n, elements=st.floats(1, 1e9)))
    row = data.draw(st.none() | arrays(np.int64, n, elements=st.integers(0, 1 << 62)).map(np.sort))
    points = make(latitude, longitude, weight, row)
    found = read(written(points))
    np.testing.assert_array_equal(found.row, row)
    assert row is None or found.row.dtype == np.int64
    assert found.fingerprint == points.fingerprint == fingerprint(found.latitude, found.longitude, found.weight)
    assert found.provenance == points.provenance
    assert found.latitude.dtype == np.float64


def test_many_batches_come_back_in_order(monkeypatch):
    monkeypatch.setattr(points_codec, "_BATCH_ROWS", 7)
    points = make(np.linspace(-89, 89, 100), np.linspace(0, 1, 100), row=np.arange(3, 203, 2))
    found = read(written(points))
    np.testing.assert_array_equal(found.latitude, points.latitude)
    np.testing.assert_array_equal(found.row, points.row)


def test_rows_take_almost_no_bytes():
    latitude, longitude = np.random.default_rng(0).uniform(-90, 90, (2, 100_000))
    row = np.flatnonzero(np.random.default_rng(1).random(103_000) < 0.98)[:100_000]
    without = len(written(make(latitude, longitude)))
    assert len(written(make(latitude, longitude, row=row))) < 1.05 * without


def test_millionths_of_degrees_take_half_the_bytes():
    rng = np.random.default_rng(0)
    published = make(*(rng.integers(-90_000_000, 90_000_000, (2, 10_000)) / 1e6))
    precise = make(*rng.uniform(-90, 90, (2, 10_000)))
    assert len(written(published)) < 0.55 * len(written(precise))


def test_every_flipped_byte_is_noticed_or_harms_nothing():
    points = make(np.array([1.5, 2.25, -3.125]), np.array([4.0, 5.0, 6.0]), row=np.array([0, 2, 1 << 40]))
    content = written(points)
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0x40
        try:
            found = read(bytes(damaged))
        except DamagedEntryError:
            continue
        np.testing.assert_array_equal(found.latitude, points.latitude)
        np.testing.assert_array_equal(found.longitude, points.longitude)
        np.testing.assert_array_equal(found.row, points.row)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_stream_that_ends_early_is_noticed(share):
    content = written(make(np.linspace(0, 1, 1000), np.linspace(0, 1, 1000)))
    with pytest.raises(DamagedEntryError):
        read(content[: int(share * len(content))])


def test_points_of_another_key_are_refused():
    with pytest.raises(DamagedEntryError, match="of other points"):
        read(written(make(np.array([1.0]), np.array([2.0]))), "b" * 64)


def arrow(label, **columns):
    """A stream for each column, as they are written."""
    streams = io.BytesIO()
    for name, values in columns.items():
        table = pa.table({name: values}).replace_schema_metadata({b"taxi-mlops": label} if label else None)
        with pa.ipc.new_stream(streams, table.schema) as writer:
            writer.write_table(table)
    return streams.getvalue()


def test_what_only_looks_like_points_is_refused():
    points = make(np.array([np.pi]), np.array([np.e]))
    label = pa.ipc.open_stream(written(points)).schema.metadata[b"taxi-mlops"]
    more = label.replace(b'"n":1,', b'"n":999999999999,')
    assert more != label
    for content in (
        b"",
        b"\x80\x04\x95pickle",
        arrow(None, latitude=[np.pi], longitude=[np.e]),
        arrow(b"{}", latitude=[np.pi], longitude=[np.e]),
        arrow(label, latitude=[np.pi]),
        arrow(label, longitude=[np.e], latitude=[np.pi]),
        arrow(label, latitude=["1"], longitude=["2"]),
        arrow(label, latitude=[np.pi] * 2, longitude=[np.e] * 2),
        arrow(label, latitude=[None], longitude=[np.e]),
        arrow(label, latitude=[np.pi], longitude=[2.5]),
        arrow(more, latitude=[np.pi], longitude=[np.e]),
    ):
        with pytest.raises(DamagedEntryError):
            read(content)
    assert len(read(arrow(label, latitude=[np.pi], longitude=[np.e]))) == 1
