"""Write prepared points as Arrow IPC streams, and read them. They are verified when read, and never unpickled.

One stream for each column: latitude, longitude and, if present, weight and row; in batches compressed with LZ4.
Coordinates that are whole millionths of a degree, as most published ones, are stored as int32: half the bytes, without
loss. Rows are stored as differences, which compress to almost nothing.

The label of each stream holds the SHA-256 of itself and of all columns as stored, which takes half the time of the
points' own fingerprint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from taxi_mlops.arrow import as_arrow, as_numpy
from taxi_mlops.domain import FloatArray, Points, Provenance, RowArray
from taxi_mlops.storage.cache_backend import DamagedEntryError

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 1 << 18
_MILLIONTHS = 1e6
_LABEL = b"taxi-mlops"

_Values: TypeAlias = "NDArray[np.int32] | NDArray[np.int64] | NDArray[np.float64]"


class _Label(BaseModel):
    """The metadata of each stream. content: the digest of the columns in their order, and of the label without it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[4] = 4
    key: str
    n: Annotated[int, Field(ge=1)]
    weighted: bool
    numbered: bool
    fingerprint: str
    provenance: Provenance
    content: str = ""

    def without_content(self) -> bytes:
        return self.model_dump_json(exclude={"content"}).encode()


def write_points(points: Points, key: str, sink: IO[bytes]) -> None:
    """Write the points of this key."""
    import pyarrow as pa

    columns = {"latitude": _packed(points.latitude), "longitude": _packed(points.longitude)}
    if points.weight is not None:
        columns["weight"] = np.ascontiguousarray(points.weight)
    if points.row is not None:
        columns["row"] = _steps(points.row)
    label = _Label(
        key=key,
        n=len(points),
        weighted=points.weight is not None,
        numbered=points.row is not None,
        fingerprint=points.fingerprint,
        provenance=points.provenance,
    )
    digest = hashlib.sha256()
    for values in columns.values():
        digest.update(values.data)
    digest.update(label.without_content())
    label = label.model_copy(update={"content": digest.hexdigest()})
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    target = pa.PythonFile(sink, "w")
    for name, values in columns.items():
        schema = pa.schema([(name, pa.from_numpy_dtype(values.dtype))], {_LABEL: label.model_dump_json().encode()})
        with pa.ipc.new_stream(target, schema, options=options) as writer:
            for first in range(0, len(points), _BATCH_ROWS):
                array = as_arrow(values[first : first + _BATCH_ROWS])
                writer.write_batch(pa.record_batch([array], schema=schema))


def read_points(source: IO[bytes], key: str) -> Points:
    """Read the points of this key.

    Raises DamagedEntryError if they are not what was written, and what reading the source raises.
    """
    import pyarrow as pa

    try:
        return _read(pa.PythonFile(source, "r"), key)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise DamagedEntryError(" ".join(str(error).split())[:200]) from None


def _read(stream: pa.PythonFile, key: str) -> Points:
    digest = hashlib.sha256()
    # A batch is unpacked and digested while the next ones arrive.
    with ThreadPoolExecutor(1) as unpacking:

        def unpack(values: _Values, target: NDArray[Any]) -> None:
            if target.dtype == np.float64:
                np.divide(values, _MILLIONTHS if values.dtype == np.int32 else 1.0, out=target)
            else:
                target[:] = values
            digest.update(values.data)

        def begin(values: _Values, target: NDArray[Any]) -> None:
            unpacking.submit(unpack, values, target)

        label, latitude = _column(stream, "latitude", key, begin)
        _, longitude = _column(stream, "longitude", key, begin)
        weight = _column(stream, "weight", key, begin)[1] if label.weighted else None
        row = _column(stream, "row", key, begin, np.int64)[1] if label.numbered else None
    digest.update(label.without_content())
    if digest.hexdigest() != label.content:
        raise DamagedEntryError("its content is not what was written")
    if row is not None:
        np.cumsum(row, out=row)
    return Points(latitude, longitude, weight, label.fingerprint, label.provenance, row)


def _column(
    stream: pa.PythonFile,
    name: str,
    key: str,
    unpack: Callable[[_Values, NDArray[Any]], None],
    dtype: type[np.float64 | np.int64] = np.float64,
) -> tuple[_Label, NDArray[Any]]:
    """Read the label of the next stream and its column, of shape (n,); `unpack` is called with each batch."""
    import pyarrow as pa

    with pa.ipc.open_stream(stream) as reader:
        label = _Label.model_validate_json((reader.schema.metadata or {}).get(_LABEL, b""))
        if label.key != key:
            raise DamagedEntryError("it is of other points")
        (field,) = reader.schema
        if field.name != name or field.type not in (pa.int32(), pa.from_numpy_dtype(dtype)):
            raise DamagedEntryError(f"it has {field} in place of {name}")
        column = np.empty(label.n, dtype)
        first = 0
        for batch in reader:
            batch.validate()  # checks that its buffers have the declared length
            after = first + batch.num_rows
            if after > label.n:
                break
            unpack(as_numpy(batch.column(0)), column[first:after])
            first = after
    if first != label.n:
        raise DamagedEntryError(f"it does not hold the {label.n:,} points of its label")
    return label, column


def _packed(degrees: FloatArray) -> _Values:
    """Return int32 millionths if that is exact, else the values as they are."""
    packed = np.rint(degrees * _MILLIONTHS).astype(np.int32)
    # Compared as bits: -0.0 equals 0.0, and has another fingerprint.
    same = np.array_equal((packed / _MILLIONTHS).view(np.int64), np.ascontiguousarray(degrees).view(np.int64))
    return packed if same else np.ascontiguousarray(degrees)


def _steps(row: RowArray) -> _Values:
    """Return the first row, then the difference of each to the next: as int32 if they fit."""
    steps = np.diff(row, prepend=0)
    fits = steps.min() >= np.iinfo(np.int32).min and steps.max() <= np.iinfo(np.int32).max
    return steps.astype(np.int32) if fits else steps
