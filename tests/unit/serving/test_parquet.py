from __future__ import annotations

import io
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")

from taxi_mlops.serving import bulk, parquet_points
from taxi_mlops.serving.arrow_stream import ARROW_STREAM
from taxi_mlops.serving.bulk import answered_type
from taxi_mlops.serving.parquet_points import PARQUET, parquet_batches
from taxi_mlops.serving.problems import ProblemError


def parquet(columns: dict, **options) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def points(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"latitude": rng.uniform(-0.002, 0.002, n), "longitude": rng.uniform(-0.002, 0.002, n)}


def post(client, body: bytes, kind: str = PARQUET, **headers: str):
    return client.post("/v1/locate", content=body, headers={"Content-Type": kind, **headers})


def answered(response) -> pa.Table:
    assert response.status_code == 200
    if response.headers["content-type"] == PARQUET:
        return pq.read_table(io.BytesIO(response.content))
    return pa.ipc.open_stream(response.content).read_all()


def refused(response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["detail"]


@pytest.mark.parametrize("n", [0, 1, 70_000])
@pytest.mark.parametrize("accept", ["*/*", PARQUET, ARROW_STREAM, f"{PARQUET};q=0.5, {ARROW_STREAM}"])
def test_a_file_is_answered_as_accepted(client, watcher, n, accept):
    given = points(n)
    response = post(client, parquet({**given, "fare": np.ones(n)}), Accept=accept)
    found = answered(response)
    expected = watcher.current.model.locate(given["latitude"], given["longitude"])
    assert response.headers["content-type"] == (ARROW_STREAM if ARROW_STREAM in accept else PARQUET)
    assert response.headers["x-model-version"] == "3"
    assert found["metres"].to_pylist() == expected.metres.tolist()
    assert found["hotspot"].to_pylist() == [None if one == -1 else one for one in expected.hotspot.tolist()]
    assert {key: found.schema.metadata[key] for key in (b"model", b"version")} == {b"model": b"city", b"version": b"3"}


def test_a_stream_of_arrow_is_answered_as_parquet(client, watcher):
    given = points(10)
    sink = io.BytesIO()
    table = pa.table(given)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    found = post(client, sink.getvalue(), ARROW_STREAM, Accept=PARQUET)
    expected = watcher.current.model.locate(given["latitude"], given["longitude"])
    assert answered(found)["metres"].to_pylist() == expected.metres.tolist()
    assert pq.ParquetFile(io.BytesIO(found.content)).num_row_groups == 1  # few batches are one row group


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_files_of_all_kinds_are_read(version, compression, dictionary):
    given = {name: np.round(column, 4) for name, column in points(5000).items()}
    body = parquet(
        given, data_page_version=version, compression=compression, use_dictionary=dictionary, row_group_size=1700,
        max_rows_per_page=300, write_page_checksum=True, write_page_index=True,
    )  # fmt: skip
    batches = list(parquet_batches(io.BytesIO(body)))
    assert np.array_equal(np.concatenate([latitude for latitude, _ in batches]), given["latitude"])
    assert np.array_equal(np.concatenate([longitude for _, longitude in batches]), given["longitude"])


def test_batches_are_bounded(monkeypatch):
    monkeypatch.setattr(parquet_points, "BATCH_ROWS", 1000)
    sizes = [len(latitude) for latitude, _ in parquet_batches(io.BytesIO(parquet(points(3500))))]
    assert (max(sizes), sum(sizes)) == (1000, 3500)


@pytest.mark.parametrize(
    ("limit", "value", "status", "said"),
    [
        ("MAX_ROWS", 99_999, 413, "The file has more than 99,999 rows"),
        ("MAX_PAGES", 9, 413, "The file has more than 9 pages"),
        ("MAX_PAGE_BYTES", 50_000, 413, "A page unpacks to more than 50,000 bytes"),
        ("MAX_FOOTER_BYTES", 100, 413, "The footer is larger than 100 bytes"),
    ],
)
def test_small_files_that_unpack_to_much_are_refused(client, monkeypatch, limit, value, status, said):
    zeros = np.zeros(100_000)
    body = parquet({"latitude": zeros, "longitude": zeros}, compression="zstd", use_dictionary=False)
    assert len(body) < 20_000  # it unpacks to 1.6 MB
    assert answered(post(client, body)).num_rows == 100_000
    monkeypatch.setattr(parquet_points, limit, value)
    found = refused(post(client, body))
    assert found[0] == status
    assert found[1].startswith(said)


NULL = {"latitude": pa.array([0.0, None]), "longitude": pa.array([0.0, 0.0])}
BODY = parquet(points(50))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "it is too short"),
        (b"\xff" * 200, "does not end with PAR1"),
        (b"PAR1" + b"\xff" * 200 + struct.pack("<I", 200) + b"PAR1", "no Parquet file"),
        (BODY[:4] + BODY[40:], "no Parquet file"),
        (parquet({"latitude": [0.0]}), "(got none as longitude)"),
        (parquet({"latitude": [0.0], "longitude": ["0"]}), "(got byte_array as longitude)"),
        (parquet({"latitude": [[0.0]], "longitude": [0.0]}), "(got none as latitude)"),
        (parquet({"latitude": pa.array([0.0], pa.float32()), "longitude": [0.0]}), "(got float as latitude)"),
        (parquet(NULL), "is null"),
        (parquet({"latitude": [0.0, 91.0], "longitude": [0.0, 0.0]}), "Row 1 has latitude 91 and longitude 0"),
        (parquet({"latitude": [0.0, np.nan], "longitude": [0.0, 0.0]}), "Row 1 has latitude nan"),
    ],
    ids=["empty", "noise", "footer", "cut", "missing", "text", "list", "single", "null", "range", "nan"],
)
def test_what_is_wrong_with_a_file_is_said(client, body, said):
    status, detail = refused(post(client, body))
    assert status == 422
    assert said in detail


@given(st.lists(st.tuples(st.integers(0, len(BODY) - 1), st.integers(0, 255)), min_size=1, max_size=8))
@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_damage_is_more_than_an_error(changes):
    body = bytearray(BODY)
    for place, value in changes:
        body[place] = value
    try:
        for latitude, longitude in parquet_batches(io.BytesIO(bytes(body))):
            assert len(latitude) == len(longitude) <= parquet_points.BATCH_ROWS
    except ProblemError as error:
        status = error.status
    else:
        status = 200
    assert status in (200, 413, 422)


@pytest.mark.parametrize(
    ("accept", "body", "expected"),
    [
        ("", PARQUET, PARQUET),
        ("*/*", ARROW_STREAM, ARROW_STREAM),
        ("application/*", ARROW_STREAM, ARROW_STREAM),
        (PARQUET, ARROW_STREAM, PARQUET),
        (f"{PARQUET}; q=0.2, {ARROW_STREAM}; q=0.7", PARQUET, ARROW_STREAM),
        (f"*/*, {PARQUET};q=0", PARQUET, ARROW_STREAM),
        (f"{PARQUET};q=high, */*;q=0.1", PARQUET, ARROW_STREAM),
    ],
)
def test_the_type_of_the_answer(accept, body, expected):
    assert answered_type(accept, body) == expected


def test_a_type_that_is_not_accepted_is_refused(client):
    status, said = refused(post(client, BODY, Accept="text/csv"))
    assert status == 406
    assert said.endswith("(got 'text/csv').")


def test_many_batches_are_few_row_groups(client, monkeypatch):
    monkeypatch.setattr(bulk, "_GROUP_ROWS", 1000)
    monkeypatch.setattr(parquet_points, "BATCH_ROWS", 300)
    found = post(client, parquet(points(2500)))
    groups = pq.ParquetFile(io.BytesIO(found.content)).metadata
    assert [groups.row_group(number).num_rows for number in range(groups.num_row_groups)] == [1200, 1200, 100]
