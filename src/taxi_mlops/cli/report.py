"""`taxi report`: write the report of a run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run that has ended.")],
) -> None:
    """Write report.html and hotspots.geojson of a run again, from its own files."""
    from taxi_mlops.errors import RunFolderError
    from taxi_mlops.reports.report import write_report
    from taxi_mlops.results.run_folder import RunFolder

    run = RunFolder(folder)
    if not run.specification.is_file():
        raise RunFolderError(f"{folder} holds no run: {run.specification.name} is missing")
    with run.locked():
        written = write_report(run)
    typer.echo(f"wrote {written.page}")
    if written.hotspots is not None:
        typer.echo(f"wrote {written.hotspots}")
