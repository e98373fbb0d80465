"""`taxi setup`: create tables, buckets and deployments on the configured services."""

from __future__ import annotations

from typing import Annotated

import typer


def setup(
    parts: Annotated[
        list[str] | None, typer.Argument(metavar="[PART…]", help="experiments, buckets, deployments. [default: all]")
    ] = None,
) -> None:
    """Prepare the configured services: tables, buckets, work pool, deployments. Repeating it changes nothing."""
    from taxi_mlops.errors import UsageError
    from taxi_mlops.flows.setup import Part, set_up
    from taxi_mlops.settings import load_settings

    try:
        wanted = tuple(Part(name) for name in parts or Part)
    except ValueError as error:
        raise UsageError(f"{error}; there are {', '.join(Part)}") from None
    failed = False
    for done in set_up(load_settings(), wanted):
        typer.secho(f"{done.part}: {done.said}", fg=typer.colors.RED if done.failed else None, err=done.failed)
        failed |= done.failed
    if failed:
        typer.echo("for the reason and what to do: taxi doctor", err=True)
        raise typer.Exit(1)
