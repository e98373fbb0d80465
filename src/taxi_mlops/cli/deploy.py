"""`taxi deploy` and `taxi run`: deploy the flows to a Prefect server, and run them on its workers."""

from __future__ import annotations

from typing import Annotated

import typer


def deploy() -> None:
    """Create or update the deployments and schedules on the configured Prefect server."""
    from taxi_mlops.flows.prefect_environment import configured_server
    from taxi_mlops.settings import load_settings

    settings = load_settings()
    with configured_server(settings):
        from taxi_mlops.flows.deployments import deploy_all

        for done in deploy_all(settings):
            typer.echo(done)


def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="compare, cluster, sweep, daily-comparison, ….")],
    given: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE …", help="Parameters; lists as a,b or [1, 2].")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the log until the run ends.")] = False,
) -> None:
    """Run a deployment on a worker. With --watch, the exit code is 1 if the run does not complete."""
    from taxi_mlops.flows.prefect_environment import configured_server
    from taxi_mlops.settings import load_settings

    settings = load_settings()
    with configured_server(settings):
        from taxi_mlops.flows.deployments import find_deployment
        from taxi_mlops.flows.prefect_trigger import follow_run, parameters_of, start

        deployment = find_deployment(name, settings)
        started = start(deployment, parameters_of(deployment, given or []))
        typer.echo(f"flow run {started.name}: {started.page}")
        if not watch:
            return
        end = follow_run(started, typer.echo)
        colour = typer.colors.GREEN if end.completed else typer.colors.RED
        typer.secho(f"{end.state}{f': {end.message}' if end.message else ''}", fg=colour)
        if not end.completed:
            raise typer.Exit(1)
