"""Divide trips into those that a model is made from, and those that it is judged on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from taxi_mlops.data.fingerprint import fingerprint
from taxi_mlops.data.load import open_trips
from taxi_mlops.data.request import LoadRequest, of_version
from taxi_mlops.data.trip_times import UNKNOWN, TripTimes, read_times
from taxi_mlops.domain import BoolArray, Points
from taxi_mlops.errors import UsageError
from taxi_mlops.models.judging import Unseen, unseen_of
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.settings import Settings


def times_of(
    points: Points, request: LoadRequest, column: str | None, settings: Settings, observer: Observer
) -> TripTimes | None:
    """Return the times of the trips of these points; None if no column holds them.

    Raises UsageError for zones, whose trips are not known, and DataError for a column that was named and has no times.
    """
    if points.row is None:
        raise UsageError(
            "a hotspot model needs the points of trips, and these are zones with the number of their trips"
        )
    trips = open_trips(of_version(request, points.provenance), settings, observer.loading)
    return read_times(trips, points.row, request.points, column)


def held_out(n: int, times: TripTimes | None, share: float, seed: int, of: BoolArray | None = None) -> BoolArray:
    """Return bool (n,): the last trips by time, or random ones without; those of unknown time are not.

    of: bool (n,), to choose from these alone; share is of them.
    """
    chosen = np.ones(n, dtype=np.bool_) if of is None else of
    held = np.zeros(n, dtype=np.bool_)
    wanted = round(int(np.count_nonzero(chosen)) * share)
    if wanted == 0:
        return held
    if times is None:
        held[np.random.default_rng(seed).choice(np.flatnonzero(chosen), wanted, replace=False)] = True
        return held
    seconds = times.seconds
    known = np.sort(seconds[chosen & (seconds != UNKNOWN)])
    return np.asarray(chosen & (seconds > known[max(len(known) - wanted - 1, 0)]))


def part_of(points: Points, chosen: BoolArray) -> Points:
    """Return the chosen points, bool (n,)."""
    if chosen.all():
        return points
    latitude, longitude = points.latitude[chosen], points.longitude[chosen]
    row = None if points.row is None else points.row[chosen]
    provenance = replace(points.provenance, rows_used=len(latitude))
    return Points(latitude, longitude, None, fingerprint(latitude, longitude, None), provenance, row)


def unseen_trips(
    points: Points, held: BoolArray, times: TripTimes | None, seed: int, seen: BoolArray | None = None
) -> Unseen | None:
    """Return the trips that are held out, bool (n,), to judge models on; None if there are none.

    seen: those that models are made from, bool (n,); by default all others.
    """
    if not held.any():
        return None
    latitude, longitude = points.latitude, points.longitude
    others = ~held if seen is None else seen
    return unseen_of(
        latitude[held],
        longitude[held],
        None if times is None else times.seconds[held],
        (latitude[others], longitude[others]),
        seed,
    )
