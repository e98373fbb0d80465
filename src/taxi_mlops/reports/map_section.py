"""The section of a page with the map of a clustering and the table of its largest clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from taxi_mlops.domain import NOISE
from taxi_mlops.reports.hotspots import MAX_HOTSPOTS, Hotspots, find_hotspots
from taxi_mlops.reports.html import TEMPLATES
from taxi_mlops.reports.labels import Frame, LabelledPoints
from taxi_mlops.reports.map import (
    MAX_OUTLINES,
    CounterExample,
    area_text,
    density_text,
    draw_map,
    first_view,
    place_text,
)
from taxi_mlops.reports.picture import PAPER_SIDE, Extent, Picture, draw

if TYPE_CHECKING:
    from markupsafe import Markup

LARGEST = 10
_OUTLINE = "concave hull, within eps / 2 of every point of the cluster"


@dataclass(frozen=True, slots=True)
class LargeCluster:
    """A row of the table of the largest clusters, as text."""

    size: str
    share: str
    area: str
    density: str
    place: str


@dataclass(frozen=True, slots=True, eq=False)
class MapSection:
    """The map as the page shows it.

    document: for `Bokeh.embed.embed_item`. picture: the points for print, and where scripts do not run. text: describes
    the map for those who cannot see it. caption, clusters_text: sentences below the map and above the table.
    """

    document: dict[str, Any]
    picture: Picture
    text: str
    caption: str
    clusters_text: str
    largest: tuple[LargeCluster, ...]


def about_hotspots(source: str, eps_metres: float, min_samples: float) -> dict[str, object]:
    """Return what `hotspots.geojson` says of the clustering and of its outlines."""
    return {"source": source, "eps_metres": eps_metres, "min_samples": min_samples, "outline": _OUTLINE}


def make_section(points: LabelledPoints, hotspots: Hotspots, examples: Sequence[CounterExample] = ()) -> MapSection:
    """Draw the map of an answer and describe it. hotspots: of these points. examples: marked on the map."""
    east, north = hotspots.frame.to_metres(points.latitude, points.longitude)
    seen = points.labels != NOISE if len(hotspots) else np.ones(len(points), dtype=np.bool_)
    extent = Extent.around(east[seen], north[seen])
    picture = draw(east, north, points.labels, extent)
    view = first_view(hotspots, extent)
    return MapSection(
        document=draw_map(hotspots, picture, extent, view, examples),
        picture=draw(east, north, points.labels, view, picture.colours, PAPER_SIDE),
        text=_description(points, hotspots),
        caption=_caption(points, picture, bool(examples)),
        clusters_text=_clusters_text(hotspots),
        largest=largest_clusters(points, hotspots, LARGEST),
    )


def hotspots_of(points: LabelledPoints, eps_metres: float) -> Hotspots:
    """Measure the clusters of an answer, in a frame around all of its points."""
    return find_hotspots(points, Frame.around(points.latitude, points.longitude), eps_metres)


def map_scripts() -> tuple[Markup, ...]:
    """Return BokehJS, and our script, for a page with a map."""
    from bokeh.resources import Resources
    from markupsafe import Markup

    bokeh = Resources(mode="inline", components=["bokeh"], log_level="warn").js_raw
    own = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    return tuple(Markup(script) for script in (*bokeh, own))  # noqa: S704 - scripts of a library and our own


def _description(points: LabelledPoints, hotspots: Hotspots) -> str:
    if not len(hotspots):
        return f"Map of {len(points):,} points, all of them noise."
    place = place_text(float(hotspots.latitude[0]), float(hotspots.longitude[0]))
    return (
        f"Map of {len(points):,} points in {hotspots.n_clusters:,} clusters and noise; the largest cluster has "
        f"{hotspots.size[0]:,} points around {place}."
    )


def _caption(points: LabelledPoints, picture: Picture, examples: bool) -> str:
    text = (
        f"The clustering of {points.adapter}, {len(points):,} points. Neighbouring clusters differ in "
        "colour; a colour means nothing else. Noise is grey; stronger pixels hold more points."
    )
    if examples:
        text += " On the live map × marks points on which adapters differ."
    if picture.outside:
        text += f" {picture.outside:,} noise points lie beyond the edges."
    return text


def _clusters_text(hotspots: Hotspots) -> str:
    text = (
        f"{min(LARGEST, len(hotspots))} of {hotspots.n_clusters:,} clusters, by number of points. The outline is a "
        "concave hull: it follows the points where a convex one would cover streets without any."
    )
    if hotspots.n_clusters > MAX_OUTLINES:
        text += f" The map outlines at most {MAX_OUTLINES:,}, hotspots.geojson {MAX_HOTSPOTS:,}."
    return text


def largest_clusters(points: LabelledPoints, hotspots: Hotspots, most: int) -> tuple[LargeCluster, ...]:
    """Describe the largest clusters, at most `most`."""
    density = hotspots.density
    return tuple(
        LargeCluster(
            size=f"{hotspots.size[i]:,}",
            share=f"{hotspots.size[i] / len(points):.1%}",
            area=area_text(float(hotspots.area_km2[i])),
            density=density_text(float(density[i])),
            place=place_text(float(hotspots.latitude[i]), float(hotspots.longitude[i])),
        )
        for i in range(min(most, len(hotspots)))
    )
