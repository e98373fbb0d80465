"""A hotspot model: core points, and the hotspots that they belong to. Files of plain arrays and JSON, no pickle."""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES, unit_sphere
from haversine_dbscan.haversine import haversine_of_distance
from taxi_mlops.domain import NOISE, FloatArray
from taxi_mlops.errors import UsageError
from taxi_mlops.limits import usable_cpus

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

IdArray = NDArray[np.int64]
Geometry = dict[str, Any]
"""A geometry of GeoJSON."""

HOURS = 168
"""Hours of a week; the first begins on Monday at 0:00."""
ARRAYS = "model.npz"
OUTLINES = "outlines.json"
_FIELDS = ("latitude", "longitude", "hotspot", "ids", "centre", "size", "area_km2", "eps_metres", "min_samples")
_MAX_UNPACKED_BYTES = 4 * 1024**3
_MAX_OUTLINES_BYTES = 512 * 1024**2
_DEGREE_GRID = 1e7
_PART = 1 << 13
"""Points that a thread locates at a time: what is computed of them stays in the processor's cache."""
_LEAF = 32
_ROWS_PER_DEGREE = 200.0


class Located(NamedTuple):
    """hotspot: int64 (m,), the id of the hotspot around each point, or −1. metres: float64 (m,), to the nearest core
    point."""

    hotspot: IdArray
    metres: FloatArray


class Nearest(NamedTuple):
    """hotspot: the id of that of the nearest core point. inside: whether that is within eps."""

    hotspot: int
    metres: float
    inside: bool


@dataclass(frozen=True, eq=False)
class HotspotModel:
    """A clustering, to look up points in.

    latitude, longitude: of the core points in degrees, float64 (n,), each place once. hotspot: int32 (n,), which row of
    the hotspots each belongs to. ids: int64 (k,), of the hotspots, by which versions of a model correspond. centre:
    float64 (k, 2), latitude and longitude. size: int64 (k,), trips. area_km2: of the outlines, float64 (k,). outlines:
    geometries of GeoJSON, k. hours: int64 (k, 168), trips of each hour of the week, or None without times. trained_on:
    trips that were clustered, noise among them; None if it is not known. names: k, or None if no places were given.
    """

    latitude: FloatArray
    longitude: FloatArray
    hotspot: NDArray[np.int32]
    ids: IdArray
    centre: FloatArray
    size: IdArray
    area_km2: FloatArray
    outlines: tuple[Geometry, ...]
    eps_metres: float
    min_samples: int
    hours: IdArray | None = None
    trained_on: int | None = None
    names: tuple[str | None, ...] | None = None

    def __len__(self) -> int:
        """The number of hotspots."""
        return len(self.ids)

    def locate(self, latitude: FloatArray, longitude: FloatArray) -> Located:
        """Return the hotspot of each point, as `taxi predict` does, and its distance to the nearest core point.

        latitude, longitude: degrees in range, finite, float64 (m,). Without core points the distance is infinite.
        """
        rows, metres = self._rows_and_metres(latitude, longitude)
        return Located(np.append(self.ids, NOISE)[rows], metres)  # of NOISE, −1: the last one

    def rows_at(self, latitude: FloatArray, longitude: FloatArray) -> IdArray:
        """Return the row of the hotspot of each point, int64 (m,), or −1. Points as for `locate`."""
        return self._rows_and_metres(latitude, longitude)[0]

    def _rows_and_metres(self, latitude: FloatArray, longitude: FloatArray) -> tuple[IdArray, FloatArray]:
        rows = np.full(len(latitude), NOISE, dtype=np.int64)
        metres = np.full(len(latitude), np.inf)
        if not len(self.latitude):
            return rows, metres
        if len(latitude) <= _PART:
            self._fill_in(latitude, longitude, rows, metres)
            return rows, metres
        # Neighbours after each other find what they look at in the processor's cache, which halves the time.
        order = np.argsort(np.floor(latitude * _ROWS_PER_DEGREE) * 1e6 + longitude * 1e3)
        latitude, longitude = latitude[order], longitude[order]
        in_order = rows.copy(), metres.copy()

        def fill_in(part: slice) -> None:
            self._fill_in(latitude[part], longitude[part], in_order[0][part], in_order[1][part])

        with ThreadPoolExecutor(len(usable_cpus())) as pool:
            list(pool.map(fill_in, [slice(first, first + _PART) for first in range(0, len(order), _PART)]))
        rows[order], metres[order] = in_order
        return rows, metres

    def _fill_in(self, latitude: FloatArray, longitude: FloatArray, rows: IdArray, metres: FloatArray) -> None:
        nearest = self.index.query(unit_sphere(latitude, longitude))[1]
        hav = _haversine(latitude, longitude, self.latitude[nearest], self.longitude[nearest])
        inside = hav <= self._limit
        rows[inside] = self.hotspot[nearest[inside]]
        metres[:] = 2.0 * EARTH_RADIUS_METRES * np.arcsin(np.sqrt(np.minimum(hav, 1.0)))

    def nearest(self, latitude: float, longitude: float) -> Nearest:
        """Return the hotspot of the nearest core point, however far it is; the model must have one.

        For a single point this takes a third of the time of `locate`, which answers the same.
        """
        phi, theta = math.radians(latitude), math.radians(longitude)
        place = (math.cos(phi) * math.cos(theta), math.cos(phi) * math.sin(theta), math.sin(phi))
        row = self.index.query(place)[1]
        hav = _haversine_of_pair(latitude, longitude, float(self.latitude[row]), float(self.longitude[row]))
        metres = 2.0 * EARTH_RADIUS_METRES * math.asin(math.sqrt(min(hav, 1.0)))
        return Nearest(int(self.ids[self.hotspot[row]]), metres, hav <= self._limit)

    @cached_property
    def index(self) -> cKDTree:
        """The core points on the unit sphere, where Euclidean neighbours are great-circle neighbours."""
        from scipy.spatial import cKDTree

        return cKDTree(unit_sphere(self.latitude, self.longitude), leafsize=_LEAF, balanced_tree=False)

    @cached_property
    def geometries(self) -> NDArray[np.object_]:
        """The outlines as geometries of shapely, (k,)."""
        import shapely

        return np.asarray(shapely.from_geojson([json.dumps(outline) for outline in self.outlines]), dtype=np.object_)

    @cached_property
    def _limit(self) -> float:
        return haversine_of_distance(self.eps_metres)

    @cached_property
    def rows(self) -> dict[int, int]:
        """The row of each hotspot by its id."""
        return {int(one): row for row, one in enumerate(self.ids)}

    def save(self, folder: Path) -> None:
        """Write the model's two files into a folder that exists."""
        arrays: dict[str, NDArray[Any]] = {
            "latitude": _packed(self.latitude),
            "longitude": _packed(self.longitude),
            "hotspot": self.hotspot,
            "ids": self.ids,
            "centre": self.centre,
            "size": self.size,
            "area_km2": self.area_km2,
            "eps_metres": np.float64(self.eps_metres),  # type: ignore[dict-item]
            "min_samples": np.int64(self.min_samples),  # type: ignore[dict-item]
        }
        if self.hours is not None:
            arrays["hours"] = self.hours
        if self.trained_on is not None:
            arrays["trained_on"] = np.int64(self.trained_on)  # type: ignore[assignment]
        if self.names is not None:
            arrays["names"] = np.array([name or "" for name in self.names], dtype=np.str_)
        np.savez_compressed(folder / ARRAYS, **arrays)  # type: ignore[arg-type]
        (folder / OUTLINES).write_text(json.dumps(self.outlines, allow_nan=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> HotspotModel:
        """Read a model. Raises UsageError if its files are missing, damaged, too large, or something else."""
        try:
            arrays = _read_arrays(folder / ARRAYS)
            if (folder / OUTLINES).stat().st_size > _MAX_OUTLINES_BYTES:
                raise UsageError(f"{folder / OUTLINES} is larger than outlines can be")
            outlines = json.loads((folder / OUTLINES).read_text(encoding="utf-8"))
            model = cls(
                latitude=_unpacked(arrays["latitude"]),
                longitude=_unpacked(arrays["longitude"]),
                hotspot=arrays["hotspot"],
                ids=arrays["ids"],
                centre=arrays["centre"],
                size=arrays["size"],
                area_km2=arrays["area_km2"],
                outlines=tuple(outlines),
                eps_metres=float(arrays["eps_metres"]),
                min_samples=int(arrays["min_samples"]),
                hours=arrays.get("hours"),
                names=_names(arrays.get("names")),
                trained_on=int(arrays["trained_on"]) if "trained_on" in arrays else None,
            )
        except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"{folder} holds no hotspot model: {' '.join(str(error).split())}") from None
        model.check(str(folder))
        return model

    def check(self, where: str) -> None:
        """Raise UsageError if the arrays do not fit each other."""
        n, k = len(self.latitude), len(self.ids)
        shapes: dict[str, tuple[NDArray[Any], tuple[int, ...], type]] = {
            "latitude": (self.latitude, (n,), np.float64),
            "longitude": (self.longitude, (n,), np.float64),
            "hotspot": (self.hotspot, (n,), np.int32),
            "ids": (self.ids, (k,), np.int64),
            "centre": (self.centre, (k, 2), np.float64),
            "size": (self.size, (k,), np.int64),
            "area_km2": (self.area_km2, (k,), np.float64),
            **({} if self.hours is None else {"hours": (self.hours, (k, HOURS), np.int64)}),
        }
        for name, (array, shape, kind) in shapes.items():
            if array.shape != shape or array.dtype != kind:
                raise UsageError(f"{where}: a broken hotspot model: {name} is {array.dtype} {array.shape}, not {shape}")
        sound = (
            len(self.outlines) == k
            and (self.names is None or len(self.names) == k)
            and len(np.unique(self.ids)) == k
            and (self.hotspot >= 0).all()
            and (self.hotspot < k).all()
            and (np.abs(self.latitude) <= 90.0).all()
            and (np.abs(self.longitude) <= 180.0).all()
            and self.eps_metres > 0.0
            and (self.trained_on is None or self.trained_on >= self.size.sum())
        )
        if not sound:
            raise UsageError(f"{where}: a broken hotspot model: its values are out of range")


def first_off_earth(latitude: FloatArray, longitude: FloatArray) -> int | None:
    """Return the position of the first point whose degrees are missing or out of range; None if there is none."""
    wrong = ~((np.abs(latitude) <= 90.0) & (np.abs(longitude) <= 180.0))
    return int(np.argmax(wrong)) if wrong.any() else None


def distinct_places(
    latitude: FloatArray, longitude: FloatArray, hotspot: NDArray[np.int32]
) -> tuple[FloatArray, FloatArray, NDArray[np.int32]]:
    """Return each place once, ordered by hotspot and latitude, which also compresses best."""
    order = np.lexsort((longitude, latitude, hotspot))
    latitude, longitude, hotspot = latitude[order], longitude[order], hotspot[order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (np.diff(hotspot) != 0) | (np.diff(latitude) != 0.0) | (np.diff(longitude) != 0.0)
    return latitude[new], longitude[new], hotspot[new]


def _haversine(lat_a: FloatArray, lon_a: FloatArray, lat_b: FloatArray, lon_b: FloatArray) -> FloatArray:
    radians = math.pi / 180.0
    apart = np.abs(lon_b - lon_a)
    apart = np.where(apart > 180.0, (180.0 - np.abs(lon_a)) + (180.0 - np.abs(lon_b)), apart)
    cosines = np.sin((90.0 - np.abs(lat_a)) * radians) * np.sin((90.0 - np.abs(lat_b)) * radians)
    return np.asarray(np.sin((lat_b - lat_a) * (radians / 2)) ** 2 + cosines * np.sin(apart * (radians / 2)) ** 2)


def _haversine_of_pair(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Return what `_haversine` does, of one pair without arrays."""
    apart = abs(lon_b - lon_a)
    if apart > 180.0:
        apart = (180.0 - abs(lon_a)) + (180.0 - abs(lon_b))
    cosines = math.sin(math.radians(90.0 - abs(lat_a))) * math.sin(math.radians(90.0 - abs(lat_b)))
    across = math.sin(math.radians(apart) / 2)
    return math.sin(math.radians(lat_b - lat_a) / 2) ** 2 + cosines * across * across


def _packed(degrees: FloatArray) -> NDArray[Any]:
    """Return degrees as whole ten-millionths where that is exact, as it is for most files; else as they are."""
    whole = np.rint(degrees * _DEGREE_GRID)
    return whole.astype(np.int32) if np.array_equal(whole / _DEGREE_GRID, degrees) else degrees


def _names(stored: NDArray[Any] | None) -> tuple[str | None, ...] | None:
    if stored is None:
        return None
    if stored.dtype.kind != "U" or stored.ndim != 1:
        raise ValueError(f"names are {stored.dtype} {stored.shape}")
    return tuple(name or None for name in stored.tolist())


def _unpacked(stored: NDArray[Any]) -> FloatArray:
    return np.asarray(stored / _DEGREE_GRID) if stored.dtype == np.int32 else stored


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > _MAX_UNPACKED_BYTES:
        raise UsageError(f"{path} unpacks to {unpacked:,} bytes, more than a model can have")
    with np.load(path, allow_pickle=False) as loaded:
        missing = set(_FIELDS) - set(loaded.files)
        if missing:
            raise UsageError(f"{path} is no hotspot model: it has no {', '.join(sorted(missing))}")
        return {name: loaded[name] for name in loaded.files}
