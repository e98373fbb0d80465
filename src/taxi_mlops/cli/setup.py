"""`taxi setup`: tables, buckets and deployments on the services that the settings name."""

from __future__ import annotations

import typer


def setup() -> None:
    """Prepare the services that the settings name: tables, buckets, work pool, deployments. Again changes nothing."""
    from taxi_mlops.flows.setup import set_up
    from taxi_mlops.settings import load_settings

    failed = False
    for done in set_up(load_settings()):
        typer.secho(f"{done.part}: {done.said}", fg=typer.colors.RED if done.failed else None, err=done.failed)
        failed |= done.failed
    if failed:
        typer.echo("what failed, and what to do about it: taxi doctor", err=True)
        raise typer.Exit(1)
