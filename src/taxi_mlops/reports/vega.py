"""Build plots as Vega-Lite documents (https://vega.github.io/vega-lite/docs/), and draw them as SVG.

The documents are plain dictionaries: a library that validates each part against the schema takes longer than drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Document = dict[str, Any]
"""A Vega-Lite document, or a part of one."""

INK, SOFT, LINE, ACCENT = "var(--ink)", "var(--soft)", "var(--line)", "var(--accent)"
"""CSS variables of the page, so that one drawing works in light, dark and print."""

_CONFIG: Document = {
    "font": "system-ui, sans-serif",
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": LINE,
        "domainColor": LINE,
        "tickColor": LINE,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 10,
    },
}


def quantitative(field: str, **properties: object) -> Document:
    """Encode a field of numbers."""
    return {"field": field, "type": "quantitative", **properties}


def nominal(field: str, **properties: object) -> Document:
    """Encode a field of names."""
    return {"field": field, "type": "nominal", **properties}


def mark(kind: str, **properties: object) -> Document:
    """Define the shape that a layer draws for each row."""
    return {"type": kind, **properties}


def layer(rows: Sequence[Document], shape: Document, /, **encoding: Document) -> Document:
    """Draw a mark for each row."""
    return {"data": {"values": list(rows)}, "mark": shape, "encoding": encoding}


def layered(layers: Sequence[Document], width: int, height: int | Document) -> Document:
    """Put layers above each other, the first one at the bottom, on axes of so many pixels."""
    return {"layer": list(layers), "width": width, "height": height}


def to_svg(document: Document) -> str:
    """Draw a document in the colours of the page, without a browser and without a network."""
    import vl_convert

    drawing: str = vl_convert.vegalite_to_svg({**document, "config": _CONFIG})
    return drawing
