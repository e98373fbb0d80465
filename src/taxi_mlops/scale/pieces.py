"""Where points come from, piece by piece: what every source gives to the stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan.arrays import FloatArray, IntArray

ROWS_AT_ONCE = 1 << 18


class Rows(NamedTuple):
    """Points of consecutive rows, which may lack some.

    row: int64 (n,), increasing, counted from the first row of the piece. latitude, longitude: float64 (n,), degrees.
    weight: float64 (n,); of shape (0,) where each point counts once. read: rows that were looked at, dropped ones too.
    counts: of rows, by what the source says of them: why they were dropped, for one.
    """

    row: IntArray
    latitude: FloatArray
    longitude: FloatArray
    weight: FloatArray
    read: int
    counts: Mapping[str, int] = {}


class Piece(Protocol):
    """Rows that one worker reads from the first to the last. It can be pickled, and read again."""

    def points(self, remarks: list[Any]) -> Iterator[Rows]:
        """The points, in batches. Raises DataError if they cannot be read.

        remarks: receives at the end what the source wants to know of the piece; it can be pickled.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ArrayPiece:
    """Points in memory, or in files that are mapped into it. weight: (n,), or None."""

    latitude: NDArray[np.floating]
    longitude: NDArray[np.floating]
    weight: NDArray[np.floating] | None = None

    def points(self, remarks: list[Any]) -> Iterator[Rows]:  # noqa: ARG002
        none = np.empty(0)
        for begin in range(0, len(self.latitude), ROWS_AT_ONCE):
            part = slice(begin, begin + ROWS_AT_ONCE)
            latitude = np.asarray(self.latitude[part], dtype=np.float64)
            longitude = np.asarray(self.longitude[part], dtype=np.float64)
            weight = none if self.weight is None else np.asarray(self.weight[part], dtype=np.float64)
            yield Rows(np.arange(begin, begin + len(latitude)), latitude, longitude, weight, len(latitude))


@dataclass(frozen=True, slots=True)
class MappedPiece:
    """Points `begin` to `end` of the files `latitude.npy`, `longitude.npy` and, if there is one, `weight.npy`."""

    folder: Path
    begin: int
    end: int

    def points(self, remarks: list[Any]) -> Iterator[Rows]:
        latitude, longitude = self._mapped("latitude"), self._mapped("longitude")
        weight = self._mapped("weight") if (self.folder / "weight.npy").exists() else None
        return ArrayPiece(latitude, longitude, weight).points(remarks)

    def _mapped(self, name: str) -> FloatArray:
        values: FloatArray = np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return values[self.begin : self.end]


def array_pieces(
    latitude: NDArray[np.floating],
    longitude: NDArray[np.floating],
    weight: NDArray[np.floating] | None,
    rows: int,
) -> Sequence[Piece]:
    """Cut arrays of shape (n,) into pieces of so many rows."""
    parts = [slice(begin, begin + rows) for begin in range(0, len(latitude), rows)]
    return [ArrayPiece(latitude[part], longitude[part], None if weight is None else weight[part]) for part in parts]
