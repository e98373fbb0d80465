"""Draw a small graph in columns from left to right, as an SVG picture of its own."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_WIDTH, _LINE, _PADDING = 290, 16, 9
"""Of a box, in pixels: its width, the height of a line, the space around them."""
_GAP_X, _GAP_Y, _HEADING, _MARGIN = 70, 14, 34, 16
_CHARACTERS = 34
"""Of a line of a box; a longer one is cut, and stands whole in the box's title."""
_STYLE = (
    "text{font:12px Helvetica,Arial,sans-serif;fill:#1b1b1b}.first{font-weight:bold}.heading{fill:#555}"
    "rect{fill:#eef4fb;stroke:#2f6fad}.marked{fill:#fff3d6;stroke:#b26a00;stroke-width:2}"
    "path{fill:none;stroke:#777}.end{fill:#777}"
)


@dataclass(frozen=True, slots=True)
class Box:
    """A node: its lines of text, the first in bold. marked: drawn so that it stands out."""

    lines: tuple[str, ...]
    marked: bool = False

    @property
    def height(self) -> int:
        return len(self.lines) * _LINE + 2 * _PADDING


@dataclass(frozen=True, slots=True)
class Column:
    """Boxes among each other, by their keys, below a heading."""

    heading: str
    boxes: Mapping[str, Box]

    @property
    def height(self) -> int:
        return sum(box.height + _GAP_Y for box in self.boxes.values())


def graph_svg(title: str, columns: Sequence[Column], edges: Sequence[tuple[str, str]]) -> str:
    """Return the picture: text is escaped, and it refers to nothing outside. edges: from key to key, to the right.

    Columns without boxes are left out. Raises KeyError if an edge names no box.
    """
    shown = [column for column in columns if column.boxes]
    tallest = max((column.height for column in shown), default=0)
    width = 2 * _MARGIN + len(shown) * _WIDTH + max(len(shown) - 1, 0) * _GAP_X
    height = 2 * _MARGIN + _HEADING + tallest
    places: dict[str, tuple[int, int, Box]] = {}
    drawn = list[str]()
    for number, column in enumerate(shown):
        x = _MARGIN + number * (_WIDTH + _GAP_X)
        drawn.append(f'<text class="heading" x="{x}" y="{_MARGIN + _LINE}">{html.escape(column.heading)}</text>')
        y = _MARGIN + _HEADING + (tallest - column.height) // 2
        for key, box in column.boxes.items():
            places[key] = (x, y, box)
            drawn.append(_drawn(box, x, y))
            y += box.height + _GAP_Y
    lines = [_edge(places[start], places[end]) for start, end in edges]
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img">',
            f"<title>{html.escape(title)}</title><style>{_STYLE}</style>",
            '<rect style="fill:#fff;stroke:none" width="100%" height="100%"/>',
            *lines,
            *drawn,
            "</svg>\n",
        )
    )


def page_of(title: str, svg: str) -> str:
    """Return a page of HTML that shows a picture."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" '
        f'content="{policy}">\n<title>{html.escape(title)}</title>\n<body>\n{svg}</body>\n</html>\n'
    )


def _drawn(box: Box, x: int, y: int) -> str:
    marked = ' class="marked"' if box.marked else ""
    texts = "".join(
        f'<text class="{"more" if number else "first"}" x="{x + _PADDING}" '
        f'y="{y + _PADDING + (number + 1) * _LINE - 4}">{html.escape(_short(line))}</text>'
        for number, line in enumerate(box.lines)
    )
    whole = html.escape("\n".join(box.lines))
    size = f'x="{x}" y="{y}" width="{_WIDTH}" height="{box.height}" rx="5"'
    return f"<g><title>{whole}</title><rect{marked} {size}/>{texts}</g>"


def _short(line: str) -> str:
    """Return the line, or its beginning and end."""
    if len(line) <= _CHARACTERS:
        return line
    half = (_CHARACTERS - 1) // 2
    return f"{line[:half]}…{line[-half:]}"


def _edge(start: tuple[int, int, Box], end: tuple[int, int, Box]) -> str:
    x, y = start[0] + _WIDTH, start[1] + start[2].height // 2
    to_x, to_y = end[0], end[1] + end[2].height // 2
    middle = (x + to_x) // 2
    return (
        f'<path d="M{x} {y}C{middle} {y} {middle} {to_y} {to_x - 7} {to_y}"/>'
        f'<path class="end" d="M{to_x} {to_y}l-8 -4v8z"/>'
    )
