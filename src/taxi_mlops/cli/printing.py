"""Print the results of commands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def print_json(kind: Any, value: object) -> None:  # noqa: ANN401 - a type, as tuple[RunSummary, ...]
    """Print a value as indented JSON, by pydantic's serialisation of the type."""
    from pydantic import TypeAdapter

    typer.echo(TypeAdapter(kind).dump_json(value, indent=2).decode())


def plain_table(*columns: str, right: Collection[str] = ()) -> Table:
    """Return a table without lines whose long cells wrap. right: the columns of numbers."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def print_facts(console: Console, facts: Iterable[tuple[str, str]]) -> None:
    """Print names with their values, one on each line."""
    for name, value in facts:
        console.print(f"  {name:<22}  {value}", soft_wrap=True, markup=False)


def print_files(folder: Path, files: Iterable[tuple[Path, str]]) -> None:
    """Print the files of a folder of results with their purpose; files that do not exist are left out."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"\nResults in {folder}/", soft_wrap=True)
    for path, what in files:
        if path.exists():
            console.print(f"  {path.name:<20} {what}", soft_wrap=True)


@contextmanager
def advice_to_resume(command: str, folder: Path, document: Path) -> Iterator[None]:
    """Print how to resume if Ctrl-C stops the run of a folder whose document exists."""
    try:
        yield
    except KeyboardInterrupt:
        if document.is_file():
            warn(f"stopped; resume with: {command} --resume {folder}")
        raise


def warn(line: str) -> None:
    """Print a line on standard error."""
    typer.secho(line, fg=typer.colors.YELLOW, err=True)
