"""`taxi record`: repeat recordings that failed, and record runs that were not recorded yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from taxi_mlops.cli.options import Json
from taxi_mlops.cli.printing import print_json, warn

if TYPE_CHECKING:
    from taxi_mlops.recording.recordings import Recording


def record(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR…", help="Folders of runs that have ended.")],
    to: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="mlflow, store, pushgateway. [default: all that are set]")
    ] = None,
    json: Json = False,
) -> None:
    """Record runs in MLflow, the experiment store and the Pushgateway. What is recorded already stays as it is."""
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.pipeline.record import record_again
    from taxi_mlops.recording.recordings import Recording, RecordingState
    from taxi_mlops.results.run_folder import RunFolder
    from taxi_mlops.settings import load_settings

    settings = load_settings()
    names = to.split(",") if to else []
    done: list[Recording] = []
    for folder in folders:
        with progress_observer(quiet=True) as observer:
            found = record_again(RunFolder(folder), names, settings, observer)
        done += found
        print_failures(found, folder)
        for recording in found:
            if recording.state is RecordingState.RECORDED and not json:
                typer.echo(f"{folder}: recorded in {recording.recorder} ({recording.target})")
    if json:
        print_json(list[Recording], done)
    if any(recording.state is RecordingState.FAILED for recording in done):
        raise typer.Exit(1)


def print_failures(recordings: tuple[Recording, ...], folder: Path) -> None:
    """Print a line on standard error for each recorder that failed."""
    from taxi_mlops.recording.recordings import RecordingState

    for recording in recordings:
        if recording.state is RecordingState.FAILED:
            line = f"not recorded in {recording.recorder}: {recording.reason}; try again with: taxi record {folder}"
            warn(line)
