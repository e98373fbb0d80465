"""Locate the points of an Arrow IPC stream: batches in, batches out, memory bounded by one batch.

The stream comes from anyone. It may have the two columns of doubles alone, is not compressed (a small body could unpack
to any size), and each batch is validated whole. The body waits in a temporary file, so that a fault anywhere in it is
answered with an error, and not with half an answer.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from taxi_mlops.arrow import as_numpy
from taxi_mlops.domain import NOISE, FloatArray
from taxi_mlops.models.hotspot_model import first_off_earth
from taxi_mlops.serving.problems import ProblemError
from taxi_mlops.serving.requests import parts_of
from taxi_mlops.serving.served_model import ServedModel
from taxi_mlops.serving.service_metrics import ServiceMetrics

if TYPE_CHECKING:
    import pyarrow as pa

ARROW_STREAM = "application/vnd.apache.arrow.stream"
MAX_BYTES = 2 * 1024**3
BODY_SECONDS = 600.0
MAX_MESSAGE_BYTES = 64 * 1024**2
_IN_MEMORY = 8 * 1024**2
_WRITTEN_AT_ONCE = 1024**2
"""Parts of a body have 64 KiB: to wait for a thread with each would take longer than to write it."""
_COLUMNS = ("latitude", "longitude")
_HEADER, _COMPRESSION = 2, 3
"""Numbers of fields in the tables Message and RecordBatch of Arrow's Message.fbs."""
_SCHEMA_MESSAGE, _BATCH_MESSAGE = "schema", "record batch"


async def spooled(request: Request) -> IO[bytes]:
    """Write the body to a temporary file and check the whole stream. Raises ProblemError if anything is wrong."""
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed by `answer_stream`
    try:
        waiting = bytearray()
        async for part in parts_of(request, MAX_BYTES, BODY_SECONDS):
            waiting += part
            if len(waiting) >= _WRITTEN_AT_ONCE:
                await run_in_threadpool(file.write, waiting)
                waiting = bytearray()
        file.write(waiting)
        await run_in_threadpool(_check, file)
    except BaseException:
        file.close()
        raise
    return file


def answer_stream(file: IO[bytes], served: ServedModel, metrics: ServiceMetrics) -> Iterator[bytes]:
    """Yield an Arrow IPC stream with `hotspot` (int64, null outside) and `metres` (double), a batch for each batch."""
    import pyarrow as pa

    schema = pa.schema(
        [("hotspot", pa.int64()), ("metres", pa.float64())], {"model": served.name, "version": served.version}
    )
    with file:
        sink = _Sink()
        with pa.ipc.new_stream(sink, schema) as writer:
            for latitude, longitude in _batches(file):
                found = served.model.locate(latitude, longitude)
                outside = found.hotspot == NOISE
                hotspot = pa.array(found.hotspot, mask=outside)
                writer.write_batch(pa.record_batch([hotspot, pa.array(found.metres)], schema=schema))
                metrics.located(int(np.count_nonzero(~outside)), int(np.count_nonzero(outside)))
                yield sink.taken()
        yield sink.taken()


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


def _check(file: IO[bytes]) -> None:
    """Read the whole stream. Raises ProblemError naming the first fault."""
    rows = 0
    for latitude, longitude in _batches(file):
        i = first_off_earth(latitude, longitude)
        if i is not None:
            raise ProblemError(
                422,
                f"Row {rows + i} has latitude {latitude[i]:g} and longitude {longitude[i]:g}; "
                "latitude is from -90 to 90, longitude from -180 to 180.",
            )
        rows += len(latitude)


def _batches(file: IO[bytes]) -> Iterator[tuple[FloatArray, FloatArray]]:
    import pyarrow as pa

    file.seek(0)
    try:
        reader = pa.ipc.MessageReader.open_stream(pa.PythonFile(file, mode="r"))
        first = _next(reader)
        if first is None or first.type != _SCHEMA_MESSAGE:
            raise ProblemError(422, "The stream does not begin with a schema.")
        schema = pa.ipc.read_schema(first)
        _check_schema(schema)
        while (message := _next(reader)) is not None:
            yield _columns(message, schema)
    except (pa.ArrowException, EOFError, OSError, struct.error) as error:
        raise ProblemError(422, f"The body is no Arrow IPC stream: {' '.join(str(error).split())[:200]}") from None


def _next(reader: pa.MessageReader) -> pa.Message | None:
    try:
        return reader.read_next_message()
    except StopIteration:
        return None


def _check_schema(schema: pa.Schema) -> None:
    import pyarrow as pa

    if sorted(schema.names) != sorted(_COLUMNS) or any(field.type != pa.float64() for field in schema):
        found = ", ".join(f"{field.name}: {field.type}" for field in schema)[:200]
        raise ProblemError(422, f"The columns must be latitude and longitude, both double (got {found}).")


def _columns(message: pa.Message, schema: pa.Schema) -> tuple[FloatArray, FloatArray]:
    import pyarrow as pa

    if message.type != _BATCH_MESSAGE:
        raise ProblemError(422, f"The stream holds a message of type {message.type}; only record batches are read.")
    if message.body is not None and message.body.size > MAX_MESSAGE_BYTES:
        raise ProblemError(413, f"A batch is larger than {MAX_MESSAGE_BYTES:,} bytes; write smaller ones.")
    if _is_compressed(message.metadata.to_pybytes()):
        raise ProblemError(422, "The batches are compressed; write them without compression.")
    batch = pa.ipc.read_record_batch(message, schema)
    batch.validate(full=True)
    if any(column.null_count for column in batch.columns):
        raise ProblemError(422, "A latitude or longitude is null.")
    return as_numpy(batch["latitude"]), as_numpy(batch["longitude"])


def _is_compressed(metadata: bytes) -> bool:
    """Return whether the flatbuffer of a message has a record batch whose buffers are compressed."""
    (root,) = struct.unpack_from("<I", metadata, 0)
    header = _field(metadata, root, _HEADER)
    if header is None:
        return False
    (offset,) = struct.unpack_from("<I", metadata, header)
    return _field(metadata, header + offset, _COMPRESSION) is not None


def _field(metadata: bytes, table: int, number: int) -> int | None:
    """Return where a table of a flatbuffer has a field; None if it is left out."""
    (to_vtable,) = struct.unpack_from("<i", metadata, table)
    vtable = table - to_vtable
    (size,) = struct.unpack_from("<H", metadata, vtable)
    slot = 4 + 2 * number
    if slot + 2 > size:
        return None
    (offset,) = struct.unpack_from("<H", metadata, vtable + slot)
    return table + offset if offset else None
