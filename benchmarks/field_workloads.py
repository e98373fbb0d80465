"""The workloads of `field.py`: real trips, and made points of three shapes of density, 100 to 10 million of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from santiago import FloatArray, santiago
from taxi_mlops.data.fingerprint import fingerprint
from taxi_mlops.data.load import load_points
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.domain import Parameters, Points, Provenance
from taxi_mlops.settings import load_settings

SIZES = (100, 1_000, 5_000, 20_000, 100_000, 1_000_000, 10_000_000)
PARAMETERS = ((50.0, 5), (100.0, 20), (100.0, 100))
"""eps in metres and min_samples, as users choose them: few and many neighbours."""
FILES = {
    "new-york": "yellow_tripdata_2016-06_sample.csv",
    "chicago": "chicago_taxi_2013_2016_sample.csv",
    "santiago": "santiago_taxi_od.parquet",
}
"""Pickups. Chicago's are centres of census tracts, so that many coincide."""
_MIDDLE = (-33.45, -70.66)
_METRES_PER_DEGREE = 111_195.0


@dataclass(frozen=True, slots=True)
class FieldWorkload:
    """Points by name and number (None: the whole file), with parameters."""

    shape: str
    points: int | None
    eps_metres: float
    min_samples: int

    @property
    def name(self) -> str:
        size = "all" if self.points is None else str(self.points)
        return f"{self.shape}-{size}-{self.eps_metres:g}m-{self.min_samples}"

    @property
    def parameters(self) -> Parameters:
        return Parameters(self.eps_metres, self.min_samples)


def workloads() -> list[FieldWorkload]:
    """Return all workloads, small ones first."""
    sizes: list[tuple[str, int | None]] = [(shape, size) for size in SIZES for shape in SHAPES]
    real: list[tuple[str, int | None]] = [(name, None) for name in FILES]
    return [FieldWorkload(shape, size, *parameters) for shape, size in (*sizes, *real) for parameters in PARAMETERS]


def make(workload: FieldWorkload, folder: Path) -> Points:
    """Return the points of a workload. folder: of the files of trips."""
    if workload.points is None:
        return load_points(LoadRequest(source=str(folder / FILES[workload.shape])), load_settings())
    latitude, longitude = SHAPES[workload.shape](folder, workload.points).T.copy()
    where = Provenance(uri=f"made: {workload.shape}", schema="made", data_version="1", rows_read=0, rows_used=0)
    return Points(latitude, longitude, None, fingerprint(latitude, longitude, None), where)


def _city(folder: Path, n: int) -> FloatArray:
    """Return trips of Santiago, drawn with replacement and moved by some 50 m: centres, suburbs and single streets."""
    return santiago(folder, n)


def _even(_: Path, n: int) -> FloatArray:
    """Return points spread evenly, as many within 100 m as in a city: 30 on average."""
    side = float(np.sqrt(n * np.pi * 100.0**2 / 30.0))
    return _degrees(np.random.default_rng(0).uniform(-side / 2.0, side / 2.0, (n, 2)))


def _hubs(_: Path, n: int) -> FloatArray:
    """Return stations and airports, sizes by a power law, half of all points within 20 m of 50 places, and noise."""
    random = np.random.default_rng(0)
    side = 20_000.0
    centres = random.uniform(-side / 2.0, side / 2.0, (2_000, 2))
    share = 1.0 / np.arange(1, 2_001)
    which = random.choice(2_000, n, p=share / share.sum())
    width = np.where(which < 50, 10.0, 60.0)
    metres = centres[which] + random.normal(0.0, 1.0, (n, 2)) * width[:, None]
    noise = random.random(n) < 0.1
    metres[noise] = random.uniform(-side / 2.0, side / 2.0, (int(noise.sum()), 2))
    return _degrees(metres)


def _degrees(metres: FloatArray) -> FloatArray:
    """Return degrees of points so many metres east and north of the middle."""
    latitude = _MIDDLE[0] + metres[:, 1] / _METRES_PER_DEGREE
    longitude = _MIDDLE[1] + metres[:, 0] / (_METRES_PER_DEGREE * np.cos(np.radians(_MIDDLE[0])))
    return np.stack([latitude, longitude], axis=1)


SHAPES: dict[str, Callable[[Path, int], FloatArray]] = {"city": _city, "even": _even, "hubs": _hubs}
