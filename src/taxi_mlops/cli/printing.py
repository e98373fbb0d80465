"""How commands print what they found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table


def print_json(kind: Any, value: object) -> None:  # noqa: ANN401 - a type, as tuple[RunSummary, ...]
    """Print a value of a kind that pydantic knows as indented JSON."""
    from pydantic import TypeAdapter

    typer.echo(TypeAdapter(kind).dump_json(value, indent=2).decode())


def plain_table(*columns: str, right: Collection[str] = ()) -> Table:
    """A table without lines whose cells fold where they are too long. right: the columns of numbers."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def print_files(folder: Path, files: Iterable[tuple[Path, str]]) -> None:
    """Print what lies in a folder of results, and what each of it is for; what is not there is left out."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"\nResults in {folder}/", soft_wrap=True)
    for path, what in files:
        if path.exists():
            console.print(f"  {path.name:<20} {what}", soft_wrap=True)


@contextmanager
def advice_to_resume(command: str, folder: Path, document: Path) -> Iterator[None]:
    """Print how to go on where Ctrl-C stops what runs in the folder, once the document of the run is there."""
    try:
        yield
    except KeyboardInterrupt:
        if document.is_file():
            warn(f"stopped; go on with: {command} --resume {folder}")
        raise


def warn(line: str) -> None:
    """Print a line that the user should see on standard error."""
    typer.secho(line, fg=typer.colors.YELLOW, err=True)
