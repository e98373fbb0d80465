"""Read features as of a time from the offline store: for training, and for one entity."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from taxi_mlops.errors import UsageError
from taxi_mlops.features.definitions import Entity, chosen
from taxi_mlops.features.hours import hour_of, months
from taxi_mlops.features.store import Contents, FeatureStore
from taxi_mlops.features.values import FeatureValues, shortest_freshness
from taxi_mlops.settings import Settings, load_settings

if TYPE_CHECKING:
    import polars as pl

_ROW, _OF = "_row", "features_at"
_RESERVED = frozenset({_ROW, _OF, "stale"})


def training_frame(
    entities: Any,  # noqa: ANN401 - frames of several libraries
    features: Sequence[str] | None = None,
    *,
    model: str = "hotspots",
    settings: Settings | None = None,
) -> pl.DataFrame:
    """Return features beside entities, each as it was known at the entity's own time.

    Parameters
    ----------
    entities : data frame of Polars or pandas, Arrow table, or mapping of columns
        Columns `hotspot`, ids, and `at`, times on the trips' clocks without a zone; or `trip`, numbers of rows of the
        source. Further columns are kept.
    features : names, default: all of the entity
        As `taxi features list` shows them.
    model : name of the hotspot model
    settings : default: those in force

    Returns
    -------
    polars.DataFrame
        A row for each of the entities, in their order: their columns, the features, `features_at`, the time of the row
        that they are of (the last one at or before `at`), and `stale`, whether they are too old at `at`. All are null
        for an unknown entity, or before the first row.

    Raises
    ------
    UsageError
        Where there are no features of the model, a name or a column is unknown, or a column has another type.
    """
    import polars as pl

    store = FeatureStore(load_settings() if settings is None else settings, model)
    contents = store.contents()
    given = _as_frame(entities)
    entity: Entity = "trip" if "trip" in given.columns else "hotspot"
    wanted = chosen(features, entity)
    names = [feature.name for feature in wanted]
    taken = sorted(set(given.columns) & (_RESERVED | set(names)))
    if taken:
        raise UsageError(f"the entities have columns of names that the result needs: {', '.join(taken)}")
    if entity == "trip":
        keys = given.with_columns(_whole(given, "trip"))
        rows = store.trip_rows(contents).select("trip", *names)
        found = rows.join(keys.lazy().select(pl.col("trip").unique()), on="trip", how="semi").collect()
        return keys.join(found, on="trip", how="left", maintain_order="left").select(*given.columns, *names)
    keys = given.with_columns(_whole(given, "hotspot"), _time(given).alias(_ROW))
    hour = pl.col(_ROW).dt.truncate("1h")
    keys = keys.with_columns(pl.when(hour > contents.last).then(pl.lit(contents.last)).otherwise(hour).alias(_OF))
    found = _hotspot_rows(store, contents, keys, names)
    joined = keys.join(found, on=["hotspot", _OF], how="left", maintain_order="left")
    return joined.select(
        *given.columns,
        *names,
        pl.when("_found").then(pl.col(_OF)).alias(_OF),
        pl.when("_found").then(pl.col(_ROW) - pl.col(_OF) > shortest_freshness(wanted)).alias("stale"),
    )


def values_at(
    entity: Entity, key: int, at: datetime | None, model: str, settings: Settings, names: Sequence[str] | None = None
) -> FeatureValues:
    """Return the features of one entity from the offline store, at a time or the last one.

    Raises UsageError as `training_frame` does, and if there are none of the entity at this time.
    """
    import polars as pl

    store = FeatureStore(settings, model)
    contents = store.contents()
    wanted = [one.name for one in chosen(names, entity)]
    if entity == "trip":
        if at is not None:
            raise UsageError("the features of a trip have no time; leave out --at")
        of_key = store.trip_rows(contents).filter(pl.col("trip") == key).with_columns(stale=False)
        found = of_key.rename({"at": _OF}).collect()
        if len(found) and found[_OF][0] is None:
            raise UsageError(f"trip {key} has no time that could be read, and so no features")
    else:
        entities = {"hotspot": [key], "at": [contents.last if at is None else at]}
        found = training_frame(entities, wanted, model=model, settings=settings).filter(pl.col(_OF).is_not_null())
    if not len(found):
        when = "" if at is None else f" at {at.isoformat()}"
        raise UsageError(
            f"there are no features of {entity} {key}{when}; those of hotspots are from {contents.first.isoformat()} "
            f"to {contents.last.isoformat()}"
        )
    row = found.row(0, named=True)
    return FeatureValues(
        model=contents.model,
        version=contents.model_version,
        entity=entity,
        key=key,
        at=row[_OF],
        stale=row["stale"],
        features={name: row[name] for name in wanted},
    )


def latest_rows(store: FeatureStore, contents: Contents, at: datetime | None) -> tuple[datetime, pl.DataFrame]:
    """Return the time of the last rows at or before a time, and these rows of all hotspots. Raises UsageError."""
    import polars as pl

    hour = contents.last if at is None else min(contents.last, at.replace(minute=0, second=0, microsecond=0))
    if hour < contents.first:
        raise UsageError(f"{hour.isoformat()}: the first features are of {contents.first.isoformat()}")
    part = {f"{hour:%Y-%m}": contents.months[f"{hour:%Y-%m}"]}
    rows = store.hotspot_rows(contents, part).filter(pl.col("at") == hour).sort("hotspot").collect()
    return hour, rows


def _as_frame(entities: Any) -> pl.DataFrame:  # noqa: ANN401
    import polars as pl

    try:
        return pl.DataFrame(entities)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise UsageError(f"the entities are no data frame: {str(error).partition(chr(10))[0]}") from None


def _whole(given: pl.DataFrame, column: str) -> pl.Expr:
    """Return a column of ids. Raises UsageError if there is none, or it holds something else."""
    import polars as pl

    if column not in given.columns:
        raise UsageError(f"the entities have no column `hotspot` or `trip`; there are {', '.join(given.columns)}")
    if not given[column].dtype.is_integer():
        raise UsageError(f"the column `{column}` holds {given[column].dtype}, not whole numbers")
    return pl.col(column).cast(pl.Int64)


def _time(given: pl.DataFrame) -> pl.Expr:
    """Return the column of times. Raises UsageError if there is none, or it holds something else."""
    import polars as pl

    if "at" not in given.columns:
        raise UsageError(f"the entities have no column `at`; there are {', '.join(given.columns)}")
    kind = given["at"].dtype
    if kind == pl.Date or (isinstance(kind, pl.Datetime) and kind.time_zone is None):
        return pl.col("at").cast(pl.Datetime("us"))
    raise UsageError(f"the column `at` holds {kind}, not times on the trips' clocks (without a time zone)")


def _hotspot_rows(store: FeatureStore, contents: Contents, keys: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    hours = keys.select("hotspot", _OF).drop_nulls().unique()
    parts = contents.months
    if len(hours):
        least, greatest = hours.select(pl.col(_OF).min().alias("least"), pl.col(_OF).max().alias("greatest")).row(0)
        needed = {month for month, _, _ in months(hour_of(least), hour_of(greatest) + 1)}
        parts = {month: part for month, part in parts.items() if month in needed} or parts
    rows = store.hotspot_rows(contents, parts).select("hotspot", pl.col("at").alias(_OF), *names)
    return rows.join(hours.lazy(), on=["hotspot", _OF], how="semi").with_columns(_found=True).collect()
