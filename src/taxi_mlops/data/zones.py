"""Convert trips with zone numbers to weighted points, by a file of zone polygons.

A zone's point is a representative one inside its polygon, which represents all trips of the zone. What is clustered are
then zones, weighted by their trips, and every output says so.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.data.files import TripFile, opened
from taxi_mlops.data.preprocessor import CleanedCoordinates, Rule
from taxi_mlops.data.regions import BoundingBox
from taxi_mlops.domain import FloatArray
from taxi_mlops.errors import DataError

if TYPE_CHECKING:
    import shapefile
    from shapely.geometry.base import BaseGeometry

_NUMBER_FIELD = "LocationID"
_UNKNOWN_ZONES = (264.0, 265.0)
_LARGEST_MEMBER_BYTES = 256 << 20
_INSTALL = 'pip install "taxi-mlops[zones]"'
_NOTE = (
    "The trips have no points: they are counted at one place inside each zone, weighted by the number of trips; "
    "clusters are groups of zones, and distances are between zones"
)


class ZoneRule(StrEnum):
    """Why a trip with zones is dropped, beside `Rule.MISSING` and `Rule.OUTSIDE_REGION` (with a given box)."""

    UNKNOWN_ZONE = "unknown_zone"
    """264 and 265, which New York writes for “unknown” and “outside of the city”."""
    ZONE_NOT_IN_FILE = "zone_not_in_file"
    """The zones file has no polygon of this number."""


@dataclass(frozen=True, slots=True, eq=False)
class Zones:
    """m zones by ascending number: number int64, latitude and longitude float64 in degrees, each of shape (m,)."""

    number: NDArray[np.int64]
    latitude: FloatArray
    longitude: FloatArray


def read_zones(source: TripFile) -> Zones:
    """Read a zipped shapefile, of any projection that its .prj defines, with the field LocationID.

    Polygons with the same number are one zone. Members are read in memory, never unpacked to disk.

    Raises DataError if a package is missing, the file cannot be read, or it lacks the projection or the field.
    """
    try:
        import pyproj
        import shapefile
        import shapely
    except ImportError as error:
        raise DataError(f"reading zones needs the package {error.name!r}: {_INSTALL}") from error

    members = _read_members(source)
    try:
        crs = pyproj.CRS.from_wkt(members[".prj"].decode("utf-8", errors="replace"))
        with shapefile.Reader(
            **{suffix[1:]: io.BytesIO(members[suffix]) for suffix in (".shp", ".shx", ".dbf")}
        ) as file:
            polygons = _polygons_by_number(file, source)
        numbers = sorted(polygons)
        inside = [shapely.union_all(polygons[number]).representative_point() for number in numbers]
        to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
        longitude, latitude = to_degrees.transform([point.x for point in inside], [point.y for point in inside])
    except (shapefile.ShapefileException, pyproj.exceptions.ProjError, shapely.errors.ShapelyError) as error:
        raise DataError(f"{source}: not a readable shapefile of polygons: {error}") from error
    return Zones(np.array(numbers, dtype=np.int64), np.asarray(latitude), np.asarray(longitude))


def count_by_zone(batches: Iterable[FloatArray], zones: Zones, region: BoundingBox | None) -> CleanedCoordinates:
    """Return one point for each zone that has trips, weighted by their number.

    batches: zone number of each trip, float64 of shape (n,), NaN if missing. region: zones whose point lies outside are
    dropped; no region is found from zones.
    """
    dropped = dict.fromkeys((str(rule) for rule in (Rule.MISSING, *ZoneRule, Rule.OUTSIDE_REGION)), 0)
    trips = np.zeros(zones.number.size, dtype=np.int64)
    rows_read = 0
    for batch in batches:
        rows_read += batch.size
        given = batch[~np.isnan(batch)]
        known = given[~np.isin(given, _UNKNOWN_ZONES)]
        found = known[np.isin(known, zones.number)]
        dropped[Rule.MISSING] += batch.size - given.size
        dropped[ZoneRule.UNKNOWN_ZONE] += given.size - known.size
        dropped[ZoneRule.ZONE_NOT_IN_FILE] += known.size - found.size
        trips += np.bincount(np.searchsorted(zones.number, found), minlength=trips.size)
    kept = trips > 0
    if region is not None:
        inside = region.contains(zones.latitude, zones.longitude)
        dropped[Rule.OUTSIDE_REGION] = int(trips[~inside].sum())
        kept &= inside
    return CleanedCoordinates(
        zones.latitude[kept],
        zones.longitude[kept],
        rows_read,
        dropped,
        region,
        weight=trips[kept].astype(np.float64),
        notes=(_NOTE,),
    )


def _read_members(source: TripFile) -> dict[str, bytes]:
    """Return the parts of the only shapefile in a zip, by suffix, each of a limited size."""
    try:
        with opened(source) as content, zipfile.ZipFile(content) as archive:
            stems = [name[:-4] for name in archive.namelist() if name.lower().endswith(".shp")]
            if len(stems) != 1:
                raise DataError(f"{source}: must hold one shapefile, found {len(stems)}")
            by_name = {name.lower(): name for name in archive.namelist()}
            members = {}
            for suffix in (".shp", ".shx", ".dbf", ".prj"):
                name = by_name.get(stems[0].lower() + suffix)
                if name is None:
                    raise DataError(f"{source}: {stems[0]}{suffix} is missing from the zip")
                with archive.open(name) as member:
                    members[suffix] = member.read(_LARGEST_MEMBER_BYTES + 1)
                if len(members[suffix]) > _LARGEST_MEMBER_BYTES:
                    raise DataError(f"{source}: {name} is larger than {_LARGEST_MEMBER_BYTES >> 20} MiB")
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{source}: not a readable zip file of a shapefile: {error}") from error
    return members


def _polygons_by_number(file: shapefile.Reader, source: TripFile) -> dict[int, list[BaseGeometry]]:
    import shapely
    from shapely.geometry import shape

    fields = [str(description[0]) for description in file.fields if description[0] != "DeletionFlag"]
    field = next((name for name in fields if name.lower() == _NUMBER_FIELD.lower()), None)
    if field is None:
        raise DataError(f"{source}: no field {_NUMBER_FIELD} among {', '.join(fields)}")
    polygons: dict[int, list[BaseGeometry]] = {}
    for entry in file.iterShapeRecords():
        outline: Any = entry.shape.__geo_interface__
        if outline["type"] not in {"Polygon", "MultiPolygon"}:
            raise DataError(f"{source}: zones must be polygons, found {outline['type']}")
        polygons.setdefault(int(entry.record[field]), []).append(shapely.make_valid(shape(outline)))
    return polygons
