"""Generate the synthetic city: trips of an invented city in the North Atlantic, which nobody mistakes for a real one.

The city has a street grid in four districts, a river without points, stands and stations of very different density,
an airport, thinly used surroundings, GPS noise, and a few per cent of dirty rows of every kind that the preprocessor
knows. Batch number i is drawn from a generator seeded with (seed, i) alone: a longer data set starts with the rows of
a shorter one, and no batch depends on how the others were made.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.data.coordinate_names import TripEnd
from taxi_mlops.data.progress import Progress
from taxi_mlops.data.regions import METRES_PER_DEGREE
from taxi_mlops.domain import FloatArray
from taxi_mlops.errors import DataError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

CITY_VERSION = "synthetic-city-1"
"""Changes whenever the same seed gives other trips."""

SCHEME = "synthetic"
BATCH_ROWS = 65_536
CENTRE_LATITUDE = 45.0
CENTRE_LONGITUDE = -30.0

_ROWS_PER_GROUP = 16 * BATCH_ROWS
_FIRST_SECOND = 1_704_067_200  # 2024-01-01, and January long
_MONTH_SECONDS = 31 * 86_400
_HOURLY_DEMAND = np.array(
    [30, 20, 14, 10, 9, 14, 32, 58, 74, 66, 56, 54, 57, 56, 58, 60, 62, 76, 92, 96, 84, 72, 62, 46], dtype=np.float64
)


@dataclass(frozen=True, slots=True)
class _District:
    """Streets at right angles. Metres from the city's centre, x to the east and y to the north; angle in degrees."""

    x: float
    y: float
    spread: float
    angle: float
    block_long: float
    block_short: float
    share: float


_DISTRICTS = (
    _District(0.0, 1_600.0, 1_500.0, 24.0, 240.0, 80.0, 0.46),
    _District(-3_300.0, 4_300.0, 1_900.0, -8.0, 180.0, 110.0, 0.19),
    _District(2_600.0, -2_500.0, 1_700.0, 52.0, 150.0, 120.0, 0.22),
    _District(-3_900.0, -3_400.0, 2_300.0, 3.0, 260.0, 160.0, 0.13),
)

_STANDS = 70
_AIRPORT = (11_500.0, -8_200.0)
_AIRPORT_ANGLE = 31.0
_SURROUNDINGS = 17_000.0
_RIVER_HALF_WIDTH = 190.0


@dataclass(frozen=True, slots=True)
class _Mixture:
    """Shares of the kinds of places where trips start or end; the rest is street."""

    stands: float
    airport: float
    surroundings: float


_PICKUPS = _Mixture(stands=0.24, airport=0.06, surroundings=0.03)
_DROPOFFS = _Mixture(stands=0.13, airport=0.04, surroundings=0.06)


@dataclass(frozen=True, slots=True)
class TripBatch:
    """n generated trips: degrees as float64 of shape (n,), NaN if missing; seconds since 1970 as int64."""

    first_row: int
    pickup_time: NDArray[np.int64]
    pickup_latitude: FloatArray
    pickup_longitude: FloatArray
    dropoff_latitude: FloatArray
    dropoff_longitude: FloatArray

    def __len__(self) -> int:
        return len(self.pickup_time)

    def ends(self, points: TripEnd) -> tuple[FloatArray, FloatArray]:
        """Return latitude and longitude of one end of the trips."""
        if points == "pickup":
            return self.pickup_latitude, self.pickup_longitude
        return self.dropoff_latitude, self.dropoff_longitude


@dataclass(frozen=True, slots=True)
class CityAddress:
    """The address of trips of a city: `synthetic:rows=20000,seed=0`."""

    rows: int
    seed: int

    @classmethod
    def parse(cls, text: str, seed: int) -> CityAddress:
        """Parse an address; seed: if it names none. Raises DataError for anything else."""
        match = re.fullmatch(rf"{SCHEME}:rows=([1-9][0-9]{{0,11}})(?:,seed=([0-9]{{1,18}}))?", text)
        if match is None:
            raise DataError(f"{text}: a synthetic city is named like {cls(20_000, 0)}, or without the seed")
        return cls(int(match[1]), seed if match[2] is None else int(match[2]))

    def __str__(self) -> str:
        return f"{SCHEME}:rows={self.rows},seed={self.seed}"


class SyntheticCity:
    """Trips of the invented city, in any number.

    seed: of the whole city: the positions of its stands and its trips.
    """

    def __init__(self, seed: int = 0) -> None:
        if seed < 0:
            raise UsageError(f"seed must not be negative, got {seed}")
        self.seed = seed
        rng = np.random.default_rng([seed])
        self._stand_xy, self._stand_length, self._stand_angle, self._stand_share = _lay_out_stands(rng)

    def batches(self, rows: int, first_row: int = 0) -> Iterator[TripBatch]:
        """Yield the first `rows` trips, in batches of `BATCH_ROWS`; from `first_row` on, which must start a batch."""
        if rows < 1:
            raise UsageError(f"a synthetic city needs at least 1 row, got {rows}")
        for first in range(first_row, rows, BATCH_ROWS):
            yield self._batch(first, min(BATCH_ROWS, rows - first))

    def _batch(self, first_row: int, rows: int) -> TripBatch:
        """Generate a full batch and return its first rows, so that these do not depend on how many are wanted."""
        rng = np.random.default_rng([self.seed, first_row // BATCH_ROWS + 1])
        pickup_latitude, pickup_longitude = self._ends(rng, _PICKUPS)
        dropoff_latitude, dropoff_longitude = self._ends(rng, _DROPOFFS)
        times = _times(rng)
        return TripBatch(
            first_row,
            times[:rows],
            pickup_latitude[:rows],
            pickup_longitude[:rows],
            dropoff_latitude[:rows],
            dropoff_longitude[:rows],
        )

    def _ends(self, rng: np.random.Generator, mixture: _Mixture) -> tuple[FloatArray, FloatArray]:
        """Return one end of a batch of trips, in degrees rounded to 1e-6 as devices do, dirty rows included."""
        xy = np.empty((0, 2))
        while xy.shape[0] < BATCH_ROWS:
            drawn = self._places(rng, mixture, BATCH_ROWS + BATCH_ROWS // 8)
            xy = np.concatenate((xy, drawn[~_in_river(drawn)]))
        xy = xy[:BATCH_ROWS]
        latitude = CENTRE_LATITUDE + xy[:, 1] / METRES_PER_DEGREE
        longitude = CENTRE_LONGITUDE + xy[:, 0] / (METRES_PER_DEGREE * math.cos(math.radians(CENTRE_LATITUDE)))
        latitude, longitude = np.round(latitude, 6), np.round(longitude, 6)
        _soil(rng, latitude, longitude)
        return latitude, longitude

    def _places(self, rng: np.random.Generator, mixture: _Mixture, count: int) -> FloatArray:
        """Return metres from the centre, GPS noise included, float64 of shape (count, 2)."""
        shares = [mixture.stands, mixture.airport, mixture.surroundings]
        stands, airport, surroundings, streets = rng.multinomial(count, [*shares, 1 - sum(shares)])
        xy = np.concatenate(
            (
                self._at_stands(rng, stands),
                _at_airport(rng, airport),
                rng.uniform(-_SURROUNDINGS, _SURROUNDINGS, (surroundings, 2)),
                _on_streets(rng, streets),
            )
        )
        noise = rng.normal(0.0, 5.0, (count, 2))
        between_towers = rng.random(count) < 0.06
        noise[between_towers] *= 6.0
        xy += noise
        return xy[rng.permutation(count)]

    def _at_stands(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Cabs queue along the kerb: a line at each stand, fuller near its head."""
        stand = rng.choice(_STANDS, count, p=self._stand_share)
        along = rng.beta(1.0, 1.8, count) * self._stand_length[stand]
        angle = self._stand_angle[stand]
        step = np.stack((along * np.cos(angle), along * np.sin(angle)), axis=1)
        return self._stand_xy[stand] + step


def write_parquet(path: Path, rows: int, seed: int = 0, on_progress: Progress | None = None) -> None:
    """Write the first `rows` trips of the city to a Parquet file, in bounded memory.

    The file appears under its name when it is complete. Raises UsageError for impossible sizes and DataError where
    the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    city = SyntheticCity(seed)
    batches = city.batches(rows)
    partial = path.with_name(path.name + ".part")
    try:
        with (
            partial.open("wb") as file,
            pq.ParquetWriter(file, _arrow_schema(), compression="zstd", use_dictionary=False) as writer,
        ):
            group: list[pa.RecordBatch] = []
            for batch in batches:
                group.append(to_arrow(batch))
                done = batch.first_row + len(batch)
                if done % _ROWS_PER_GROUP == 0 or done == rows:
                    writer.write_table(pa.Table.from_batches(group), row_group_size=_ROWS_PER_GROUP)
                    group.clear()
                if on_progress:
                    on_progress("Synthesizing", done, rows)
        partial.replace(path)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _arrow_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            ("synthetic_trip", pa.int64()),
            ("pickup_time", pa.timestamp("ms")),  # Parquet has no coarser unit
            ("pickup_latitude", pa.float64()),
            ("pickup_longitude", pa.float64()),
            ("dropoff_latitude", pa.float64()),
            ("dropoff_longitude", pa.float64()),
        ]
    )


def to_arrow(batch: TripBatch) -> pa.RecordBatch:
    """Return the trips as `write_parquet` writes them."""
    import pyarrow as pa

    rows = len(batch)
    coordinates = (
        batch.pickup_latitude,
        batch.pickup_longitude,
        batch.dropoff_latitude,
        batch.dropoff_longitude,
    )
    columns = [
        pa.array(np.arange(batch.first_row, batch.first_row + rows)),
        pa.array(batch.pickup_time * 1000).cast(pa.timestamp("ms")),
        *(pa.array(values, from_pandas=True) for values in coordinates),
    ]
    return pa.record_batch(columns, schema=_arrow_schema())


def _lay_out_stands(rng: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Corner (metres), length (metres), angle (radians) and share of each stand; the busiest is 200 × the last."""
    district = rng.choice(len(_DISTRICTS), _STANDS, p=[d.share for d in _DISTRICTS])
    corners = np.empty((_STANDS, 2))
    angles = np.empty(_STANDS)
    for number, d in enumerate(_DISTRICTS):
        mine = np.flatnonzero(district == number)
        grid = rng.normal(0.0, d.spread * 1.1, (mine.size, 2)) / (d.block_long, d.block_short)
        corners[mine] = _to_city(np.round(grid) * (d.block_long, d.block_short), d)
        angles[mine] = math.radians(d.angle) + rng.integers(0, 4, mine.size) * (math.pi / 2)
    dry = np.abs(corners[:, 1] - _river_y(corners[:, 0])) > 2 * _RIVER_HALF_WIDTH
    corners[~dry, 1] += 5 * _RIVER_HALF_WIDTH
    share = 1.0 / (1.0 + np.arange(_STANDS)) ** 1.25
    return corners, rng.uniform(15.0, 90.0, _STANDS), angles, share / share.sum()


def _on_streets(rng: np.random.Generator, count: int) -> FloatArray:
    """Return kerbs: each point drawn around a district is moved to a street of its grid, along one axis."""
    centres = np.array([(d.x, d.y) for d in _DISTRICTS])
    spreads = np.array([d.spread for d in _DISTRICTS])
    drawn_from = rng.choice(len(_DISTRICTS), count, p=[d.share for d in _DISTRICTS])
    drawn = centres[drawn_from] + rng.normal(0.0, 1.0, (count, 2)) * spreads[drawn_from, None]
    to_avenue = rng.random(count) < 0.42
    kerb = rng.choice((-6.0, 6.0), count)
    grid = np.argmin(((drawn[:, None, :] - centres) ** 2).sum(axis=2) / spreads**2, axis=1)
    xy = np.empty((count, 2))
    for number, d in enumerate(_DISTRICTS):
        covered = grid == number
        local = _to_streets(drawn[covered], d)
        avenue = to_avenue[covered]
        across = np.where(avenue, local[:, 0], local[:, 1])
        block = np.where(avenue, d.block_long, d.block_short)
        snapped = np.round(across / block) * block + kerb[covered]
        local[:, 0] = np.where(avenue, snapped, local[:, 0])
        local[:, 1] = np.where(avenue, local[:, 1], snapped)
        xy[covered] = _to_city(local, d)
    return xy


def _at_airport(rng: np.random.Generator, count: int) -> FloatArray:
    """Return two terminals with their kerbs, and the lot where cabs wait."""
    part = rng.choice(3, count, p=[0.55, 0.35, 0.10])
    along = rng.uniform(-0.5, 0.5, count)
    length = np.array([420.0, 260.0, 120.0])[part]
    aside = np.array([0.0, 340.0, -700.0])[part] + np.where(part == 2, rng.uniform(-60.0, 60.0, count), 0.0)
    bow = np.where(part == 2, 0.0, 320.0 * along**2)
    angle = math.radians(_AIRPORT_ANGLE)
    x, y = along * length, aside + bow
    turned = (x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle))
    xy: FloatArray = np.stack(turned, axis=1) + np.array(_AIRPORT)
    return xy


def _rotation(district: _District) -> FloatArray:
    angle = math.radians(district.angle)
    return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


def _to_city(local: FloatArray, district: _District) -> FloatArray:
    """Convert metres along the streets of a district to metres from the city's centre; float64 of shape (n, 2)."""
    turned: FloatArray = local @ _rotation(district) + (district.x, district.y)
    return turned


def _to_streets(xy: FloatArray, district: _District) -> FloatArray:
    """Convert metres from the city's centre to metres along the streets: the inverse of `_to_city`."""
    turned: FloatArray = (xy - (district.x, district.y)) @ _rotation(district).T
    return turned


def _river_y(x: FloatArray) -> FloatArray:
    """Return the middle of the river."""
    middle: FloatArray = -900.0 + 700.0 * np.sin(x / 2_600.0) + 0.06 * x
    return middle


def _in_river(xy: FloatArray) -> NDArray[np.bool_]:
    in_river: NDArray[np.bool_] = np.abs(xy[:, 1] - _river_y(xy[:, 0])) < _RIVER_HALF_WIDTH
    return in_river


def _times(rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the start of each trip, in seconds since 1970, spread over a month like demand over the day."""
    day = rng.integers(0, _MONTH_SECONDS // 86_400, BATCH_ROWS)
    hour = rng.choice(24, BATCH_ROWS, p=_HOURLY_DEMAND / _HOURLY_DEMAND.sum())
    return _FIRST_SECOND + day * 86_400 + hour * 3_600 + rng.integers(0, 3_600, BATCH_ROWS)


def _soil(rng: np.random.Generator, latitude: FloatArray, longitude: FloatArray) -> None:
    """Corrupt some 3 % of the rows in place, each in one of the ways that devices and exports do."""
    kind = rng.random(latitude.size)
    missing = kind < 0.008
    latitude[missing] = np.nan
    longitude[missing & (kind < 0.006)] = np.nan
    zero = (kind >= 0.008) & (kind < 0.020)
    latitude[zero] = longitude[zero] = 0.0
    out_of_range = (kind >= 0.020) & (kind < 0.023)
    latitude[out_of_range] *= 10.0
    swapped = (kind >= 0.023) & (kind < 0.026)
    latitude[swapped], longitude[swapped] = longitude[swapped], latitude[swapped].copy()
    outside = (kind >= 0.026) & (kind < 0.030)
    latitude[outside] = np.round(rng.uniform(-80.0, 38.0, int(outside.sum())), 6)
