"""Prepared points as Arrow IPC streams, and back. What comes back is checked in full, and never unpickled.

One stream for each column: latitude, longitude and, where there is one, weight; in batches compressed with LZ4.
Coordinates that are whole millionths of a degree, as most are published, travel as int32: half the bytes, and exactly
the same numbers.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from taxi_mlops.data.fingerprint import Fingerprint
from taxi_mlops.domain import FloatArray, Points, Provenance
from taxi_mlops.storage.shelves import DamagedEntryError

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 1 << 18
_MILLIONTHS = 1e6
_LABEL = b"taxi-mlops"
_NAMES = ("latitude", "longitude", "weight")


class _Label(BaseModel):
    """What the stream says about itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    key: str
    n: Annotated[int, Field(ge=1)]
    weighted: bool
    fingerprint: str
    provenance: Provenance


def write_points(points: Points, key: str, sink: IO[bytes]) -> None:
    """Write points that are known by this key."""
    import pyarrow as pa

    columns = {"latitude": _packed(points.latitude), "longitude": _packed(points.longitude)}
    if points.weight is not None:
        columns["weight"] = points.weight
    label = _Label(
        key=key,
        n=len(points),
        weighted=points.weight is not None,
        fingerprint=points.fingerprint,
        provenance=points.provenance,
    )
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    target = pa.PythonFile(sink, "w")
    for name, values in columns.items():
        schema = pa.schema([(name, pa.from_numpy_dtype(values.dtype))], {_LABEL: label.model_dump_json().encode()})
        with pa.ipc.new_stream(target, schema, options=options) as writer:
            for first in range(0, len(points), _BATCH_ROWS):
                array = pa.array(values[first : first + _BATCH_ROWS])
                writer.write_batch(pa.record_batch([array], schema=schema))


def read_points(source: IO[bytes], key: str) -> Points:
    """Read points that were written under this key.

    Raises DamagedEntryError where they are not what was written, and what reading the source raises.
    """
    import pyarrow as pa

    stream, columns = pa.PythonFile(source, "r"), {}
    label, digest = None, Fingerprint()
    try:
        # The digest of what has come is computed while more comes.
        with ThreadPoolExecutor(1) as digesting:
            for name in _NAMES:
                with pa.ipc.open_stream(stream) as reader:
                    label = _checked(reader.schema, name, key)
                    columns[name] = _column(reader, name, label.n, digest, digesting)
                if name == _NAMES[1] and not label.weighted:
                    break
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise DamagedEntryError(" ".join(str(error).split())[:200]) from None
    if label is None or digest.hexdigest() != label.fingerprint:
        raise DamagedEntryError("its content does not have its fingerprint")
    return Points(columns["latitude"], columns["longitude"], columns.get("weight"), label.fingerprint, label.provenance)


def _checked(schema: pa.Schema, name: str, key: str) -> _Label:
    """The label of a stream that holds just this column of these points."""
    label = _Label.model_validate_json((schema.metadata or {}).get(_LABEL, b""))
    if label.key != key:
        raise DamagedEntryError("it is of other points")
    if schema.names != [name]:
        raise DamagedEntryError(f"it has the columns {', '.join(schema.names)} in place of {name}")
    return label


def _column(
    reader: pa.ipc.RecordBatchStreamReader, name: str, n: int, digest: Fingerprint, digesting: ThreadPoolExecutor
) -> FloatArray:
    """One column: float64 of shape (n,)."""
    values = np.empty(n)
    first = 0
    digesting.submit(digest.begin, name, n)
    for batch in reader:
        batch.validate()  # that its buffers are as long as it says
        after = first + batch.num_rows
        if after > n:
            break
        _unpack(batch.column(0), values[first:after])
        digesting.submit(digest.update, values[first:after])
        first = after
    if first != n:
        raise DamagedEntryError(f"it does not hold the {n:,} points that it tells of")
    return values


def _packed(degrees: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.int32 | np.float64]]:
    """As int32 of millionths where that loses nothing, else as they are."""
    packed = np.rint(degrees * _MILLIONTHS).astype(np.int32)
    # Compared as bits: -0.0 equals 0.0, and has another fingerprint.
    same = np.array_equal((packed / _MILLIONTHS).view(np.int64), np.ascontiguousarray(degrees).view(np.int64))
    return packed if same else degrees


def _unpack(column: pa.Array, target: FloatArray) -> None:
    values = column.to_numpy(zero_copy_only=True)
    if values.dtype == np.int32:
        np.divide(values, _MILLIONTHS, out=target)
    elif values.dtype == np.float64:
        target[:] = values
    else:
        raise DamagedEntryError(f"it has a column of {values.dtype}")
