"""`taxi data`: inspect trips, generate synthetic ones, and upload files to the object store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from taxi_mlops.cli.options import DocumentCommand, Json, flag, takes
from taxi_mlops.cli.printing import plain_table, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from taxi_mlops.data.inspect import Inspection

app = typer.Typer(help="Inspect trips, generate synthetic ones, keep them in S3.", no_args_is_help=True)

_OF_THE_SAMPLE = ("sample", "seed")


@app.command("inspect", cls=DocumentCommand)
@takes("taxi_mlops.data.request:LoadRequest", without=_OF_THE_SAMPLE, required=("data",))
def inspect_file(given: dict[str, str | None], json: Json = False) -> None:
    """Show what a file of trips contains, and what cleaning would drop."""
    from rich.console import Console

    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.data.inspect import Inspection, inspect
    from taxi_mlops.data.request import LoadRequest
    from taxi_mlops.settings import load_settings

    request = LoadRequest().with_parameters(given, flag, _OF_THE_SAMPLE)
    with progress_observer(quiet=json) as observer:
        inspection = inspect(request, load_settings(), observer.loading)
    if json:
        print_json(Inspection, inspection)
    else:
        Console(highlight=False).print(_rendered(inspection))


@app.command()
def synthesize(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT.parquet", help="The file to write.")],
    rows: Annotated[int, typer.Option(metavar="N", help="How many trips.")] = 1_000_000,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the city and its trips.")] = 0,
) -> None:
    """Write trips of the synthetic city to a Parquet file. The same seed gives the same trips."""
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.data.synthetic import write_parquet

    with progress_observer(quiet=False) as observer:
        write_parquet(output, rows, seed, observer.loading)
    typer.echo(f"wrote {rows:,} trips to {output}")


@app.command()
def push(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A local file.")],
    target: Annotated[str, typer.Argument(metavar="s3://BUCKET/KEY", help="Address; s3://BUCKET/ keeps the name.")],
    json: Json = False,
) -> None:
    """Upload a file to the object store. An interrupted upload continues where it stopped."""
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.settings import load_settings
    from taxi_mlops.storage.objects import Pushed
    from taxi_mlops.storage.objects import push as push_file

    with progress_observer(quiet=json) as observer:
        pushed = push_file(file, target, load_settings(), observer.loading)
    if json:
        print_json(Pushed, pushed)
        return
    there = pushed.size - pushed.sent_bytes
    what = f"sent {pushed.sent_bytes:,} bytes" + (f", {there:,} were there already" if there else "")
    typer.echo(f"{pushed.uri}: {what}; checked against SHA-256 {pushed.checksum}")


@app.command("list")
def list_trips(
    prefix: Annotated[
        str | None,
        typer.Argument(metavar="PREFIX", help="s3://BUCKET/…, or the start of a key. [default: s3://taxi-data/]"),
    ] = None,
    json: Json = False,
) -> None:
    """List the contents of the object store."""
    from rich.console import Console
    from rich.text import Text

    from taxi_mlops.data.objects import ObjectEntry
    from taxi_mlops.settings import load_settings
    from taxi_mlops.storage.objects import list_objects

    entries = list_objects(prefix, load_settings())
    if json:
        print_json(tuple[ObjectEntry, ...], entries)
        return
    table = plain_table("object", "bytes", "changed", right=("bytes",))
    for entry in entries:
        table.add_row(Text(str(entry.address)), f"{entry.size:,}", f"{entry.modified.astimezone():%Y-%m-%d %H:%M}")
    Console(highlight=False).print(table if entries else "no objects")


def _rendered(inspection: Inspection) -> RenderableType:
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("data", Text(inspection.uri))
    facts.add_row("schema", Text(f"{inspection.schema}: {inspection.title}"))
    facts.add_row("columns", Text(", ".join(inspection.columns)))
    facts.add_row("columns read", Text(", ".join(inspection.columns_read)))
    facts.add_row("rows", f"{inspection.rows_read:,}")
    for rule, count in (inspection.dropped or {}).items():
        facts.add_row(f"  {rule}", f"{count:,} ({count / inspection.rows_read:.2%})")
    if inspection.rows_used is not None:
        facts.add_row("rows left", f"{inspection.rows_used:,} ({inspection.rows_used / inspection.rows_read:.2%})")
    if inspection.bounding_box is not None:
        facts.add_row("bounding box", str(inspection.bounding_box))
    if inspection.city is not None:
        facts.add_row("around", Text(inspection.city))
    for note in inspection.notes:
        facts.add_row("note", Text(note))
    if inspection.refusal is not None:
        facts.add_row("refused", Text(inspection.refusal, style="yellow"))
    if inspection.map is None:
        return facts
    drawing = Text("\n".join(inspection.map.lines), no_wrap=True)
    title = f"{inspection.map.box}, a column is {inspection.map.metres_per_column:,.0f} m"
    return Group(facts, Panel.fit(drawing, title=title))
