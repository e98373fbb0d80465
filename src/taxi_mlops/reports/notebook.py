"""Results as fragments of HTML for the output of a notebook's cell: no script, and a map that weighs little."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from taxi_mlops.domain import NOISE
from taxi_mlops.errors import RunFolderError
from taxi_mlops.reports.cluster_terminal import heading as cluster_heading
from taxi_mlops.reports.cluster_terminal import sentence as cluster_sentence
from taxi_mlops.reports.hotspots import Hotspots
from taxi_mlops.reports.html import render_fragment, render_page
from taxi_mlops.reports.labels import LabelledPoints, read_labels
from taxi_mlops.reports.map import NUMBERED, area_text, density_text, first_view
from taxi_mlops.reports.map_section import LARGEST, hotspots_of, largest_clusters, make_section, map_scripts
from taxi_mlops.reports.picture import PALETTE, Extent, draw
from taxi_mlops.reports.report import shown_result
from taxi_mlops.reports.terminal import heading, ranking_rows, sentence
from taxi_mlops.results.cluster_result import ClusterResult
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.results.run_folder import RunFolder

_LONGEST_SIDE = 700
"""Of the picture in pixels, as many as a cell is wide."""
_MAX_OUTLINES = 300


@dataclass(frozen=True, slots=True)
class Outline:
    """A cluster on the map. path: in pixels, as SVG writes it. rank: None beyond the numbered ones."""

    path: str
    colour: str
    text: str
    x: float
    y: float
    rank: int | None


@dataclass(frozen=True, slots=True)
class NotebookMap:
    """The picture of the points, and the outlines over it. text: what it shows, for those who do not see it."""

    picture: str
    width: int
    height: int
    text: str
    outlines: tuple[Outline, ...]


def comparison_html(comparison: Comparison, folder: RunFolder) -> str:
    """The verdict, the ranking and the map of the clustering that the report shows, if its labels can be read."""
    shown = shown_result(comparison)
    drawn = None
    if shown is not None and shown.labels is not None:
        with suppress(RunFolderError):
            points = read_labels(shown.name, folder.path / shown.labels)
            drawn = _draw(points, hotspots_of(points, comparison.parameters.eps_metres))
    return render_fragment(
        "notebook_comparison.html.j2",
        verdict=sentence(comparison),
        heading=heading(comparison),
        rows=tuple(ranking_rows(comparison)),
        reasons=[f"{entry.name}: {entry.reason}" for entry in comparison.ranking if entry.reason],
        warnings=comparison.warnings,
        shown=shown,
        map=drawn,
        report=str(folder.report),
    )


def clusters_html(result: ClusterResult, points: LabelledPoints, hotspots: Hotspots) -> str:
    """How many clusters there are, the largest of them, and the map."""
    return render_fragment(
        "notebook_clusters.html.j2",
        verdict=cluster_sentence(result),
        heading=cluster_heading(result),
        largest=largest_clusters(points, hotspots, LARGEST),
        warnings=result.warnings,
        map=_draw(points, hotspots),
    )


def map_page(points: LabelledPoints, hotspots: Hotspots) -> str:
    """A page of the live map and the largest clusters, which needs no network."""
    return render_page(
        "notebook_map.html.j2",
        scripts=map_scripts(),
        title=f"{hotspots.n_clusters:,} clusters of {len(points):,} points",
        map=make_section(points, hotspots),
    )


def _draw(points: LabelledPoints, hotspots: Hotspots) -> NotebookMap:
    east, north = hotspots.frame.to_metres(points.latitude, points.longitude)
    seen = points.labels != NOISE if len(hotspots) else np.ones(len(points), dtype=np.bool_)
    view = first_view(hotspots, Extent.around(east[seen], north[seen]))
    picture = draw(east, north, points.labels, view, longest_side=_LONGEST_SIDE)
    colours = [PALETTE[number] for number in picture.colours]
    scale = picture.width / view.width
    return NotebookMap(
        picture=picture.data_uri,
        width=picture.width,
        height=picture.height,
        text=f"Map of {len(points):,} points in {hotspots.n_clusters:,} clusters, and noise in grey",
        outlines=_outlines(hotspots, colours, view, scale),
    )


def _outlines(hotspots: Hotspots, colours: list[str], view: Extent, scale: float) -> tuple[Outline, ...]:
    import shapely

    shapes = shapely.simplify(hotspots.outlines[:_MAX_OUTLINES], 1.0 / scale)
    east, north = hotspots.frame.to_metres(hotspots.latitude, hotspots.longitude)
    density = hotspots.density
    found = []
    for i, shape in enumerate(shapes):
        corners = (shapely.get_coordinates(shape) - (view.west, view.north)) * (scale, -scale)
        text = (
            f"#{i + 1}: {hotspots.size[i]:,} points, {area_text(float(hotspots.area_km2[i]))}, "
            f"{density_text(float(density[i]))}"
        )
        found.append(
            Outline(
                path="M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in corners),
                colour=colours[hotspots.label[i]],
                text=text,
                x=round((east[i] - view.west) * scale, 1),
                y=round((view.north - north[i]) * scale, 1),
                rank=i + 1 if i < NUMBERED else None,
            )
        )
    return tuple(found)
