"""Whether features of hotspots help: forecast the pickups of the next hour, and compare with the same hour last week.

    python benchmarks/features_forecast.py TRIPS [--train-until 2014-05-01] [--eps 30] [--min-samples 100]

TRIPS: any trips with times. The hotspots are clusters of the pickups before `--train-until`. A trip is known when it
has ended. Rows of every hotspot and hour from the seventh week on are forecast week by week: gradient boosting
(scikit-learn, Poisson loss, its defaults) is fitted to all weeks before, and never to the week that it forecasts. The
error of a forecast is the absolute difference to all trips that began in the hour.

What is printed: both mean absolute errors, and by how much that of the features is less, with a 95 % interval from days
drawn with replacement (10,000 times), since hours of one day are not independent. On a busy machine OMP_NUM_THREADS=1
is much faster.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.ensemble import HistGradientBoostingRegressor

from haversine_dbscan import dbscan
from taxi_mlops.data.load import load_each, open_trips
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.data.trip_times import read_times, time_column
from taxi_mlops.features import BuildOptions, TripTimeColumns, Version, build
from taxi_mlops.features.definitions import of_entity
from taxi_mlops.features.store import FeatureStore
from taxi_mlops.models.hotspot_model import HotspotModel
from taxi_mlops.settings import Settings

WEEK = timedelta(days=7)
EPOCH = datetime(1970, 1, 1)


def hotspots_of(trips: str, until: datetime, eps: float, min_samples: int, settings: Settings) -> HotspotModel:
    """Cluster the pickups before a time."""
    request = LoadRequest(source=trips)
    points = load_each(request, settings)
    times = read_times(open_trips(request, settings), points.row, "pickup")
    assert times is not None, "the trips have no times"
    early = (times.seconds >= 0) & (times.seconds < (until - EPOCH).total_seconds())
    latitude, longitude = points.latitude[early], points.longitude[early]
    labels, core = dbscan(latitude, longitude, eps, min_samples)
    size = np.bincount(labels[labels >= 0])
    centre = np.column_stack(
        [np.bincount(labels[labels >= 0], values[labels >= 0]) / size for values in (latitude, longitude)]
    )
    print(f"{len(size)} hotspots of {early.sum():,} pickups before {until:%Y-%m-%d}, {(labels < 0).mean():.0%} outside")
    return HotspotModel(
        latitude=latitude[core],
        longitude=longitude[core],
        hotspot=labels[core],
        ids=np.arange(1, len(size) + 1),
        centre=centre,
        size=size,
        area_km2=np.ones(len(size)),
        outlines=({"type": "Point", "coordinates": [0.0, 0.0]},) * len(size),
        eps_metres=eps,
        min_samples=min_samples,
    )


def rows_of(trips: str, model: HotspotModel, settings: Settings) -> pl.DataFrame:
    """Return the features of all rows, with the pickups of the hour that follows as `next`."""
    opened = open_trips(LoadRequest(source=trips), settings)
    build(trips, Version("known-at-end", "1", model), settings, BuildOptions())
    at_once = BuildOptions(columns=TripTimeColumns(known_at=time_column(opened, "pickup")))
    build(trips, Version("known-at-once", "1", model), settings, at_once)
    rows, truth = (
        store.hotspot_rows(store.contents()).sort("hotspot", "at").collect()
        for store in (FeatureStore(settings, "known-at-end"), FeatureStore(settings, "known-at-once"))
    )
    hour = (pl.col("at").dt.weekday().cast(pl.Int64) - 1) * 24 + pl.col("at").dt.hour().cast(pl.Int64)
    following = truth.select("hotspot", pl.col("at").dt.offset_by("-1h"), pl.col("pickups_1h").alias("next"))
    return rows.with_columns(hour.alias("hour_of_week")).join(following, on=["hotspot", "at"]).drop_nulls("next")


def forecast(rows: pl.DataFrame) -> pl.DataFrame:
    """Return `at`, `next`, `baseline` and `forecast` of the rows of every week from the seventh on."""
    start = rows["at"].min()
    assert isinstance(start, datetime)
    names = [*(feature.name for feature in of_entity("hotspot")), "hour_of_week", "hotspot"]
    found, week = [], start.replace(hour=0) + 6 * WEEK
    while len(ahead := rows.filter(pl.col("at").is_between(week, week + WEEK, closed="left"))):
        seen = rows.filter(pl.col("at") < week)
        model = HistGradientBoostingRegressor(loss="poisson", random_state=0)
        model.fit(seen.select(names).to_numpy(), seen["next"].to_numpy())
        made = pl.Series("forecast", model.predict(ahead.select(names).to_numpy()))
        found.append(ahead.select("at", "next", pl.col("pickups_week_ago").alias("baseline")).with_columns(made))
        week += WEEK
    return pl.concat(found).drop_nulls()


def main() -> None:
    """Forecast, and print the errors."""
    parser = argparse.ArgumentParser(description="Forecast the pickups of the next hour.")
    parser.add_argument("trips")
    parser.add_argument("--train-until", type=datetime.fromisoformat, default=datetime(2014, 5, 1))
    parser.add_argument("--eps", type=float, default=30.0)
    parser.add_argument("--min-samples", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(features_dir=Path(folder))
        model = hotspots_of(given.trips, given.train_until, given.eps, given.min_samples, settings)
        made = forecast(rows_of(given.trips, model, settings))
    errors = made.select(
        pl.col("at").dt.date().alias("day"),
        (pl.col("baseline") - pl.col("next")).abs().alias("baseline"),
        (pl.col("forecast") - pl.col("next")).abs().alias("forecast"),
    )
    days = errors.group_by("day").agg(pl.col("baseline").sum(), pl.col("forecast").sum(), pl.len().alias("rows"))
    drawn = np.random.default_rng(0).integers(0, len(days), (10_000, len(days)))
    baseline, of_features = days["baseline"].to_numpy(), days["forecast"].to_numpy()
    less = 1.0 - of_features[drawn].sum(axis=1) / baseline[drawn].sum(axis=1)
    rows = len(errors)
    print(f"{rows:,} forecasts of {len(days)} days, {made['next'].mean():.2f} pickups on average")
    errors_of = f"same hour last week {baseline.sum() / rows:.3f}, features {of_features.sum() / rows:.3f}"
    print(f"mean absolute error: {errors_of}")
    low, high = np.percentile(less, [2.5, 97.5])
    print(f"less by {1 - of_features.sum() / baseline.sum():.1%} [{low:.1%} to {high:.1%}]")


if __name__ == "__main__":
    main()
