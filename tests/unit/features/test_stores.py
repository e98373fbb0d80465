"""Builds, the offline store and the online store: what is trained on is what is served."""

from __future__ import annotations

import sqlite3
import struct
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from pydantic import SecretStr

from taxi_mlops.errors import DataError, ServiceError, UsageError
from taxi_mlops.features import (
    BuildOptions,
    TripTimeColumns,
    build,
    definitions,
    materialize,
    online_values,
    open_online,
    training_frame,
    values_at,
)
from taxi_mlops.features.online import NoFeaturesError
from taxi_mlops.features.store import FeatureStore

pl = pytest.importorskip("polars")

START = datetime(2016, 5, 2)
OPTIONS = BuildOptions()


@pytest.fixture
def built(many_trips, trips_file, version, settings):
    return build(trips_file(many_trips), version, settings, OPTIONS)


def rows_of(settings, month=None):
    store = FeatureStore(settings, "city")
    contents = store.contents()
    parts = contents.months if month is None else {month: contents.months[month]}
    return store.hotspot_rows(contents, parts).sort("hotspot", "at").collect()


def bits(values):
    """The values with every bit of their numbers."""
    return {name: struct.pack("d", one) if isinstance(one, float) else one for name, one in values.items()}


def test_a_build_makes_a_row_for_every_hotspot_and_hour(built, many_trips, settings):
    rows = rows_of(settings)
    assert built.rows == len(rows)
    assert built.months == ("2016-05", "2016-06")
    hours = rows.filter(pl.col("hotspot") == 12)["at"]
    assert (hours.min(), hours.max()) == (built.contents.first, built.contents.last)
    assert hours.diff().drop_nulls().unique().to_list() == [timedelta(hours=1)]
    # Every trip that began in a hotspot and is known by the end of its hour is counted in one row.
    on_time = sum(origin == 7 and begins % 1 + lasts <= 1 for origin, _, begins, lasts in many_trips)
    assert rows.filter(pl.col("hotspot") == 7)["pickups_1h"].sum() == pytest.approx(on_time, abs=1)
    assert built.contents.known_at == "the dropoff (dropoff_datetime)"


def test_a_training_frame_has_each_entity_as_of_its_own_time(built, settings):
    last = built.contents.last
    entities = pl.DataFrame(
        {
            "hotspot": [12, 7, 7, 8, 7, 7, 7],
            "at": [
                last - timedelta(minutes=1),
                last,
                last + timedelta(hours=2),
                last,
                last + timedelta(hours=2, minutes=1),
                built.contents.first - timedelta(minutes=1),
                None,
            ],
            "label": range(7),
        }
    )
    found = training_frame(entities, ["pickups_1h", "pickups_mean_24h"], model="city", settings=settings)
    assert found.columns == ["hotspot", "at", "label", "pickups_1h", "pickups_mean_24h", "features_at", "stale"]
    assert found["label"].to_list() == list(range(7))
    hour = last - timedelta(hours=1)
    assert found["features_at"].to_list() == [hour, last, last, None, last, None, None]
    assert found["stale"].to_list() == [False, False, False, None, True, None, None]
    rows = {(one, at): value for one, at, value in rows_of(settings).select("hotspot", "at", "pickups_mean_24h").rows()}
    expected = [rows[12, hour], rows[7, last], rows[7, last], None, rows[7, last], None, None]
    assert found["pickups_mean_24h"].to_list() == expected


def test_entities_may_be_frames_of_several_libraries(built, settings):
    columns = {"hotspot": [7, 12], "at": [datetime(2016, 6, 1, 8), datetime(2016, 6, 1, 9, 30)]}
    expected = training_frame(columns, model="city", settings=settings)
    assert training_frame(pa.table(columns), model="city", settings=settings).equals(expected)
    pandas = pytest.importorskip("pandas")
    found = training_frame(pandas.DataFrame(columns), model="city", settings=settings)
    assert found.drop("at").equals(expected.drop("at"))


def test_the_features_of_trips_are_found_by_their_rows(built, many_trips, settings):
    found = training_frame({"trip": [5, 0, 10**6]}, model="city", settings=settings)
    places = [(one if one != 99 else None) for one in (many_trips[5][0], many_trips[0][0])]
    assert found["origin"].to_list() == [*places, None]
    begun = [START + timedelta(hours=many_trips[row][2]) for row in (5, 0)]
    assert found["hour_of_week"].to_list() == [*(time.weekday() * 24 + time.hour for time in begun), None]
    assert values_at("trip", 5, None, "city", settings).features["origin"] == places[0]


@pytest.mark.parametrize(
    ("entities", "features", "said"),
    [
        ({"hotspot": [7]}, None, "no column `at`"),
        ({"place": [7]}, None, "no column `hotspot` or `trip`; there are place"),
        ({"hotspot": [7.5], "at": [START]}, None, "the column `hotspot` holds Float64, not whole numbers"),
        ({"hotspot": [7], "at": ["2016-05-02"]}, None, "the column `at` holds String, not times"),
        (
            {"hotspot": [7], "at": [START]},
            ["pickups_1hour"],
            "has no feature 'pickups_1hour'; did you mean 'pickups_1h'?",
        ),
        ({"hotspot": [7], "at": [START]}, ["origin"], "a hotspot has no feature 'origin'"),
        ({"hotspot": [7], "at": [START], "stale": [1]}, None, "columns of names that the result needs: stale"),
        (3, None, "the entities are no data frame"),
    ],
)
def test_wrong_entities_are_refused(built, settings, entities, features, said):
    with pytest.raises(UsageError) as error:
        training_frame(entities, features, model="city", settings=settings)
    assert said in str(error.value)


def test_online_and_offline_give_the_same_bits(built, settings):
    online = open_online(settings, "city")
    for at in (datetime(2016, 5, 3, 4), datetime(2016, 6, 10, 17), built.contents.last):
        done = materialize("city", settings, at)
        assert (done.at, done.hotspots, done.version) == (at, 3, "3")
        for hotspot in (3, 7, 12):
            served = online_values(online, "city", hotspot, now=at)
            trained = values_at("hotspot", hotspot, at, "city", settings)
            assert bits(served.features) == bits(trained.features)
            assert served == replace(trained, features=served.features)


def test_materializing_again_changes_nothing(built, settings):
    def dump():
        with sqlite3.connect(FeatureStore(settings, "city").online) as database:
            return list(database.iterdump())

    materialize("city", settings)
    before = dump()
    materialize("city", settings)
    assert dump() == before
    assert len(before) > 3


def test_a_build_again_gives_the_same_rows(built, many_trips, trips_file, version, settings):
    before = rows_of(settings)
    build(trips_file(many_trips), version, settings, OPTIONS)
    assert rows_of(settings).equals(before)


def test_a_value_that_is_too_old_is_marked(built, settings):
    online = open_online(settings, "city")
    last = materialize("city", settings).at
    assert not online_values(online, "city", 7, now=last + timedelta(hours=2)).stale
    assert online_values(online, "city", 7, now=last + timedelta(hours=2, seconds=1)).stale
    assert online_values(online, "city", 7).stale  # it is not 2016 any more


def test_a_backfill_equals_what_was_computed_then(many_trips, trips_file, version, settings):
    then = START + timedelta(days=30)
    ends = [START + timedelta(hours=begins + lasts) for _, _, begins, lasts in many_trips]
    known = [trip for trip, end in zip(many_trips, ends, strict=True) if end <= then]
    build(trips_file(known, "then.parquet"), version, settings, OPTIONS)
    computed_then = rows_of(settings, "2016-05")
    now = trips_file(many_trips, "now.parquet")
    build(now, version, settings, OPTIONS)
    june = FeatureStore(settings, "city").contents().months["2016-06"]
    done = build(now, version, settings, replace(OPTIONS, backfill="2016-05"))
    assert (done.months, done.contents.months["2016-06"]) == (("2016-05",), june)
    assert rows_of(settings, "2016-05").filter(pl.col("at") <= then).equals(computed_then.filter(pl.col("at") <= then))


def test_a_backfill_must_fit_the_store(built, trips_file, many_trips, version, settings):
    again = trips_file(many_trips)
    for options, what in (
        (replace(OPTIONS, backfill="2016-09"), "--backfill 2016-09: the store has rows from 2016-05-02 to 2016-06"),
        (replace(OPTIONS, backfill="May"), "months are written like 2016-05"),
        (replace(OPTIONS, backfill="2016-05", timezone="America/Santiago"), "the store's time zone is UTC"),
        (replace(OPTIONS, backfill="2016-05", columns=TripTimeColumns(known_at="pickup_datetime")), "known at is"),
    ):
        with pytest.raises(UsageError, match=what):
            build(again, version, settings, options)
    with pytest.raises(UsageError, match="the store's model version is 3, and this one 4"):
        build(again, replace(version, version="4"), settings, replace(OPTIONS, backfill="2016-05"))


def test_a_build_that_ends_early_leaves_the_store_as_it_was(
    built, many_trips, trips_file, version, settings, monkeypatch
):
    before = rows_of(settings)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(FeatureStore, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            build(trips_file(many_trips[:100]), version, settings, OPTIONS)
    assert rows_of(settings).equals(before)
    build(trips_file(many_trips), version, settings, OPTIONS)
    build(trips_file(many_trips), version, settings, OPTIONS)
    store = FeatureStore(settings, "city")
    assert len(list(store.folder.glob("*.parquet"))) == 2 * 3  # two months and the trips, of this build and the last


def test_two_builds_at_once_are_refused(built, many_trips, trips_file, version, settings):
    store = FeatureStore(settings, "city")
    with store.building(), pytest.raises(UsageError, match="another build is under way"):
        build(trips_file(many_trips), version, settings, OPTIONS)


def test_without_redis_only_the_online_answer_is_missing(built, many_trips, trips_file, version, settings):
    pytest.importorskip("redis", reason="redis is in the extra redis")
    gone = settings.model_copy(update={"redis_url": SecretStr("redis://:s3cret@127.0.0.1:1/0")})
    online = open_online(gone, "city")
    for call in (lambda: materialize("city", gone), lambda: online_values(online, "city", 7)):
        with pytest.raises(ServiceError, match=r"redis://:\*\*\*@127\.0\.0\.1:1/0: ") as error:
            call()
        assert "s3cret" not in str(error.value)
    build(trips_file(many_trips), version, gone, OPTIONS)
    entities = {"hotspot": [7], "at": [built.contents.last]}
    assert training_frame(entities, model="city", settings=gone)["stale"].to_list() == [False]
    assert values_at("hotspot", 7, None, "city", gone).at == built.contents.last


def test_features_of_other_definitions_are_refused(built, settings, monkeypatch):
    online = open_online(settings, "city")
    materialize("city", settings)
    monkeypatch.setattr(definitions, "versions", lambda: {"pickups_1h": 2})
    with pytest.raises(UsageError, match="other definitions by now; build again"):
        values_at("hotspot", 7, None, "city", settings)
    with pytest.raises(NoFeaturesError, match="other definitions by now"):
        online_values(online, "city", 7)


def test_what_is_not_there_is_said(built, settings):
    with pytest.raises(UsageError, match=r"no features of model 'town' in .*features/town; `taxi features build`"):
        values_at("hotspot", 7, None, "town", settings)
    with pytest.raises(UsageError, match="no features of hotspot 8 at 2016-06-01T00:00:00; those of hotspots are from"):
        values_at("hotspot", 8, datetime(2016, 6, 1), "city", settings)
    with pytest.raises(NoFeaturesError, match="no online features of hotspot 7 of model 'city'"):
        online_values(open_online(settings, "city"), "city", 7)
    with pytest.raises(UsageError, match="the first features are of"):
        materialize("city", settings, datetime(2015, 1, 1))
    with pytest.raises(UsageError, match="is not the name of a model"):
        FeatureStore(settings, "../city")


def test_trips_without_dropoffs_have_no_features_of_them(trips_file, version, settings, tmp_path):
    import pyarrow.parquet as pq

    table = pq.read_table(trips_file([(7, 3, float(hour), 0.1) for hour in range(60)]))
    no_times = tmp_path / "no_times.parquet"
    pq.write_table(table.drop_columns(["dropoff_datetime"]), no_times)
    done = build(str(no_times), version, settings, OPTIONS)
    assert done.contents.notes[0].startswith("No column holds the times of dropoffs")
    last = values_at("hotspot", 7, None, "city", settings).features
    assert (last["pickups_mean_24h"], last["dropoffs_1h"], last["balance_24h"]) == (1.0, None, None)
    assert last["trip_length_mean_24h"] == 11_120.0
    one_end = tmp_path / "one_end.parquet"
    pq.write_table(table.select(["pickup_latitude", "pickup_longitude", "pickup_datetime"]), one_end)
    done = build(str(one_end), version, settings, OPTIONS)
    assert done.contents.notes[0].startswith("The trips have no points of dropoffs")
    assert done.contents.known_at == "the pickup (pickup_datetime)"
    last = values_at("hotspot", 7, None, "city", settings).features
    assert (last["pickups_mean_24h"], last["trip_length_mean_24h"]) == (1.0, None)


def test_a_column_says_when_trips_became_known(trips_file, version, settings):
    trips = [(7, 3, float(hour), 0.1) for hour in range(60)]
    arrived = [START + timedelta(hours=hour + 3.5) for hour in range(59)]
    path = trips_file(trips, arrived=pa.array([*arrived, None], pa.timestamp("us")))
    options = replace(OPTIONS, columns=TripTimeColumns(known_at="arrived"))
    done = build(path, version, settings, options)
    assert done.contents.known_at == "the column arrived"
    # At 60:00, the trips of the hours 56 (known at 59:30) and 59 (arrived unknown: known at its end) are seen of the
    # last four, and all before.
    last = values_at("hotspot", 7, None, "city", settings).features
    assert (last["pickups_1h"], last["pickups_mean_4h"], last["pickups_mean_24h"]) == (1, 0.5, 22 / 24)
    with pytest.raises(DataError, match=r"--known-at commit: .* is no table of versions"):
        build(path, version, settings, replace(options, columns=TripTimeColumns(known_at="commit")))


def test_commits_say_when_trips_became_known(trips_file, version, settings):
    pytest.importorskip("deltalake")
    from taxi_mlops.versions import commit

    long_ago = [(7, 3, float(hour), 0.1) for hour in range(60)]
    commit([trips_file(long_ago)], "table", settings)
    now = datetime.now(UTC).replace(tzinfo=None, minute=0, second=0, microsecond=0)
    begins = (now - START) / timedelta(hours=1) - 1
    commit([trips_file([(7, 3, begins, 0.1)], "now.parquet")], "table", settings, accept=True)
    options = BuildOptions(columns=TripTimeColumns(known_at="commit"), until=now + timedelta(hours=2))
    done = build("delta:table", version, settings, replace(options, timezone="UTC"))
    assert (done.trips, done.contents.known_at) == (61, "the commit to the table")
    assert rows_of(settings, "2016-05")["pickups_1h"].drop_nulls().to_list() == []  # nothing was known in 2016
    assert done.contents.months["2016-05"].source == "delta:table@1"


def test_times_that_are_wrong_by_decades_are_named(trips_file, version, settings, monkeypatch):
    monkeypatch.setattr(sys.modules["taxi_mlops.features.build"], "MAX_ROWS", 10_000)
    path = trips_file([(7, 3, 0.0, 0.1), (7, 3, 1.0, 0.1), (7, 3, 1_000_000.0, 0.1)])
    with pytest.raises(DataError, match=r"1,000,001 hours from 2016-05-02 to 2130-.* leave out trips with wrong times"):
        build(path, version, settings, OPTIONS)
    done = build(path, version, settings, replace(OPTIONS, until=START + timedelta(days=1)))
    assert (done.contents.last, done.rows) == (START + timedelta(days=1), 24 * 3)
    later = build(
        path, version, settings, replace(OPTIONS, since=START + timedelta(hours=1), until=START + timedelta(days=1))
    )
    assert later.contents.first == START + timedelta(hours=2)
    with pytest.raises(UsageError, match="--until 2016-05-01 00:00:00: the first row would be of 2016-05-02 01:00:00"):
        build(path, version, settings, replace(OPTIONS, until=START - timedelta(days=1)))


def test_trips_without_times_are_refused(trips_file, version, settings, tmp_path):
    import pyarrow.parquet as pq

    table = pq.read_table(trips_file([(7, 3, 0.0, 0.1)]))
    path = tmp_path / "timeless.parquet"
    pq.write_table(table.drop_columns(["pickup_datetime", "dropoff_datetime"]), path)
    with pytest.raises(DataError, match="no column holds the times of pickups; name it with --time COLUMN"):
        build(str(path), version, settings, OPTIONS)


def test_a_model_without_hotspots_is_refused(trips_file, version, settings):
    empty = replace(
        version.model,
        latitude=np.empty(0),
        longitude=np.empty(0),
        hotspot=np.empty(0, dtype=np.int32),
        ids=np.empty(0, dtype=np.int64),
        centre=np.empty((0, 2)),
        size=np.empty(0, dtype=np.int64),
        area_km2=np.empty(0),
        outlines=(),
    )
    with pytest.raises(UsageError, match="version 3 of model 'city' has no hotspots"):
        build(trips_file([(7, 3, 0.0, 0.1)]), replace(version, model=empty), settings, OPTIONS)
