"""Read the labels of a run, and project points to a plane for drawing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taxi_mlops.arrow import as_numpy
from taxi_mlops.data.regions import METRES_PER_DEGREE
from taxi_mlops.domain import FloatArray, LabelArray
from taxi_mlops.errors import RunFolderError

_GAP_DEGREES = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPoints:
    """The answer of one adapter. latitude, longitude: degrees, float64 (n,); labels: int32 (n,), −1 for noise.

    weight: float64 (n,), or None if every point counts once.
    """

    adapter: str
    latitude: FloatArray
    longitude: FloatArray
    labels: LabelArray
    weight: FloatArray | None = None

    def __len__(self) -> int:
        return int(self.labels.shape[0])


def read_labels(adapter: str, path: Path) -> LabelledPoints:
    """Read `labels/<adapter>.parquet`. Raises RunFolderError if it is missing or something else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:  # `read_table` imports pandas
            columns = [name for name in file.schema_arrow.names if name not in ("row", "core")]
            table = file.read(columns)
        weight = as_numpy(table["weight"]) if "weight" in columns else None
        return LabelledPoints(
            adapter,
            as_numpy(table["latitude"]),
            as_numpy(table["longitude"]),
            as_numpy(table["label"]),
            weight,
        )
    except FileNotFoundError:
        raise RunFolderError(f"{path} is missing: without its labels the run has no map; run it again") from None
    except (pa.ArrowException, KeyError, OSError) as error:
        raise RunFolderError(f"{path} does not hold labels: {' '.join(str(error).split())}") from None


@dataclass(frozen=True, slots=True)
class Frame:
    """A plane in metres around a place, true to scale along its parallel (equirectangular, as city maps are).

    cut: the meridian in [−180, 180) at which longitudes start, in the widest gap of the points, so that a city on the
    antimeridian stays in one piece.
    """

    latitude: float
    longitude: float
    cut: float

    @classmethod
    def around(cls, latitude: FloatArray, longitude: FloatArray) -> Frame:
        """Return the frame in the middle of points in degrees, shape (n,), n ≥ 1."""
        cut = _widest_gap(longitude)
        unwrapped = _unwrap(longitude, cut)
        return cls(
            latitude=float(latitude.min() + latitude.max()) / 2.0,
            longitude=float(unwrapped.min() + unwrapped.max()) / 2.0,
            cut=cut,
        )

    def to_metres(self, latitude: FloatArray, longitude: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return metres to the east and north of the middle."""
        east = (_unwrap(longitude, self.cut) - self.longitude) * self._metres_per_degree_of_longitude
        return east, (latitude - self.latitude) * METRES_PER_DEGREE

    def to_degrees(self, east: FloatArray, north: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return latitude and longitude from metres; longitudes are in [cut, cut + 360)."""
        latitude = self.latitude + north / METRES_PER_DEGREE
        return latitude, self.longitude + east / self._metres_per_degree_of_longitude

    @property
    def _metres_per_degree_of_longitude(self) -> float:
        return float(METRES_PER_DEGREE * max(np.cos(np.radians(self.latitude)), 1e-3))


def _widest_gap(longitude: FloatArray) -> float:
    """Return the western end of the widest gap between longitudes, at which the frame starts; −180 if none wraps."""
    bins = np.unique(np.floor((longitude + 180.0) / _GAP_DEGREES)).astype(np.int64)
    turn = round(360.0 / _GAP_DEGREES)
    gaps = np.diff(np.append(bins, bins[0] + turn))
    widest = int(np.argmax(gaps))
    if widest == len(bins) - 1:
        return -180.0
    return float(bins[widest + 1]) * _GAP_DEGREES - 180.0


def _unwrap(longitude: FloatArray, cut: float) -> FloatArray:
    return longitude if cut == -180.0 else np.where(longitude < cut, longitude + 360.0, longitude)
