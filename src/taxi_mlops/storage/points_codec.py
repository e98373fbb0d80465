"""Prepared points as one Arrow IPC stream, and back. What comes back is checked in full, and never unpickled.

Columns latitude, longitude and, where there is one, weight, in batches compressed with LZ4. Coordinates that are whole
millionths of a degree, as most are published, travel as int32: half the bytes, and exactly the same numbers.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from taxi_mlops.data.fingerprint import fingerprint
from taxi_mlops.domain import FloatArray, Points, Provenance
from taxi_mlops.storage.shelves import DamagedEntryError

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 1 << 18
_MILLIONTHS = 1e6
_LABEL = b"taxi-mlops"


class _Label(BaseModel):
    """What the stream says about itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    key: str
    n: Annotated[int, Field(ge=1)]
    fingerprint: str
    provenance: Provenance


def write_points(points: Points, key: str, sink: IO[bytes]) -> None:
    """Write points that are known by this key."""
    import pyarrow as pa

    label = _Label(key=key, n=len(points), fingerprint=points.fingerprint, provenance=points.provenance)
    columns = {"latitude": _packed(points.latitude), "longitude": _packed(points.longitude)}
    if points.weight is not None:
        columns["weight"] = points.weight
    schema = pa.schema([(name, pa.from_numpy_dtype(values.dtype)) for name, values in columns.items()])
    schema = schema.with_metadata({_LABEL: label.model_dump_json().encode()})
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        for first in range(0, len(points), _BATCH_ROWS):
            arrays = [pa.array(values[first : first + _BATCH_ROWS]) for values in columns.values()]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def read_points(source: IO[bytes], key: str) -> Points:
    """Read points that were written under this key.

    Raises DamagedEntryError where they are not what was written, and what reading the source raises.
    """
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(source) as reader:
            label = _Label.model_validate_json((reader.schema.metadata or {}).get(_LABEL, b""))
            if label.key != key:
                raise DamagedEntryError("it is of other points")
            columns = _columns(reader, label.n)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise DamagedEntryError(" ".join(str(error).split())[:200]) from None
    latitude, longitude, weight = columns["latitude"], columns["longitude"], columns.get("weight")
    if fingerprint(latitude, longitude, weight) != label.fingerprint:
        raise DamagedEntryError("its content does not have its fingerprint")
    return Points(latitude, longitude, weight, label.fingerprint, label.provenance)


def _columns(reader: pa.ipc.RecordBatchStreamReader, n: int) -> dict[str, FloatArray]:
    """The columns by name, each float64 of shape (n,)."""
    names = tuple(reader.schema.names)
    if names not in (("latitude", "longitude"), ("latitude", "longitude", "weight")):
        raise DamagedEntryError(f"it has the columns {', '.join(names)}")
    columns = {name: np.empty(n) for name in names}
    first = 0
    for batch in reader:
        batch.validate()  # that its buffers are as long as it says
        after = first + batch.num_rows
        if after > n:
            break
        for name, values in columns.items():
            _unpack(batch.column(name), values[first:after])
        first = after
    if first != n:
        raise DamagedEntryError(f"it does not hold the {n:,} points that it tells of")
    return columns


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
