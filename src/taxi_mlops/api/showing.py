"""How results look in a terminal."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType

COLUMNS = 80


def text_of(content: RenderableType) -> str:
    """What the command line prints, as plain text of 80 columns, also within a notebook."""
    console = Console(file=io.StringIO(), width=COLUMNS, color_system=None, force_terminal=False, force_jupyter=False)
    with console.capture() as capture:
        console.print(content)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())
