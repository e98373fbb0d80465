"""`taxi parameters`: print the reference of the parameters."""

from __future__ import annotations

import typer


def parameters() -> None:
    """Print the reference of every parameter as Markdown: docs/reference/parameters.md."""
    from taxi_mlops import parameters_reference

    typer.echo(parameters_reference.markdown(), nl=False)
