"""Display results in a terminal and in a notebook."""

from __future__ import annotations

import io
import os
from html import escape
from pathlib import Path

from rich.console import Console, RenderableType

COLUMNS = 80
_PAGE_HEIGHT = "42em"


def text_of(content: RenderableType) -> str:
    """Return what the command line prints, as plain text of 80 columns, also in a notebook."""
    console = Console(file=io.StringIO(), width=COLUMNS, color_system=None, force_terminal=False, force_jupyter=False)
    with console.capture() as capture:
        console.print(content)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


class Page:
    """A page of HTML of its own, which a notebook shows in a frame."""

    def __init__(self, html: str) -> None:
        self.html = html

    @classmethod
    def read(cls, path: Path) -> Page:
        """Return the page of a file."""
        return cls(path.read_text(encoding="utf-8"))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file, to be opened in a browser."""
        Path(path).write_text(self.html, encoding="utf-8")

    def _repr_html_(self) -> str:
        # Its scripts cannot reach the notebook.
        return (
            f'<iframe srcdoc="{escape(self.html)}" sandbox="allow-scripts" title="Map of the clusters" '
            f'style="width: 100%; height: {_PAGE_HEIGHT}; border: 0"></iframe>'
        )
