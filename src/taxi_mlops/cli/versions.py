"""`taxi data commit`, `adopt`, `log`, `diff`, `tag`, `restore` and `vacuum`: versions of trips in Delta Lake tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from taxi_mlops.cli.options import Json
from taxi_mlops.cli.printing import plain_table, print_json, warn

if TYPE_CHECKING:
    from datetime import timedelta

    from taxi_mlops.versions import Difference

Table = Annotated[str, typer.Option(metavar="TABLE", help="Folder or s3://bucket/key of the Delta table.")]
Latitude = Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of latitudes. [default: by its name]")]
Longitude = Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of longitudes. [default: by its name]")]
_STATISTICS = ("least", "mean", "greatest")

Message = Annotated[str, typer.Option("--message", "-m", metavar="TEXT", help="Why, for the log.")]
Accept = Annotated[bool, typer.Option("--accept", help="Even if the rows are not as those before.")]


def commit(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Trips, as other commands take them.")],
    table: Table,
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="The month of all these trips.")] = None,
    message: Message = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="In place of the rows of the month, or without one of all rows.")
    ] = False,
    accept: Accept = False,
    lat: Latitude = None,
    lon: Longitude = None,
    json: Json = False,
) -> None:
    """Add trips to a Delta table as a new version. What fails the checks is kept apart with a report."""
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.data.request import LoadRequest
    from taxi_mlops.settings import load_settings
    from taxi_mlops.versions import Commit
    from taxi_mlops.versions import commit as commit_trips

    request = LoadRequest(latitude_column=lat, longitude_column=lon)
    with progress_observer(quiet=json) as observer:
        done = commit_trips(
            files,
            table,
            load_settings(),
            request,
            month=month,
            message=message,
            replace=replace,
            accept=accept,
            on_progress=observer.loading,
        )
    if json:
        print_json(Commit, done)
        return
    of_month = f" of {done.month}" if done.month else ""
    typer.echo(
        f"{done.table}@{done.version}: {done.rows:,} rows{of_month}{' in place of those before' * done.replaced}"
    )
    if done.added and done.version:
        typer.echo(f"new columns, missing in the rows before: {', '.join(done.added)}")
    if done.widened:
        typer.echo(f"columns with a wider type now, for which all rows were written again: {', '.join(done.widened)}")


def adopt(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Parquet files, folders or patterns.")],
    table: Annotated[
        str | None,
        typer.Option(metavar="TABLE", help="Folder or s3://bucket/key. [default: the folder that holds all files]"),
    ] = None,
    month: Annotated[
        str | None,
        typer.Option(
            metavar="YYYY-MM|names",
            help="The month of all these trips, or names: of each file the one in its name. "
            "[default: that of a folder month=YYYY-MM]",
        ),
    ] = None,
    message: Message = "",
    accept: Accept = False,
    lat: Latitude = None,
    lon: Longitude = None,
    json: Json = False,
) -> None:
    """Make loose Parquet files part of a Delta table, without copying those in its folder if their types allow it."""
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.data.request import LoadRequest
    from taxi_mlops.settings import load_settings
    from taxi_mlops.versions import Adoption
    from taxi_mlops.versions import adopt as adopt_files

    request = LoadRequest(latitude_column=lat, longitude_column=lon)
    with progress_observer(quiet=json) as observer:
        done = adopt_files(
            files,
            load_settings(),
            table,
            request,
            month=month,
            message=message,
            accept=accept,
            on_progress=observer.loading,
        )
    if json:
        print_json(Adoption, done)
        return
    before = f"; the table had {done.there:,} more already" if done.there else ""
    typer.echo(
        f"{done.table}@{done.version}: {done.rows:,} rows; {len(done.in_place):,} of "
        f"{len(done.in_place) + len(done.copied):,} files stay where they are{before}"
    )
    for one in done.copied:
        typer.echo(f"copied {one.file}: {one.reason}")
    if done.months:
        typer.echo(f"months: {', '.join(done.months)}")
    if done.in_place:
        typer.echo("Files that stay belong to the table now: do not change them; `taxi data vacuum` removes them")


def log(table: Table, json: Json = False) -> None:
    """List the versions of a Delta table, the newest first."""
    from rich.console import Console
    from rich.text import Text

    from taxi_mlops.settings import load_settings
    from taxi_mlops.versions import Version, history

    versions = history(table, load_settings())
    if json:
        print_json(tuple[Version, ...], versions)
        return
    drift = ["drift"] if any(one.drift is not None for one in versions) else []
    names = ("version", "time", "what", "month", "rows", *drift, "message", "tags")
    shown = plain_table(*names, right=("version", "rows", "drift"))
    shown.columns[1].no_wrap = True
    for one in versions:
        shown.add_row(
            str(one.number),
            f"{one.time.astimezone():%Y-%m-%d %H:%M}",
            one.operation.lower(),
            one.month or "",
            "" if one.rows is None else f"{one.rows:,}",
            *("" if one.drift is None else f"{one.drift:.2f}" for _ in drift),
            Text(one.message or one.source),
            Text(", ".join(one.tags)),
        )
    Console(highlight=False).print(shown)


def diff(
    before: Annotated[str, typer.Argument(metavar="VERSION", help="Number, tag or time.")],
    after: Annotated[str, typer.Argument(metavar="VERSION", help="Number, tag or time.")],
    table: Table,
    lat: Latitude = None,
    lon: Longitude = None,
    json: Json = False,
) -> None:
    """Compare two versions: rows, columns and their statistics, and where the points are."""
    from taxi_mlops.data.request import LoadRequest
    from taxi_mlops.settings import load_settings
    from taxi_mlops.versions import Difference, difference

    request = LoadRequest(latitude_column=lat, longitude_column=lon)
    found = difference(f"{table}@{before}", f"{table}@{after}", load_settings(), request)
    if json:
        print_json(Difference, found)
    else:
        _print_difference(found)


def tag(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Number or time of the version.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Stands for it: delta:TABLE@NAME.")],
    table: Table,
) -> None:
    """Give a version a name, which stays on it."""
    from taxi_mlops.settings import load_settings
    from taxi_mlops.versions import tag as tag_version

    number = tag_version(f"{table}@{version}", name, load_settings())
    typer.echo(f"delta:{table}@{name} is version {number}")


def restore(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Number, tag or time to go back to.")],
    table: Table,
    message: Message = "",
) -> None:
    """Make a new version that holds what an earlier one holds."""
    from taxi_mlops.settings import load_settings
    from taxi_mlops.versions import restore as restore_version

    number = restore_version(f"{table}@{version}", load_settings(), message)
    typer.echo(f"delta:{table}@{number} holds what version {version} holds")


def vacuum(
    table: Table,
    keep: Annotated[
        str, typer.Option(metavar="30d", help="Keep what left the table within this time: 30d, 12h.")
    ] = "30d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    json: Json = False,
) -> None:
    """Remove files of old versions, but for those that kept runs, models or tags name."""
    from taxi_mlops.pipeline.lineage import versions_in_use
    from taxi_mlops.settings import load_settings
    from taxi_mlops.versions import Vacuumed
    from taxi_mlops.versions import vacuum as vacuum_table

    settings = load_settings()
    done = vacuum_table(table, settings, _duration(keep), versions_in_use(table, settings), dry_run=dry_run)
    if json:
        print_json(Vacuumed, done)
        return
    typer.echo(f"{'would remove' if dry_run else 'removed'} {len(done.files):,} files")
    if done.kept:
        typer.echo(f"kept all files of the versions {', '.join(map(str, done.kept))}, which runs, models or tags name")


def _duration(text: str) -> timedelta:
    """Return a time like 30d or 12h. Raises UsageError for another."""
    import re
    from datetime import timedelta

    from taxi_mlops.errors import UsageError

    match = re.fullmatch(r"(\d{1,5})(d|h)", text)
    if match is None:
        raise UsageError(f"--keep = {text!r}: write days or hours, as 30d or 12h")
    return timedelta(days=int(match[1])) if match[2] == "d" else timedelta(hours=int(match[1]))


def _print_difference(found: Difference) -> None:
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    console = Console(highlight=False)
    console.print(f"{found.before} → {found.after}: {found.rows_added:,} rows added, {found.rows_removed:,} removed")
    before, after = found.statistics
    console.print(f"rows: {_both(f'{before.rows:,}', f'{after.rows:,}')}")
    for what, names in (
        ("added", found.columns_added),
        ("removed", found.columns_removed),
        ("of another type", found.columns_changed),
    ):
        if names:
            console.print(Text(f"columns {what}: {', '.join(names)}"))
    shown = plain_table(
        "column", "missing", "least", "mean", "greatest", right=("missing", "least", "mean", "greatest")
    )
    for name in dict.fromkeys((*before.columns, *after.columns)):
        one, other = before.columns.get(name), after.columns.get(name)
        shown.add_row(
            Text(name),
            _both(f"{before.share_missing(name):.2%}", f"{after.share_missing(name):.2%}"),
            *(_change(getattr(one, statistic, None), getattr(other, statistic, None)) for statistic in _STATISTICS),
        )
    console.print(shown)
    if found.drift is None:
        warn(f"no map: {found.no_drift}")
        return
    title = f"+ more, - less of the points; population stability index {found.drift.population_stability_index:.3f}"
    console.print(Panel.fit(Text("\n".join(found.drift.lines), no_wrap=True), title=title))


def _change(before: float | None, after: float | None) -> str:
    if before is None and after is None:
        return ""
    return _both(*("none" if value is None else f"{value:,.6g}" for value in (before, after)))


def _both(before: str, after: str) -> str:
    return after if before == after else f"{before} → {after}"
