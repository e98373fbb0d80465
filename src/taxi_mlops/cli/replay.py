"""`taxi replay`: play trips against a running service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from taxi_mlops.cli.options import Quiet, settings_with, takes
from taxi_mlops.errors import UsageError

if TYPE_CHECKING:
    from taxi_mlops.pipeline.replay import Replayed

_WITHOUT = ("zones",)


@takes("taxi_mlops.data.request:LoadRequest", without=_WITHOUT, required=("data",))
def replay(
    given: dict[str, str | None],
    url: Annotated[str, typer.Option(metavar="URL", help="Address of the service.")] = "http://127.0.0.1:8000",
    speed: Annotated[
        float, typer.Option(metavar="TIMES", min=0.001, max=1e9, help="How many times as fast as the trips were.")
    ] = 600.0,
    rate: Annotated[
        float, typer.Option(metavar="TRIPS", min=0.001, max=1e6, help="Trips a second, where they have no times.")
    ] = 200.0,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the API key, where the service needs one.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Ask a service for the hotspot of each trip, and then report where it really began."""
    from taxi_mlops.cli.options import flag
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.data.request import LoadRequest
    from taxi_mlops.pipeline.replay import read_trips
    from taxi_mlops.pipeline.replay import replay as play

    if not url.startswith(("http://", "https://")):
        raise UsageError(f"--url {url}: an address begins with http:// or https://")
    request = LoadRequest().with_parameters(given, flag, _WITHOUT)
    token = None if key_file is None else _key(key_file)
    with progress_observer(quiet) as observer:
        trips = read_trips(request, speed, rate, settings_with(True), observer)
        done = play(trips, url, token, observer)
    _show(done)


def _key(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the API key {path}: {error}") from None


def _show(done: Replayed) -> None:
    rate = done.requests / max(done.seconds, 1e-9)
    typer.echo(f"played {done.requests:,} trips in {done.seconds:.1f} s ({rate:,.0f} a second)")
    versions = ", ".join(f"version {version}: {count:,}" for version, count in sorted(done.versions.items()))
    typer.echo(f"answers: {versions or 'none'}; {done.inside:,} inside a hotspot; {done.failed:,} failed")
    if done.behind > 1.0:
        typer.echo(f"the service was slower than the trips: the last one was {done.behind:.0f} s late")
    if done.stored or done.repeated or done.unmatched:
        typer.echo(
            f"outcomes: {done.stored:,} stored, {done.repeated:,} repeated, {done.unmatched:,} without an answer"
        )
    else:
        typer.echo("outcomes: none, since no A/B test is running")
