"""Leave out the row groups of Parquet files that have no points in a box, by the statistics in the file's footer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from taxi_mlops.data.files import TripFile
from taxi_mlops.data.parquet_table import parquet_metadata
from taxi_mlops.data.regions import BoundingBox

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group of a file. ranges: least and greatest value of columns of numbers, where the file has them."""

    rows: int
    ranges: Mapping[str, Range]


@dataclass(frozen=True, slots=True)
class GroupRun:
    """Consecutive row groups of a file; None for all.

    outside: a latitude and longitude between the extremes of these rows, if none of them is in the box, which then
    stands for all of them; None if they have to be read.
    """

    groups: tuple[int, ...] | None
    rows: int = 0
    outside: tuple[float, float] | None = None


def row_groups(file: TripFile, columns: Sequence[str] = ()) -> list[RowGroup]:
    """Return the row groups of a file, with the ranges of some columns. Raises as pyarrow does."""
    metadata = parquet_metadata(file)
    places = {metadata.schema.column(number).path: number for number in range(metadata.num_columns)}
    found = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        ranges = dict[str, Range]()
        for name in columns:
            statistics = group.column(places[name]).statistics if name in places else None
            if statistics is None or not statistics.has_min_max:
                continue
            least, greatest = statistics.min, statistics.max
            if all(isinstance(value, int | float) for value in (least, greatest)) and least <= greatest:
                ranges[name] = (float(least), float(greatest))
        found.append(RowGroup(group.num_rows, ranges))
    return found


def runs_of(
    file: TripFile, columns: tuple[str, str], box: BoundingBox, groups: Sequence[int] | None = None
) -> Iterator[GroupRun]:
    """Yield the row groups of a file, or some of them, in order: those to read together, those outside the box apart.

    columns: of latitudes and longitudes in degrees. A row that another rule than "outside the region" may drop is read,
    but for a row without coordinates.
    """
    read: list[int] = []
    for number, group in enumerate(row_groups(file, columns)):
        if groups is not None and number not in groups:
            continue
        corner = _outside(group.ranges.get(columns[0]), group.ranges.get(columns[1]), box)
        if corner is None:
            read.append(number)
            continue
        if read:
            yield GroupRun(tuple(read))
            read = []
        yield GroupRun((number,), group.rows, corner)
    if read:
        yield GroupRun(tuple(read))


def _outside(latitude: Range | None, longitude: Range | None, box: BoundingBox) -> tuple[float, float] | None:
    """Return a point of the rows with these ranges if all are plain degrees outside the box, either way round."""
    if latitude is None or longitude is None:
        return None
    in_degrees = latitude[0] >= -90 and latitude[1] <= 90 and longitude[0] >= -180 and longitude[1] <= 180
    may_be_zero = latitude[0] <= 0 <= latitude[1] and longitude[0] <= 0 <= longitude[1]
    if not in_degrees or may_be_zero or _meets(latitude, longitude, box) or _meets(longitude, latitude, box):
        return None
    return latitude[0], longitude[0]


def _meets(latitude: Range, longitude: Range, box: BoundingBox) -> bool:
    if latitude[1] < box.min_latitude or latitude[0] > box.max_latitude:
        return False
    east, west = longitude[1] >= box.min_longitude, longitude[0] <= box.max_longitude
    return (east or west) if box.crosses_antimeridian else (east and west)
