"""`taxi features`: what is known about hotspots at a time, computed from trips, for training and in service."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from taxi_mlops.cli.options import Json, Quiet
from taxi_mlops.cli.printing import plain_table, print_json, warn
from taxi_mlops.errors import UsageError

if TYPE_CHECKING:
    from taxi_mlops.features import FeatureValues
    from taxi_mlops.features.definitions import Entity

INSTALL = "pip install 'taxi-mlops[features]'"
_TIMES = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"]

app = typer.Typer(name="features", help="What is known about hotspots at a time, for training and in service.")

Model = Annotated[str, typer.Option(metavar="NAME", help="Name of the hotspot model.")]
At = Annotated[datetime | None, typer.Option(formats=_TIMES, metavar="TIME", help="On the trips' clocks.")]


@app.command("list")
def list_features(json: Json = False) -> None:
    """List all features with version, type, unit, entity and freshness."""
    from taxi_mlops.features.definitions import FEATURES, Feature

    if json:
        print_json(tuple[Feature, ...], FEATURES)
        return
    width = max(len(one.name) for one in FEATURES)
    for one in FEATURES:
        fresh = "" if one.freshness is None else f" · fresh for {one.freshness.total_seconds() / 3600:g} h"
        typer.echo(f"{one.name:<{width}}  version {one.version} · {one.kind} · {one.unit} · of a {one.entity}{fresh}")
        typer.echo(f"    {one.description}")


@app.command("build")
def build(
    data: Annotated[str, typer.Argument(metavar="DATA", help="Trips, as other commands take them.")],
    model: Annotated[str, typer.Option(metavar="NAME[@VERSION]", help="The model, and its version or alias.")] = (
        "hotspots@champion"
    ),
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of pickup times. [default: by its name]")
    ] = None,
    dropoff_time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of dropoff times. [default: by its name]")
    ] = None,
    known_at: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|commit",
            help="When each trip became known: a column, or the commit to its Delta table. [default: its end]",
        ),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Time zone of the trips. [default: TAXI_SCHEDULE_TIMEZONE]")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=_TIMES, metavar="TIME", help="Leave out trips that began earlier.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=_TIMES, metavar="TIME", help="Last time of features. [default: of all]")
    ] = None,
    backfill: Annotated[
        str | None, typer.Option(metavar="YYYY-MM", help="Compute this month alone, in place of what is there.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Compute the features of a model's hotspots for every hour from trips, and store them."""
    _require_polars()
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.features import BuildOptions, TripTimeColumns
    from taxi_mlops.pipeline.features import build_features
    from taxi_mlops.settings import load_settings

    settings = load_settings()
    options = BuildOptions(
        columns=TripTimeColumns(time, dropoff_time, known_at),
        timezone=_zone(timezone or settings.schedule_timezone),
        since=since,
        until=until,
        backfill=backfill,
    )
    with progress_observer(quiet) as observer:
        built = build_features(data, model, settings, options, observer.loading)
    contents = built.contents
    for note in contents.notes:
        warn(f"Note: {note}")
    typer.echo(
        f"{contents.model}@{contents.model_version}: {built.rows:,} rows of {built.hotspots:,} hotspots from "
        f"{built.trips:,} trips, {built.months[0]} to {built.months[-1]}; trips are known at {contents.known_at}"
    )


@app.command("materialize")
def materialize(model: Model = "hotspots", at: At = None) -> None:
    """Copy the last features of every hotspot to the online store: SQLite, or Redis where the settings name one."""
    _require_polars()
    from taxi_mlops.features import materialize as copy_online
    from taxi_mlops.settings import load_settings

    done = copy_online(model, load_settings(), at)
    typer.echo(f"{done.model}@{done.version}: {done.hotspots:,} hotspots at {done.at.isoformat()} in {done.store}")


@app.command("get")
def get(
    entity: Annotated[str, typer.Option(metavar="hotspot=ID|trip=ROW", help="The hotspot, or the trip.")],
    model: Model = "hotspots",
    at: At = None,
    json: Json = False,
) -> None:
    """Show the features of a hotspot: as of a time from the offline store, without one from the online store."""
    _require_polars()
    from taxi_mlops.features import FeatureValues, online_values, open_online, values_at
    from taxi_mlops.settings import load_settings

    kind, key = _entity(entity)
    settings = load_settings()
    if kind == "hotspot" and at is None:
        found = online_values(open_online(settings, model), model, key)
    else:
        found = values_at(kind, key, at, model, settings)
    if json:
        print_json(FeatureValues, found)
    else:
        _print(found)


def _print(found: FeatureValues) -> None:
    from rich.console import Console

    from taxi_mlops.features.definitions import chosen

    old = ", too old" if found.stale else ""
    typer.echo(f"{found.entity} {found.key} of {found.model}@{found.version} at {found.at.isoformat()}{old}")
    table = plain_table("feature", "value", "unit", right=("value",))
    for one in chosen(None, found.entity):
        value = found.features[one.name]
        table.add_row(one.name, "unknown" if value is None else f"{value:,.6g}", one.unit)
    Console(highlight=False).print(table)


def _entity(text: str) -> tuple[Entity, int]:
    """Return the kind and the number of an entity, like hotspot=12. Raises UsageError."""
    kind, _, key = text.partition("=")
    if not key.isdecimal() or len(key) > 18 or kind not in ("hotspot", "trip"):
        raise UsageError(f"--entity {text}: write hotspot=12 or trip=12")
    return ("hotspot" if kind == "hotspot" else "trip"), int(key)


def _zone(name: str) -> str:
    """Return the name of a time zone. Raises UsageError if there is none of it."""
    import zoneinfo

    if name not in zoneinfo.available_timezones():
        raise UsageError(f"--timezone {name}: there is no such time zone; write one like America/Santiago")
    return name


def _require_polars() -> None:
    from importlib.util import find_spec

    if find_spec("polars") is None:
        raise UsageError(f"features need polars, which is not installed; install it with: {INSTALL}")
