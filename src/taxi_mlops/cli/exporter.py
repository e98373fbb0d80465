"""`taxi exporter`: serve metrics of the platform for Prometheus."""

from __future__ import annotations

from typing import Annotated

import typer


def exporter(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 9464,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen at.")] = "127.0.0.1",
) -> None:
    """Serve metrics of flow runs, workers, services, certificates and failed recordings, until interrupted."""
    import threading

    from taxi_mlops.errors import UsageError
    from taxi_mlops.health.exporter import platform_registry, serve
    from taxi_mlops.pipeline.record import configured_recorders
    from taxi_mlops.settings import load_settings

    settings = load_settings()
    recorders = tuple(recorder.name for recorder in configured_recorders(settings))
    try:
        server = serve(platform_registry(settings, recorders), host, port)
    except OSError as error:
        raise UsageError(f"cannot listen at {host}:{port}: {error.strerror}") from None
    typer.echo(f"metrics at http://{host}:{server.server_port}/metrics")
    threading.Event().wait()
