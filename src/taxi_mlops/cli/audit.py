"""`taxi audit`: who ran, promoted, deleted or changed what, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from taxi_mlops.cli.options import Json
from taxi_mlops.cli.printing import plain_table, print_json, warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from taxi_mlops.audit.acts import Act, Detail


def audit(
    since: Annotated[
        str | None, typer.Option(metavar="7d|DATE", help="Not older than this: 7d, 12h, 30m, or a time in UTC.")
    ] = None,
    actor: Annotated[str | None, typer.Option(metavar="NAME", help="Only what this user, key or caller did.")] = None,
    action: Annotated[
        str | None, typer.Option(metavar="ACTION", help="Only this, as model.promoted, or all of a kind, as model.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="The newest N.")] = 1000,
    json: Json = False,
) -> None:
    """List who ran, promoted, deleted or changed what, the newest first: from the experiment store."""
    from rich.console import Console

    from taxi_mlops.audit.acts import Act
    from taxi_mlops.audit.listing import ActFilter, list_acts, moment
    from taxi_mlops.audit.trail import trail_of
    from taxi_mlops.settings import load_settings

    wanted = ActFilter(moment(since) if since else None, actor, action, limit)
    found, reason = list_acts(trail_of(load_settings()), wanted)
    if reason is not None:
        warn(f"only the acts that wait on this machine are shown: {reason}")
    if json:
        print_json(tuple[Act, ...], found)
    elif found:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = 200  # in a pipe, one line for most
        console.print(_table(found))
    else:
        typer.echo("no acts match" if wanted != ActFilter(limit=limit) else "no acts yet")


def _table(acts: Sequence[Act]) -> Table:
    from rich.text import Text

    table = plain_table("time (UTC)", "who", "where", "action", "what", "outcome", "details")
    table.columns[0].no_wrap = True
    for act in acts:
        table.add_row(
            f"{act.at:%Y-%m-%d %H:%M:%S}",
            Text(act.actor),
            Text(f"{act.host}, {act.origin}"),
            Text(act.action),
            Text(act.subject),
            Text(act.outcome),
            Text(", ".join(f"{name} {_shown(value)}" for name, value in act.details.items())),
        )
    return table


def _shown(value: Detail) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if type(value) is int else str(value)
