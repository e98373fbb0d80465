"""Locate the points of an Arrow IPC stream or a Parquet file: batches in, batches out, memory bounded by a few batches.

The body waits in a temporary file, so that a fault anywhere in it is answered with an error, and not with half an
answer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from taxi_mlops.domain import NOISE, FloatArray
from taxi_mlops.models.hotspot_model import first_off_earth
from taxi_mlops.serving.arrow_stream import ARROW_STREAM, arrow_batches
from taxi_mlops.serving.parquet_points import PARQUET, parquet_batches
from taxi_mlops.serving.problems import ProblemError
from taxi_mlops.serving.requests import parts_of
from taxi_mlops.serving.served_model import ServedModel
from taxi_mlops.serving.service_metrics import ServiceMetrics

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BYTES = 2 * 1024**3
BODY_SECONDS = 600.0
_IN_MEMORY = 8 * 1024**2
_WRITTEN_AT_ONCE = 1024**2
"""Parts of a body have 64 KiB: to wait for a thread with each would take longer than to write it."""
_GROUP_ROWS = 1 << 17
"""Least rows of a row group but the last: each has an entry in the footer, which waits in memory."""

Batches = Callable[[IO[bytes]], Iterator[tuple[FloatArray, FloatArray]]]
READERS: dict[str, Batches] = {ARROW_STREAM: arrow_batches, PARQUET: parquet_batches}
"""What reads latitude and longitude out of a body, by its type."""


async def spooled(request: Request, batches: Batches) -> IO[bytes]:
    """Write the body to a temporary file and check all of it. Raises ProblemError if anything is wrong."""
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed by `answer`
    try:
        waiting = bytearray()
        async for part in parts_of(request, MAX_BYTES, BODY_SECONDS):
            waiting += part
            if len(waiting) >= _WRITTEN_AT_ONCE:
                await run_in_threadpool(file.write, waiting)
                waiting = bytearray()
        file.write(waiting)
        await run_in_threadpool(_check, batches(file))
    except BaseException:
        file.close()
        raise
    return file


def answer(
    file: IO[bytes], batches: Batches, kind: str, served: ServedModel, metrics: ServiceMetrics
) -> Iterator[bytes]:
    """Yield an Arrow IPC stream or a Parquet file of `hotspot` (int64, null outside) and `metres` (double).

    kind: the type of the answer. An Arrow stream has a batch for each batch of the body.
    """
    import pyarrow as pa

    schema = pa.schema(
        [("hotspot", pa.int64()), ("metres", pa.float64())], {"model": served.name, "version": served.version}
    )
    with file:
        sink = _Sink()
        with _WRITERS[kind](sink, schema) as writer:
            for latitude, longitude in batches(file):
                found = served.model.locate(latitude, longitude)
                outside = found.hotspot == NOISE
                hotspot = pa.array(found.hotspot, mask=outside)
                writer.write_batch(pa.record_batch([hotspot, pa.array(found.metres)], schema=schema))
                metrics.located(int(np.count_nonzero(~outside)), int(np.count_nonzero(outside)))
                metrics.located_in(served.version, served.areas.counts_of_ids(found.hotspot))
                yield sink.taken()
        yield sink.taken()


def answered_type(accept: str, body: str) -> str:
    """Return the type to answer a body of a type with: its own if that is accepted, else the other one.

    accept: the header of the request, empty if there is none. Raises ProblemError if neither is accepted.
    """
    weights = _weights(accept)
    kinds = [body, *(kind for kind in READERS if kind != body)]
    best = max(kinds, key=lambda kind: _weight(weights, kind))  # the first of the best: that of the body
    if _weight(weights, best) <= 0.0:
        raise ProblemError(406, f"The answer is {' or '.join(READERS)}; Accept allows neither (got {accept[:80]!r}).")
    return best


def _weights(accept: str) -> dict[str, float]:
    """Return the weight of each range of types of an Accept header (RFC 9110, 12.5.1)."""
    found: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (one.strip().lower() for one in part.split(";"))
        if kind:
            weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
            try:
                found[kind] = float(weight)
            except ValueError:
                found[kind] = 0.0
    return found or {"*/*": 1.0}


def _weight(weights: dict[str, float], kind: str) -> float:
    ranges = (kind, f"{kind.partition('/')[0]}/*", "*/*")
    return next((weights[one] for one in ranges if one in weights), 0.0)


class _Writer(Protocol):
    def write_batch(self, batch: pa.RecordBatch) -> None: ...


class _Sink:
    """A file that is read while it is written."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: what is written is there."""

    def close(self) -> None:
        """Do nothing: what is written stays."""

    def taken(self) -> bytes:
        """Return what was written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


class _ParquetWriter:
    """Writes batches as row groups of `_GROUP_ROWS` and more."""

    def __init__(self, sink: _Sink, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(sink, schema)
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def write_batch(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        self._rows += len(batch)
        if self._rows >= _GROUP_ROWS:
            self._write()

    def __enter__(self) -> _ParquetWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rows:
            self._write()
        self._writer.close()

    def _write(self) -> None:
        import pyarrow as pa

        self._writer.write_table(pa.Table.from_batches(self._waiting))
        self._waiting, self._rows = [], 0


def _arrow_writer(sink: _Sink, schema: pa.Schema) -> AbstractContextManager[_Writer]:
    import pyarrow as pa

    writer: AbstractContextManager[_Writer] = pa.ipc.new_stream(sink, schema)
    return writer


_WRITERS: dict[str, Callable[[Any, Any], AbstractContextManager[_Writer]]] = {
    ARROW_STREAM: _arrow_writer,
    PARQUET: _ParquetWriter,
}


def _check(batches: Iterator[tuple[FloatArray, FloatArray]]) -> None:
    """Read all batches. Raises ProblemError naming the first fault."""
    rows = 0
    for latitude, longitude in batches:
        i = first_off_earth(latitude, longitude)
        if i is not None:
            raise ProblemError(
                422,
                f"Row {rows + i} has latitude {latitude[i]:g} and longitude {longitude[i]:g}; "
                "latitude is from -90 to 90, longitude from -180 to 180.",
            )
        rows += len(latitude)
