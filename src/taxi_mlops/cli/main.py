"""The `taxi` command. Heavy libraries are imported inside the commands, so that `taxi --help` answers at once."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from taxi_mlops import __version__
from taxi_mlops.cli import (
    ab,
    adapters,
    audit,
    backup,
    cluster,
    compare,
    data,
    deploy,
    doctor,
    exporter,
    features,
    lineage,
    models,
    parameters,
    predict,
    record,
    replay,
    report,
    runs,
    schema,
    serve,
    settings,
    setup,
    stack,
    sweep,
    train,
    tune,
    versions,
)
from taxi_mlops.cli.options import DocumentCommand
from taxi_mlops.errors import TaxiError

INTERRUPTED = 130

app = typer.Typer(
    name="taxi",
    help="Compare DBSCAN implementations on your own trips.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("compare", cls=DocumentCommand)(compare.compare)
app.command("cluster", cls=DocumentCommand)(cluster.cluster)
app.command("predict", cls=DocumentCommand)(predict.predict)
app.command("sweep", cls=DocumentCommand)(sweep.sweep)
app.command("tune", cls=DocumentCommand)(tune.tune)
app.command("train", cls=DocumentCommand)(train.train)
app.add_typer(adapters.app, name="adapters")
app.add_typer(runs.app, name="runs")
app.command("report")(report.report)
app.command("lineage")(lineage.lineage)
app.command("record")(record.record)
app.command("schema")(schema.schema)
app.command("deploy")(deploy.deploy)
app.command("run")(deploy.run)
app.command("parameters")(parameters.parameters)
app.command("settings")(settings.settings)
app.command("setup")(setup.setup)
app.command("audit")(audit.audit)
app.command("doctor")(doctor.doctor)
app.command("exporter")(exporter.exporter)
app.command("serve")(serve.serve)
app.command("replay", cls=DocumentCommand)(replay.replay)
for _of_versions in (
    versions.commit,
    versions.adopt,
    versions.log,
    versions.diff,
    versions.tag,
    versions.restore,
    versions.vacuum,
):
    data.app.command()(_of_versions)
app.add_typer(models.app, name="models")
app.add_typer(ab.app, name="ab")
app.add_typer(features.app, name="features")
app.add_typer(data.app, name="data")
app.add_typer(stack.app, name="stack")
app.add_typer(backup.app, name="backup")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"taxi-mlops {__version__}")
        raise typer.Exit


@app.callback()
def taxi(
    version: Annotated[  # noqa: ARG001 - its callback uses it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Compare DBSCAN implementations on your own trips."""
    from taxi_mlops.audit.caller import CALLER, Caller
    from taxi_mlops.cli.printing import warn

    CALLER.set(Caller("command line", warn=warn))


def main() -> None:
    """Run the command. A user's error ends with one line on standard error and exit code 2."""
    try:
        app()
    except TaxiError as error:
        typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.secho("interrupted", fg=typer.colors.YELLOW, err=True)
        sys.exit(INTERRUPTED)
