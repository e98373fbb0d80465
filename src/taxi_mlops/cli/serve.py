"""`taxi serve`: answer requests with a hotspot model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from taxi_mlops.errors import UsageError

INSTALL = "pip install 'taxi-mlops[serve]'"


def serve(
    model: Annotated[str, typer.Option(metavar="NAME[@VERSION]", help="The model, and its version or alias.")] = (
        "hotspots@champion"
    ),
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="API keys; needed at an address that others can reach.")
    ] = None,
    new_key: Annotated[
        str | None, typer.Option(metavar="NAME", help="Add a key to the file, print it once, and stop.")
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(metavar="ROLE", help="Of the new key: read, or admin to store outcomes. [read]"),
    ] = None,
) -> None:
    """Answer requests with a hotspot model, until interrupted; a new champion is taken up within seconds."""
    if new_key is not None:
        _add_key(keys, new_key, role or "read")
        return
    if role is not None:
        raise UsageError("--role is of a new key: --new-key NAME --role ROLE --keys FILE")
    try:
        from taxi_mlops.serving import run
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed; install it with: {INSTALL}") from None
    from taxi_mlops.models.registry import CHAMPION, open_registry, split_reference
    from taxi_mlops.service_urls import experiments_url
    from taxi_mlops.settings import load_settings

    name, wanted = split_reference(model, CHAMPION)
    accepted = run.required_keys(host, keys)
    settings = load_settings()
    registry, experiments = open_registry(settings), experiments_url(settings)
    store = None
    if experiments is not None:
        from taxi_mlops.audit.trail import trail_of
        from taxi_mlops.models.ab_store import AbStore

        store = AbStore(experiments, trail_of(settings))
    registry.find(name, wanted)  # before the port is taken
    listening = run.listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"{name}@{wanted} at http://{shown}:{listening.getsockname()[1]}/", err=True)
    run.serve(registry, name, wanted, listening, host, accepted, store)


def _add_key(keys: Path | None, name: str, role: str) -> None:
    from taxi_mlops.audit.acts import Action
    from taxi_mlops.audit.trail import trail_of
    from taxi_mlops.serving.keys import Role, add_key
    from taxi_mlops.settings import load_settings

    if keys is None:
        raise UsageError("--new-key needs the file of keys: --keys FILE")
    if role not in tuple(Role):
        raise UsageError(f"--role {role}: a key has the role {' or '.join(Role)}")
    with trail_of(load_settings()).acting(Action.KEY_CREATED, name, role=role, file=str(keys.absolute())):
        token = add_key(keys, name, Role(role))
    typer.echo(token)
    typer.echo(f"The key {name}: it is not stored and not shown again; {keys} has its hash.", err=True)
