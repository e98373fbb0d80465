"""Times of trips: which column holds them, and how they are read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from taxi_mlops.data.load import OpenedTrips, open_trips
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.data.trip_times import UNKNOWN, read_times, time_column
from taxi_mlops.errors import DataError

NOON = 1_464_782_400
"""1 June 2016, 12:00."""


@pytest.fixture
def trips(settings) -> OpenedTrips:
    return open_trips(LoadRequest(), settings)


def with_column(trips: OpenedTrips, cells: pa.Array, name: str = "start_time") -> OpenedTrips:
    schema = replace(trips.schema, time_column=None)
    return replace(
        trips,
        schema=schema,
        columns=(name,),
        rows=lambda _: iter([pa.record_batch({name: cells[:1]}), pa.record_batch({name: cells[1:]})]),
    )


@pytest.mark.parametrize(
    "cells",
    [
        pa.array(["2016-06-01 12:00:00", "2016-06-01 13:00:59.9"]),
        pa.array(["2016-06-01T12:00:00Z", "2016-06-01T13:00:00+02:00"]),
        pa.array(["06/01/2016 12:00:00 PM", "06/01/2016 01:00:00 PM"]),
        pa.array(["06/01/2016 12:00", "06/01/2016 13:00"]),
        pa.array(["01.06.2016 12:00", "01.06.2016 13:00"]),
        pa.array([NOON, NOON + 3600]),
        pa.array([str(NOON * 1000), str((NOON + 3600) * 1000)]),
        pa.array([NOON * 10**6, (NOON + 3600) * 10**6], pa.timestamp("us")),
        pa.array([(NOON + 4 * 3600) * 1000, (NOON + 5 * 3600) * 1000], pa.timestamp("ms", "America/New_York")),
    ],
    ids=str,
)
def test_times_are_read_as_they_are_on_the_clock(trips, cells):
    found = read_times(with_column(trips, cells), np.array([0, 1]), "pickup")
    assert (found.column, found.seconds.tolist()) == ("start_time", [NOON, NOON + 3600])


def test_times_belong_to_rows(trips):
    cells = pa.array([f"2016-06-01 {hour:02}:00" for hour in range(20)])
    cells = pa.array([*cells.to_pylist()[:19], None])
    found = read_times(with_column(trips, cells), np.array([0, 2, *range(3, 20)]), "pickup")
    assert found.seconds[:3].tolist() == [NOON - 12 * 3600, NOON - 10 * 3600, NOON - 9 * 3600]
    assert found.seconds[-1] == UNKNOWN


@pytest.mark.parametrize(
    ("columns", "end", "expected"),
    [
        (("trip_start_month", "trip_start_hour", "trip_start_timestamp"), "pickup", "trip_start_timestamp"),
        (("started_at", "ended_at"), "pickup", "started_at"),
        (("started_at", "ended_at"), "dropoff", "ended_at"),
        (("tpep_pickup_datetime", "tpep_dropoff_datetime"), "dropoff", "tpep_dropoff_datetime"),
        (("lat", "lon", "timestamp"), "pickup", "timestamp"),
        (("trip_duration_time", "lat"), "pickup", None),
        (("latitude", "longitude"), "pickup", None),
    ],
)
def test_the_column_is_found_by_its_name(trips, columns, end, expected):
    schema = replace(trips.schema, time_column=None)
    assert time_column(replace(trips, schema=schema, columns=columns), end) == expected


def test_a_named_column_must_exist_and_hold_times(trips):
    named = with_column(trips, pa.array(["early", "late"]), "when")
    assert read_times(named, np.array([0, 1]), "pickup") is None
    with pytest.raises(DataError, match="no such column; there are when"):
        read_times(named, np.array([0, 1]), "pickup", "time")
    with pytest.raises(DataError, match="nine of ten"):
        read_times(named, np.array([0, 1]), "pickup", "when")


def test_the_synthetic_city_has_times(trips):
    found = read_times(trips, np.arange(100), "pickup")
    assert found.column == "pickup_time"
    assert (found.seconds > 0).all()
