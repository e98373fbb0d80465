"""Features of hotspots by the hour, against a reference that looks at each trip for each row."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_mlops.features.definitions import of_entity
from taxi_mlops.features.hours import busier_distance, count_events, hotspot_rows, hour_of, months, time_of

pl = pytest.importorskip("polars")

IDS = np.array([7, 3, 12])
CENTRE = np.array([[0.0, 0.0], [0.0, 0.1], [0.0, 0.3]])
BASE = hour_of(datetime(2016, 5, 2))
HOUR = 3600
COLUMNS = ("origin", "destination", "pickup", "dropoff", "known", "metres")


def frame(trips):
    return pl.DataFrame(trips, schema=dict.fromkeys(COLUMNS, pl.Int64), orient="row")


def mean_and_spread(values):
    return sum(values) / len(values), float(np.std(values))


def reference(trips, hotspot, at, has_dropoffs=True):
    """The features of one hotspot at one hour, by the rule alone."""
    now = at * HOUR

    def events(end, time):
        return [
            (trip[end], trip[time] // HOUR, trip[5])
            for trip in trips
            if trip[time] is not None and trip[time] < now and trip[4] <= now
        ]

    pickups, dropoffs = events(0, 2), events(1, 3)
    since = min((hour for _, hour, _ in pickups), default=math.inf)

    def known(hours):
        return since <= at - hours

    made = {}
    for name, found, there in (("pickups", pickups, True), ("dropoffs", dropoffs, has_dropoffs)):

        def count(hour, found=found):
            return sum(place == hotspot and when == hour for place, when, _ in found)

        def of(hours, values, there=there):
            return mean_and_spread(values) if known(hours) and there else (None, None)

        made[f"{name}_1h"] = count(at - 1) if known(1) and there else None
        for hours in (4, 24):
            made[f"{name}_mean_{hours}h"], made[f"{name}_spread_{hours}h"] = of(
                hours, [count(at - 1 - lag) for lag in range(hours)]
            )
        made[f"{name}_week_ago"] = count(at - 168) if known(168) and there else None
        made[f"{name}_mean_weeks"], made[f"{name}_spread_weeks"] = of(
            672, [count(at - 168 * week) for week in range(1, 5)]
        )
    for hours in (1, 4, 24):

        def total(found, hours=hours):
            return sum(place == hotspot and when >= at - hours for place, when, _ in found)

        made[f"balance_{hours}h"] = total(dropoffs) - total(pickups) if known(hours) and has_dropoffs else None
    lengths = [metres for place, when, metres in pickups if place == hotspot and when >= at - 24 and metres is not None]
    of_lengths = mean_and_spread(lengths) if lengths and known(24) else (None, None)
    made["trip_length_mean_24h"], made["trip_length_spread_24h"] = of_lengths
    busy = {one: sum(place == one and when >= at - 24 for place, when, _ in pickups) for one in IDS}
    place = dict(zip(IDS, CENTRE[:, 1], strict=True))
    apart = [abs(place[one] - place[hotspot]) * 111_195.08 for one in IDS if busy[one] > busy[hotspot]]
    made["busier_hotspot_distance"] = min(apart, default=None) if known(24) else None
    return made


TIME = st.builds(
    lambda week, hour, second: (BASE + week * 168 + hour) * HOUR + second,
    st.integers(0, 5),
    st.one_of(st.integers(0, 5), st.integers(0, 30)),
    st.sampled_from([0, 1, 1800, 3599]),
)
DELAY = st.sampled_from([0, 1, 600, 3600, 3601, 5 * 3600, 26 * 3600, 8 * 24 * 3600, 40 * 24 * 3600])
PLACE = st.sampled_from([7, 7, 3, 12, None])


@st.composite
def trip(draw):
    pickup = draw(TIME)
    dropoff = draw(st.sampled_from([None, 0, 900, 3600, 9000]))
    ended = None if dropoff is None else pickup + dropoff
    length = draw(st.sampled_from([None, 0, 1500, 2500, 90_000]))
    return (draw(PLACE), draw(PLACE), pickup, ended, (ended or pickup) + draw(DELAY), length)


TRIPS = st.lists(trip(), min_size=1, max_size=30)


@settings(max_examples=60)
@given(TRIPS, st.integers(0, 6 * 168), st.booleans())
def test_every_value_is_as_the_rule_says(trips, begin, has_dropoffs):
    start = BASE + begin
    found = hotspot_rows(count_events(frame(trips), has_dropoffs=has_dropoffs), IDS, CENTRE, start, start + 6)
    assert found.columns == ["hotspot", "at", *(feature.name for feature in of_entity("hotspot"))]
    assert found.select("hotspot", "at").rows() == [
        (one, time_of(hour)) for one in sorted(IDS.tolist()) for hour in range(start, start + 6)
    ]
    for row in found.iter_rows(named=True):
        expected = reference(trips, row["hotspot"], hour_of(row["at"]), has_dropoffs)
        unknown = {name for name, value in expected.items() if value is None}
        assert {name for name in expected if row[name] is None} == unknown
        numbers = {name: value for name, value in expected.items() if value is not None}
        assert {name: row[name] for name in numbers} == pytest.approx(numbers, rel=1e-6, abs=1e-3)
        exact = [name for name, value in expected.items() if isinstance(value, int)]
        assert [row[name] for name in exact] == [expected[name] for name in exact]


@settings(max_examples=60)
@given(TRIPS, st.integers(0, 6 * 168))
def test_a_backfill_gives_what_was_computed_then(trips, when):
    """What becomes known later changes nothing before: bit for bit."""
    then = BASE + when
    known_then = [one for one in trips if one[4] <= then * HOUR and one[2] < then * HOUR]
    if not known_then:
        return
    start = then - 30
    computed_then = hotspot_rows(count_events(frame(known_then), has_dropoffs=True), IDS, CENTRE, start, then + 1)
    backfilled = hotspot_rows(count_events(frame(trips), has_dropoffs=True), IDS, CENTRE, start, then + 1)
    assert backfilled.equals(computed_then, null_equal=True)


@settings(max_examples=30)
@given(TRIPS, st.integers(0, 6 * 168), st.randoms())
def test_neither_the_order_of_trips_nor_the_cut_into_months_matters(trips, when, random):
    start, stop = BASE + when, BASE + when + 20
    whole = hotspot_rows(count_events(frame(trips), has_dropoffs=True), IDS, CENTRE, start, stop)
    shuffled = random.sample(trips, len(trips))
    events = count_events(frame(shuffled), has_dropoffs=True)
    cut = start + random.randrange(1, 20)
    parts = [hotspot_rows(events, IDS, CENTRE, *part) for part in ((start, cut), (cut, stop))]
    assert pl.concat(parts).sort("hotspot", "at").equals(whole, null_equal=True)


def test_a_late_trip_is_seen_from_when_it_is_known():
    pickup = BASE * HOUR + 600
    trips = [(7, 3, pickup - 30 * HOUR, None, pickup - 30 * HOUR, None), (7, 3, pickup, None, pickup + 2 * HOUR, None)]
    found = hotspot_rows(count_events(frame(trips), has_dropoffs=False), IDS, CENTRE, BASE, BASE + 6)
    of_seven = found.filter(pl.col("hotspot") == 7)
    # Known at 2:10, so from 3:00 on; it began in the hour from 0:00, of which the row of 1:00 alone is the last hour.
    assert of_seven["pickups_1h"].to_list() == [0, 0, 0, 0, 0, 0]
    assert of_seven["pickups_mean_4h"].to_list() == [0.0, 0.0, 0.0, 0.25, 0.25, 0.0]
    assert of_seven["pickups_mean_24h"].to_list() == [0.0, 0.0, 0.0, 1 / 24, 1 / 24, 1 / 24]


def test_a_trip_at_the_full_hour_belongs_to_the_hour_that_begins():
    pickup = BASE * HOUR
    trips = [(7, None, pickup - 2 * HOUR, None, 0, None), (7, None, pickup, None, pickup, None)]
    found = hotspot_rows(count_events(frame(trips), has_dropoffs=False), IDS[:1], CENTRE[:1], BASE, BASE + 3)
    assert found["pickups_1h"].to_list() == [0, 1, 0]


@given(
    st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=6),
    st.lists(st.tuples(st.floats(-80, 80), st.floats(-180, 180)), min_size=6, max_size=6),
)
def test_the_nearest_busier_hotspot_is_found(counts, places):
    from haversine_dbscan.geodesy import great_circle_distance

    counts, centre = np.array(counts), np.array(places)[: len(counts)]
    found = busier_distance(counts, centre)
    for one in range(len(counts)):
        for hour in range(3):
            busier = np.flatnonzero(counts[:, hour] > counts[one, hour])
            apart = great_circle_distance(*centre[one], centre[busier, 0], centre[busier, 1])
            assert found[one, hour] == pytest.approx(min(apart, default=math.nan), nan_ok=True)


@pytest.mark.parametrize("far", [1, 2**40])
def test_events_are_counted_by_hotspot_hour_and_delay(far):
    """far: apart, ids and delays are too large for one key."""
    trips = [
        (far, None, 5 * HOUR, None, 6 * HOUR, 10),
        (3, None, 5 * HOUR, None, 5 * HOUR, None),
        (far, None, 5 * HOUR, None, 6 * HOUR, 20),
        (far, None, 5 * HOUR, None, (6 + far) * HOUR, 30),
        (far, None, 4 * HOUR, None, 4 * HOUR, 40),
        (None, None, 4 * HOUR, None, 4 * HOUR, 40),
    ]
    events = count_events(frame(trips), has_dropoffs=False)
    rows = [
        (3, 5, 0, 1, 0, 0, 0, 1),
        (far, 4, 0, 1, 1, 40, 1600, 1),
        (far, 5, 0, 2, 2, 30, 500, 4),
        (far, 5, far, 1, 1, 30, 900, 5),
    ]
    assert events.pickups.rows() == sorted(rows)
    names = ["hotspot", "hour", "delay", "trips", "lengths", "metres", "metre_squares", "trip_squares"]
    assert events.pickups.columns == names
    assert events.dropoffs.is_empty()
    assert events.dropoffs.columns == [*names[:4], "trip_squares"]


def test_months_cover_the_hours_without_a_gap():
    start, stop = hour_of(datetime(2015, 12, 31, 22)), hour_of(datetime(2016, 3, 1, 1))
    found = list(months(start, stop))
    assert [name for name, _, _ in found] == ["2015-12", "2016-01", "2016-02", "2016-03"]
    assert [hours for _, _, hours in found[:-1]] == [hours for _, hours, _ in found[1:]]
    assert (found[0][1], found[-1][2]) == (start, stop)
    assert [stop - start for _, start, stop in found] == [2, 31 * 24, 29 * 24, 1]
