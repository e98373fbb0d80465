"""Find the city near some points, to check whether their coordinates are plausible.

`cities.parquet` holds the 6,204 cities of 100,000 inhabitants and more of GeoNames (https://www.geonames.org, CC BY
4.0), the most populous first; `tools/make_cities.py` makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from haversine_dbscan.geodesy import great_circle_distance
from taxi_mlops.data.regions import wrapped
from taxi_mlops.domain import FloatArray

if TYPE_CHECKING:
    import pyarrow as pa

_FAR_METRES = 100_000.0
"""Trips farther from every city are unlikely."""

_AROUND_METRES = 30_000.0
"""Within this distance the most populous city names the place, and not the nearest suburb."""

_NEAR_METRES = 50_000.0
_HALF_METRES = 10_000.0

_FILE = Path(__file__).with_name("cities.parquet")


@dataclass(frozen=True, slots=True)
class City:
    """A city of 100,000 inhabitants and more. country: ISO 3166-1, two letters."""

    name: str
    country: str
    population: int

    def __str__(self) -> str:
        return f"{self.name} ({self.country})"


def city_near(latitude: float, longitude: float) -> City | None:
    """Return the city that a place in degrees lies around.

    That is the most populous one within 30 km, else the nearest within 100 km, else none, as for degrees out of range.
    """
    if not (abs(latitude) <= 90.0 and abs(longitude) <= 360.0):
        return None
    cities, city_latitude, city_longitude = _cities()
    metres = great_circle_distance(latitude, wrapped(longitude), city_latitude, city_longitude)
    chosen = int(np.argmax(metres <= _AROUND_METRES))
    if metres[chosen] > _AROUND_METRES:
        chosen = int(np.argmin(metres))
    if metres[chosen] > _FAR_METRES:
        return None
    return _city(cities, chosen)


def city_at(latitude: float, longitude: float) -> tuple[City, float] | None:
    """Return the city whose trips a place in degrees may be in the middle of, and how likely that is: no probability.

    The score is the city's population, less by half for each 10 km between its centre and the place. None if every
    city is more than 50 km away.
    """
    if not (abs(latitude) <= 90.0 and abs(longitude) <= 360.0):
        return None
    cities, city_latitude, city_longitude = _cities()
    metres = great_circle_distance(latitude, wrapped(longitude), city_latitude, city_longitude)
    score = np.where(metres <= _NEAR_METRES, _populations() * 0.5 ** (metres / _HALF_METRES), 0.0)
    chosen = int(np.argmax(score))
    return (_city(cities, chosen), float(score[chosen])) if score[chosen] else None


def _city(cities: pa.Table, number: int) -> City:
    (row,) = cities.slice(number, 1).to_pylist()
    return City(row["name"], row["country"], row["population"])


@cache
def _populations() -> FloatArray:
    cities, *_ = _cities()
    return np.array(cities.column("population").to_pylist(), dtype=np.float64)


@cache
def _cities() -> tuple[pa.Table, FloatArray, FloatArray]:
    """Return the cities, and their latitudes and longitudes in degrees."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(_FILE) as file:  # `read_table` imports pandas
        cities = file.read()
    latitude, longitude = (np.array(cities.column(name).to_pylist()) for name in ("latitude", "longitude"))
    return cities, latitude, longitude
