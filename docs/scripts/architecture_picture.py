"""Draw the packages of taxi_mlops and what imports what, from the imports in the code.

    python docs/scripts/architecture_picture.py

An arrow points from a package to one that it imports. An import that follows from others (a imports b, b imports c, a
imports c) is left out. Packages that import each other stand in one box. Modules of one file are left out, but for the
domain; so is `testing`, which one command alone imports. The engine is a distribution of its own.
"""

from __future__ import annotations

import ast
import html
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import grimp
import numpy as np
import pygraphviz
from scipy.sparse.csgraph import connected_components

DOCS = Path(__file__).resolve().parent.parent
SOURCE = DOCS.parent / "src" / "taxi_mlops"
PICTURE = DOCS / "pictures" / "architecture.svg"
ROOT = "taxi_mlops"
ENGINE = "haversine_dbscan"
ENGINE_SOURCE = DOCS.parent / "engine" / "src" / ENGINE
LEFT_OUT = "testing"


def packages() -> tuple[str, ...]:
    """Return the packages of the picture, in alphabetical order."""
    folders = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    return tuple(sorted((folders | {"domain", ENGINE}) - {LEFT_OUT}))


def imports(names: tuple[str, ...]) -> dict[str, set[str]]:
    """Return which of the packages each one imports."""
    graph = grimp.build_graph(ROOT, ENGINE)
    modules = {name: name if name == ENGINE else f"{ROOT}.{name}" for name in names}
    for module in modules.values():
        graph.squash_module(module)
    imported = {name: graph.find_modules_directly_imported_by(module) for name, module in modules.items()}
    return {name: {other for other in names if modules[other] in imported[name]} for name in names}


def boxes(imported: Mapping[str, set[str]]) -> dict[str, str]:
    """Return the box of each package: its name, or the names of all packages that import each other, joined."""
    names = list(imported)
    matrix = np.array([[other in imported[name] for other in names] for name in names])
    _, number = connected_components(matrix, directed=True, connection="strong")
    members = {box: [name for name, own in zip(names, number, strict=True) if own == box] for box in set(number)}
    return {name: " ".join(members[box]) for name, box in zip(names, number, strict=True)}


def graph() -> pygraphviz.AGraph:
    """Return the picture as a graph: a node a box, an edge for each import that does not follow from others."""
    imported = imports(packages())
    box = boxes(imported)
    drawn = pygraphviz.AGraph(directed=True, rankdir="TB", bgcolor="white", nodesep=0.3, ranksep=0.45, pad=0.2)
    drawn.node_attr.update(
        shape="box", style="rounded,filled", fillcolor="#eef4fb", color="#2f6fad", fontname="Helvetica,Arial,sans-serif"
    )
    drawn.edge_attr.update(color="#555555", arrowsize=0.7)
    for node in sorted(set(box.values())):
        drawn.add_node(node, label=_label(node.split()))
    drawn.add_edges_from(
        sorted({(box[name], box[other]) for name in imported for other in imported[name] if box[name] != box[other]})
    )
    return drawn.tred()


def draw(path: Path) -> None:
    """Write the picture as SVG."""
    path.write_bytes(graph().draw(format="svg", prog="dot"))


def _label(names: list[str]) -> str:
    """Return the names in bold, each with the first line of its docstring, as a label in HTML."""
    rows = [
        f'<tr><td align="left"><b>{name}</b></td></tr>'
        + "".join(
            f'<tr><td align="left"><font point-size="11">{html.escape(line)}</font></td></tr>'
            for line in textwrap.wrap(_purpose(name), 44)
        )
        for name in names
    ]
    return f'<<table border="0" cellborder="0" cellspacing="0">{"".join(rows)}</table>>'


def _purpose(name: str) -> str:
    folder = ENGINE_SOURCE if name == ENGINE else SOURCE / name
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n", maxsplit=1)[0].replace("`", "")


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
