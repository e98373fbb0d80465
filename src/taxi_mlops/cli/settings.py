"""`taxi settings`: show every setting and its value."""

from __future__ import annotations

from typing import Annotated

import typer

from taxi_mlops.cli.printing import plain_table


def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/reference/settings.md.")] = False,
) -> None:
    """Show every setting and its value in force. Secrets are masked."""
    from taxi_mlops import settings_reference
    from taxi_mlops.settings import load_settings

    if markdown:
        typer.echo(settings_reference.markdown(), nl=False)
        return
    from rich.console import Console
    from rich.markup import escape

    table = plain_table("variable", "in force", "meaning")
    table.columns[0].no_wrap = True
    for line in settings_reference.setting_lines(load_settings()):
        table.add_row(line.variable, escape(line.value), escape(line.meaning))
    Console(highlight=False).print(table)
