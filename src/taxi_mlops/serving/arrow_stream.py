"""Read the points of an Arrow IPC stream that comes from anyone: batches out, memory bounded by one batch.

The stream may have the two columns of doubles alone, is not compressed (a small body could unpack to any size), and
each batch is validated whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from taxi_mlops.arrow import as_numpy
from taxi_mlops.domain import FloatArray
from taxi_mlops.serving.problems import ProblemError

if TYPE_CHECKING:
    import pyarrow as pa

ARROW_STREAM = "application/vnd.apache.arrow.stream"
MAX_MESSAGE_BYTES = 64 * 1024**2
_COLUMNS = ("latitude", "longitude")
_HEADER, _COMPRESSION = 2, 3
"""Numbers of fields in the tables Message and RecordBatch of Arrow's Message.fbs."""
_SCHEMA_MESSAGE, _BATCH_MESSAGE = "schema", "record batch"


def arrow_batches(file: IO[bytes]) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield latitude and longitude of each batch. Raises ProblemError if anything is wrong with the stream."""
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
