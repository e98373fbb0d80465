"""Judge hotspots on trips that they were not made from: the share of trips inside against the share of area covered.

The curve is that of a predictive accuracy index (Chainey, Tompson and Uhlig 2008, doi:10.1057/palgrave.sj.8350066)
over all shares of area, and its area is the mean of one value for each trip; so two models are compared by the mean of
paired differences. Trips of the same hour are alike, so intervals take hours as units (cluster-robust variance).
"""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.data.regions import METRES_PER_DEGREE
from taxi_mlops.domain import FloatArray
from taxi_mlops.errors import UsageError
from taxi_mlops.models.hotspot_model import HotspotModel, IdArray
from taxi_mlops.results.model_card import Difference, UnseenScore

CELL_METRES = 200.0
AREA_SAMPLES = 50_000
MAX_UNSEEN = 100_000
_Z = 1.959963984540054
_CURVE_POINTS = 101
_MAX_FILE_BYTES = 256 * 1024**2
Rows = NDArray[np.int64] | NDArray[np.int32]
_FIELDS = ("latitude", "longitude", "block", "area_latitude", "area_longitude")


@dataclass(frozen=True, slots=True, eq=False)
class Unseen:
    """Trips that a model has not seen, and random locations in the area in which trips are.

    latitude, longitude: float64 (n,). block: int64 (n,), equal for trips that are not independent. area_latitude,
    area_longitude: float64 (m,), uniform over the area.
    """

    latitude: FloatArray
    longitude: FloatArray
    block: IdArray
    area_latitude: FloatArray
    area_longitude: FloatArray

    def __len__(self) -> int:
        return len(self.latitude)

    def save(self, path: Path) -> None:
        np.savez_compressed(path, **{name: getattr(self, name) for name in _FIELDS})

    @classmethod
    def load(cls, path: Path) -> Unseen:
        """Read a file that `save` wrote. Raises UsageError if it is something else."""
        try:
            with zipfile.ZipFile(path) as archive:
                if sum(member.file_size for member in archive.infolist()) > _MAX_FILE_BYTES:
                    raise UsageError(f"{path} is larger than unseen trips can be")
            with np.load(path, allow_pickle=False) as loaded:
                found = cls(*(loaded[name] for name in _FIELDS))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"{path} holds no unseen trips: {error}") from None
        degrees = (found.latitude, found.longitude, found.area_latitude, found.area_longitude)
        if any(one.dtype != np.float64 or not np.isfinite(one).all() for one in degrees):
            raise UsageError(f"{path} is broken: coordinates are no finite float64")
        return found


class Values(NamedTuple):
    """Of each unseen trip its value, whose mean is the score; and the rest of an `UnseenScore`."""

    of_trip: FloatArray
    share_inside: float
    share_of_area: float
    curve: tuple[tuple[float, float], ...]


def unseen_of(
    latitude: FloatArray,
    longitude: FloatArray,
    seconds: NDArray[np.int64] | None,
    seen: tuple[FloatArray, FloatArray],
    seed: int,
) -> Unseen:
    """Return unseen trips, at most `MAX_UNSEEN` random ones, and locations in the area of these and of those seen.

    seconds: times of the unseen trips, int64 (n,), whose hours are the blocks; without them each trip is one.
    """
    rng = np.random.default_rng(seed)
    kept = np.arange(len(latitude))
    if len(kept) > MAX_UNSEEN:
        kept = np.sort(rng.choice(len(latitude), MAX_UNSEEN, replace=False))
    block = kept.astype(np.int64) if seconds is None else seconds[kept] // 3600
    area = _locations(np.concatenate((seen[0], latitude)), np.concatenate((seen[1], longitude)), rng)
    return Unseen(latitude[kept], longitude[kept], block, *area)


def _locations(latitude: FloatArray, longitude: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return uniform random locations in the cells that hold a point: rows of latitude, cut into equal widths."""
    row = np.floor(latitude * (METRES_PER_DEGREE / CELL_METRES))
    width = CELL_METRES / (METRES_PER_DEGREE * _cosine(row))
    cells = np.unique(np.column_stack((row, np.floor(longitude / width))), axis=0)
    drawn = cells[rng.integers(len(cells), size=AREA_SAMPLES)]
    inside = rng.random((AREA_SAMPLES, 2))
    lat = (drawn[:, 0] + inside[:, 0]) * (CELL_METRES / METRES_PER_DEGREE)
    lon = (drawn[:, 1] + inside[:, 1]) * (CELL_METRES / (METRES_PER_DEGREE * _cosine(drawn[:, 0])))
    return np.clip(lat, -90.0, 90.0), np.where(lon > 180.0, lon - 360.0, np.where(lon < -180.0, lon + 360.0, lon))


def _cosine(row: FloatArray) -> FloatArray:
    middle = np.radians((row + 0.5) * (CELL_METRES / METRES_PER_DEGREE))
    return np.asarray(np.maximum(np.cos(middle), 1e-3))


def values_of(model: HotspotModel, unseen: Unseen) -> Values:
    """Return the value of each trip: one minus the share of area up to the middle of its hotspot, densest first.

    Trips outside of all hotspots get half of what they leave over, as if they were taken in random order.
    """
    where = model.rows_at(unseen.area_latitude, unseen.area_longitude)
    rows = model.rows_at(unseen.latitude, unseen.longitude)
    return values_of_rows(where, rows, model.size)


def values_of_rows(where: Rows, rows: Rows, size: IdArray) -> Values:
    """Return what `values_of` does, of hotspots that are numbered from 0.

    where, rows: of each location and of each trip its hotspot, or −1. size: int64 (k,), trips that the hotspots were
    made from.
    """
    k = len(size)
    area = np.bincount(where[where >= 0], minlength=k) / len(where)
    order = np.argsort(-size / (area + 0.5 / len(where)), kind="stable")
    reached = np.cumsum(area[order])
    middle = np.empty(k)
    middle[order] = reached - area[order] / 2.0
    covered = float(reached[-1]) if k else 0.0
    of_row = np.append(1.0 - middle, (1.0 - covered) / 2.0)
    trips = np.bincount(rows[rows >= 0], minlength=k) / len(rows)
    found = np.cumsum(trips[order])
    return Values(of_row[rows], float(trips.sum()), covered, _curve(reached, found))


def _curve(area: FloatArray, trips: FloatArray) -> tuple[tuple[float, float], ...]:
    most = min(len(area), _CURVE_POINTS - 2)
    chosen = np.unique(np.linspace(0, len(area) - 1, most).astype(np.int64))
    corners = [(round(float(area[i]), 5), round(float(trips[i]), 5)) for i in chosen]
    return ((0.0, 0.0), *corners, (1.0, 1.0))


def score_of(values: Values, unseen: Unseen) -> UnseenScore:
    """Return the score with its interval."""
    mean, low, high = mean_interval(values.of_trip, unseen.block)
    return UnseenScore(
        score=mean,
        low=low,
        high=high,
        share_inside=values.share_inside,
        share_of_area=values.share_of_area,
        curve=values.curve,
    )


def difference(this: Values, other: Values, unseen: Unseen, version: str) -> Difference:
    """Return this model's score minus another's on the same trips. version: of the other."""
    mean, low, high = mean_interval(this.of_trip - other.of_trip, unseen.block)
    return Difference(version=version, other=score_of(other, unseen), difference=mean, low=low, high=high)


def mean_interval(values: FloatArray, block: IdArray) -> tuple[float, float, float]:
    """Return the mean and its 95 % interval; values of one block may depend on each other, blocks do not.

    The variance is that of the blocks' sums of residuals, with the correction B / (B − 1) (Liang and Zeger 1986).
    With one block nothing is known of it, and the interval is all of [−1, 1].
    """
    mean = float(values.mean())
    _, member = np.unique(block, return_inverse=True)
    sums = np.bincount(member, values - mean)
    if len(sums) < 2:
        return mean, -1.0, 1.0
    error = math.sqrt(len(sums) / (len(sums) - 1) * float(sums @ sums)) / len(values)
    return mean, mean - _Z * error, mean + _Z * error
