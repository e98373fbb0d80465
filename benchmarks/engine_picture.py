"""The picture of docs/explanation/engine.md, made by the engine itself on a few hundred synthetic points.

    python benchmarks/engine_picture.py docs/pictures/engine.png

Left: one cell, and what the bounds of `frame` say of all others. Middle: how cells are decided. Right: the clusters.
"""

from __future__ import annotations

import io
import sys

import altair as alt
import numpy as np
from numba import njit
from PIL import Image

from haversine_dbscan.clustering import dbscan_plane
from haversine_dbscan.frame import Frame, Pair, extent_of, pair_of_rows, plane_frame
from haversine_dbscan.layout import Layout, lay_out
from haversine_dbscan.threads import workers
from santiago import FloatArray

EPS, MIN_SAMPLES, RESOLUTION = 1.0, 20, 3.0
SIZE = 300
SURE, POSSIBLE, BEYOND = "surely within eps", "possibly within eps", "beyond eps"
ALL, NONE, LOOKED = "all core, by bounds", "none core, by bounds", "its points are looked at"
CELL_COLOURS = {
    "the cell": "#333333",
    SURE: "#5b9bd5",
    POSSIBLE: "#cfe3f5",
    BEYOND: "#f4f4f4",
    ALL: "#7fc08a",
    NONE: "#f4f4f4",
    LOOKED: "#f6c86b",
}


def city() -> FloatArray:
    """Return two places and what lies between, (n, 2)."""
    rng = np.random.default_rng(4)
    places = [rng.normal([1.3, 1.4], [0.45, 0.5], (130, 2)), rng.normal([4.7, 4.4], [0.55, 0.4], (120, 2))]
    points = np.concatenate([*places, rng.uniform(0, 6, (70, 2))])
    return points[((points > 0) & (points < 6)).all(axis=1)]


@njit
def between(frame: Frame, row: int, other: int) -> Pair:
    """Return what the frame says of two rows; only compiled code can ask it."""
    return pair_of_rows(frame, row, other)


def relation(frame: Frame, cell: tuple[int, int], other: tuple[int, int]) -> str:
    """Return what the frame says of two cells, (row, column) each."""
    pair = between(frame, cell[0], other[0])
    apart = abs(cell[1] - other[1])
    return SURE if apart <= pair.inner else POSSIBLE if apart <= pair.outer else BEYOND


def decided(frame: Frame, layout: Layout) -> list[dict]:
    """Return a row for each occupied cell, as `counting` decides it: by the points surely and possibly within eps."""
    rows = np.repeat(np.arange(len(layout.row_number)), np.diff(layout.row_cell))
    cells = list(zip(rows.tolist(), layout.cell_column.tolist(), strict=True))
    counts = np.diff(layout.cell_start)
    found = []
    for cell in cells:
        relations = np.array([relation(frame, cell, other) for other in cells])
        sure, possible = counts[relations == SURE].sum(), counts[relations != BEYOND].sum()
        kind = ALL if sure >= MIN_SAMPLES else NONE if possible < MIN_SAMPLES else LOOKED
        found.append({**square(frame, cell), "kind": kind})
    return found


def square(frame: Frame, cell: tuple[int, int]) -> dict:
    """Return the corners of a cell."""
    x, y = frame.origin_x + cell[1] * frame.width, frame.origin_y + cell[0] * frame.height
    return {"x": x, "x2": x + frame.width, "y": y, "y2": y + frame.height}


def panel(title: str, cells: list[dict], points: alt.Chart, *, legend: bool = True) -> alt.LayerChart:
    """Return cells under points."""
    kinds = list(dict.fromkeys(cell["kind"] for cell in cells))
    kinds = [kind for kind in CELL_COLOURS if kind in kinds]
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=kinds, range=[CELL_COLOURS[kind] for kind in kinds]),
        legend=alt.Legend(orient="bottom", columns=2) if legend else None,
    )
    squares = (
        alt.Chart(alt.Data(values=cells))
        .mark_rect(stroke="#dddddd", strokeWidth=0.5)
        .encode(alt.X("x:Q", axis=None), alt.Y("y:Q", axis=None), x2="x2:Q", y2="y2:Q", color=colour)
    )
    return (
        alt.layer(squares, points).resolve_scale(color="independent").properties(width=SIZE, height=SIZE, title=title)
    )


def main() -> None:
    """Draw."""
    points = city()
    with workers(1) as run:
        extent = extent_of(points[:, 0], points[:, 1])
        layout, frame = lay_out(points[:, 0], points[:, 1], plane_frame(extent, EPS, RESOLUTION), run, 1)
    labels, core = dbscan_plane(points[:, 0], points[:, 1], EPS, MIN_SAMPLES)
    rows = [
        {
            "x": round(x, 3),
            "y": round(y, 3),
            "point": "noise" if label < 0 else f"cluster {label}{'' if is_core else ', border'}",
        }
        for (x, y), label, is_core in zip(points.tolist(), labels.tolist(), core.tolist(), strict=True)
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(alt.X("x:Q", axis=None), alt.Y("y:Q", axis=None))
    dots = base.mark_circle(size=9, color="#222222", opacity=0.9)
    names = sorted({row["point"] for row in rows})
    colours = {"noise": "#999999", "cluster 0": "#c0392b", "cluster 0, border": "#f1a9a0"}
    colours |= {"cluster 1": "#2457a4", "cluster 1, border": "#a9c4ec"}
    clusters = base.mark_circle(size=16, opacity=1).encode(
        alt.Color(
            "point:N",
            title=None,
            scale=alt.Scale(domain=names, range=[colours[name] for name in names]),
            legend=alt.Legend(orient="bottom", columns=3),
        )
    )
    all_rows, all_columns = len(layout.row_number), int(layout.cell_column.max()) + 1
    cell = (9, 9)
    every = [(row, column) for row in range(all_rows) for column in range(all_columns)]
    around = [
        {**square(frame, other), "kind": "the cell" if other == cell else relation(frame, cell, other)}
        for other in every
    ]
    empty = [{**square(frame, other), "kind": NONE} for other in every]
    chart = alt.hconcat(
        panel("One cell and the others", around, dots),
        panel("How cells are decided", empty + decided(frame, layout), dots),
        panel("Clusters", empty, clusters, legend=False),
    ).configure_view(stroke=None)
    picture = io.BytesIO()
    chart.save(picture, format="png", scale_factor=1.5)
    Image.open(picture).convert("RGB").quantize(200).save(sys.argv[1], optimize=True)


if __name__ == "__main__":
    main()
