"""Cut trips into pieces that are read separately and cleaned by the same rules, so that they need not fit memory.

Each piece is read twice. The first time the rules of one row are applied, and a sample of the rows is kept that the
region is found from; the second time, the region is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np

from taxi_mlops.data.coordinate_names import TripEnd
from taxi_mlops.data.loader import DataLoader, TableRows
from taxi_mlops.data.preprocessor import (
    CleanedCoordinates,
    JudgedRows,
    RegionSample,
    judge_by_region,
    judge_rows,
    notes_on_unread,
)
from taxi_mlops.data.regions import BoundingBox, robust_region
from taxi_mlops.data.row_groups import row_groups
from taxi_mlops.data.synthetic import BATCH_ROWS, CityAddress, SyntheticCity
from taxi_mlops.data.validator import DataValidator
from taxi_mlops.domain import FloatArray
from taxi_mlops.scale.pieces import Rows

WRAPPED = "wrapped"
"""The name of the count of points whose longitude was moved to the same meridian."""
_SMALL = 16
"""Files smaller than this share of a piece are read together with others."""


class RawRows(Protocol):
    """Consecutive rows as they are stored. It can be pickled."""

    def validator(self) -> DataValidator | None:
        """Return the validator of these rows, if there is one."""
        ...

    def absolute(self) -> Self:
        """Return the same rows, for a process with another working directory."""
        ...

    def coordinates(self, validator: DataValidator | None) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield latitude and longitude of each batch: float64 of shape (n,), degrees, NaN if missing."""
        ...


@dataclass(frozen=True, slots=True)
class CityRows:
    """Trips of a synthetic city. first_row: where one of its batches begins."""

    address: CityAddress
    points: TripEnd
    first_row: int
    rows: int

    def validator(self) -> None:
        """Return None: the city needs no validation."""

    def absolute(self) -> Self:
        """Return itself: no file is read."""
        return self

    def coordinates(self, validator: DataValidator | None) -> Iterator[tuple[FloatArray, FloatArray]]:  # noqa: ARG002
        for batch in SyntheticCity(self.address.seed).batches(self.first_row + self.rows, self.first_row):
            yield batch.ends(self.points)


@dataclass(frozen=True, slots=True, eq=False)
class TripRemarks:
    """The results of the first reading of a piece. validators: of its parts."""

    validators: tuple[DataValidator | None, ...]
    sample: RegionSample


@dataclass(frozen=True, slots=True, eq=False)
class TripPiece:
    """Some trips, in the order in which they are read, as `taxi_mlops.scale.pieces.Piece`.

    first_row: how many rows of the input are before them. settled: whether it is read for the second time; `region` is
    known then, or None for none.
    """

    parts: tuple[RawRows, ...]
    first_row: int
    settled: bool = False
    region: BoundingBox | None = None

    def settle(self, region: BoundingBox | None) -> TripPiece:
        """Return the piece for the second reading."""
        return replace(self, settled=True, region=region)

    def absolute(self) -> TripPiece:
        """Return the same piece, for a process with another working directory."""
        return replace(self, parts=tuple(part.absolute() for part in self.parts))

    def points(self, remarks: list[Any]) -> Iterator[Rows]:
        """Yield the points in batches; append TripRemarks after the first reading."""
        next_row, sample, validators = 0, RegionSample(), []
        for part in self.parts:
            validator = None if self.settled else part.validator()
            for latitude, longitude in part.coordinates(validator):
                judged = judge_rows(next_row, latitude, longitude)
                next_row += len(latitude)
                if not self.settled:
                    sample.add(self.first_row + judged.row, judged.latitude, judged.longitude)
                yield _inside(self.region, judged, len(latitude))
            validators.append(validator)
        if not self.settled:
            remarks.append(TripRemarks(tuple(validators), sample))


def _inside(region: BoundingBox | None, judged: JudgedRows, read: int) -> Rows:
    """Return the points that are in a region."""
    row, latitude, longitude, counts = judged.row, judged.latitude, judged.longitude, Counter(judged.dropped)
    if region is not None:
        inside, outside = judge_by_region(region, latitude, longitude)
        if inside is not None:
            row, latitude, longitude = row[inside], latitude[inside], longitude[inside]
            counts.update(outside)
    if judged.wrapped.size:
        counts[WRAPPED] = int(np.count_nonzero(np.isin(judged.wrapped, row, assume_unique=True)))
    return Rows(row, latitude, longitude, _NO_WEIGHT, read, counts)


_NO_WEIGHT = np.empty(0)


def pieces_of_tables(loader: DataLoader, rows: int) -> tuple[TripPiece, ...]:
    """Cut the files of a loader into pieces of about so many rows; a file of unknown length is one piece.

    Row groups of Parquet files stay whole, and no piece has rows of two files that are not small.
    """
    whole = [loader.table_rows(table) for table in loader.tables]
    known = [table.rows for table in loader.tables if table.rows is not None]
    if len(known) < len(whole):
        return (TripPiece(tuple(whole), 0),)
    pieces: list[TripPiece] = []
    gathered: list[RawRows] = []
    first, count = 0, 0
    for part, size in ((part, size) for table in whole for part, size in _parts(table, rows)):
        if gathered and count + size > rows // _SMALL:
            pieces.append(TripPiece(tuple(gathered), first))
            gathered, first, count = [], first + count, 0
        gathered.append(part)
        count += size
    pieces.append(TripPiece(tuple(gathered), first))
    return tuple(pieces)


def _parts(table: TableRows, rows: int) -> Iterator[tuple[TableRows, int]]:
    """Yield the row groups of a table, some joined, and how many rows they have."""
    total = table.table.rows or 0
    if table.table.format != "parquet" or table.table.content is not None or total <= rows:
        yield table, total
        return
    groups: list[int] = []
    first, count = 0, 0
    for number, size in enumerate(group.rows for group in row_groups(table.table.stored)):
        if groups and count + size > rows:
            yield replace(table, groups=tuple(groups), first_row=first), count
            groups, first, count = [], first + count, 0
        groups.append(number)
        count += size
    yield replace(table, groups=tuple(groups), first_row=first), count


def pieces_of_city(address: CityAddress, points: TripEnd, rows: int) -> tuple[TripPiece, ...]:
    """Cut a synthetic city into pieces of about so many trips."""
    step = max(rows // BATCH_ROWS, 1) * BATCH_ROWS
    return tuple(
        TripPiece((CityRows(address, points, first, min(step, address.rows - first)),), first)
        for first in range(0, address.rows, step)
    )


def settle(
    pieces: Sequence[TripPiece],
    remarks: Sequence[TripRemarks],
    region: BoundingBox | None,
    find_region: bool,
    examine: Callable[[CleanedCoordinates], CleanedCoordinates],
) -> tuple[tuple[TripPiece, ...], BoundingBox | None, tuple[str, ...]]:
    """Return the pieces for the second reading, the region that was given or found, and notes on the points.

    remarks: of the first reading of each piece. examine: notes what is doubtful; here it sees a sample of the points.
    Raises DataError if a file is unusable, or `examine` says so.
    """
    unread = sum(one.unread for remark in remarks for one in remark.validators if one is not None)
    _conclude(pieces, remarks)
    sample = RegionSample()
    for remark in remarks:
        sample.merge(remark.sample)
    latitude, longitude = sample.points()
    if region is None and find_region:
        region = robust_region(latitude, longitude)
    if region is not None:
        inside = region.contains(latitude, longitude)
        latitude, longitude = latitude[inside], longitude[inside]
    notes = examine(CleanedCoordinates(latitude, longitude, len(latitude), {}, region)).notes
    return tuple(piece.settle(region) for piece in pieces), region, (*notes, *notes_on_unread(unread))


def _conclude(pieces: Sequence[TripPiece], remarks: Sequence[TripRemarks]) -> None:
    """Merge the results of the parts of each file. Raises DataError if one is unusable."""
    whole: DataValidator | None = None
    for piece, remark in zip(pieces, remarks, strict=True):
        for part, validator in zip(piece.parts, remark.validators, strict=True):
            if validator is None:
                continue
            if whole is not None and isinstance(part, TableRows) and part.first_row > 0:
                whole.merge(validator)
                continue
            if whole is not None:
                whole.conclude()
            whole = validator
    if whole is not None:
        whole.conclude()
