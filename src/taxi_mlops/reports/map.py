"""Draw the map of a report: an image of the points, the outlines of the clusters, and points where answers differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from taxi_mlops.domain import NOISE, FloatArray
from taxi_mlops.evaluation.counterexamples import Example
from taxi_mlops.reports.hotspots import Hotspots
from taxi_mlops.reports.picture import PALETTE, Extent, Picture

if TYPE_CHECKING:
    from bokeh.models import ColumnDataSource
    from bokeh.plotting import figure

MAX_OUTLINES = 2_000
_MAX_CORNERS = 60_000
NUMBERED = 12
"""How many of the largest clusters have their rank on the map."""


@dataclass(frozen=True, slots=True)
class CounterExample:
    """A point on which an adapter and the reference differ."""

    adapter: str
    example: Example


def draw_map(
    hotspots: Hotspots,
    picture: Picture,
    extent: Extent,
    view: Extent,
    examples: Sequence[CounterExample],
) -> dict[str, Any]:
    """Return the map as a document for `Bokeh.embed.embed_item`; report.js gives both directions one scale.

    view: the initial view. The outlines are in the source named `clusters`, the largest cluster first.
    """
    from bokeh.embed import json_item
    from bokeh.models import ColumnDataSource

    plot = _canvas(view)
    image = ColumnDataSource({"url": [picture.data_uri]})
    plot.image_url(
        url="url", x=extent.west, y=extent.north, w=extent.width, h=extent.height, anchor="top_left", source=image
    )
    clusters = ColumnDataSource(_outlines(hotspots, picture, extent), name="clusters")
    _add_outlines(plot, clusters)
    _add_numbers(plot, clusters)
    if examples:
        _add_examples(plot, hotspots, examples)
    document: dict[str, Any] = json_item(plot)  # type: ignore[assignment]  # a typed dictionary
    return document


def first_view(hotspots: Hotspots, extent: Extent) -> Extent:
    """Return the part of the extent with the clusters of most points; the user can zoom out to the rest."""
    import shapely

    if not len(hotspots):
        return extent
    west, south, east, north = shapely.bounds(hotspots.outlines).T
    bulk = Extent(
        _quantile(west, hotspots.size, 0.02),
        _quantile(south, hotspots.size, 0.02),
        _quantile(east, hotspots.size, 0.98),
        _quantile(north, hotspots.size, 0.98),
    )
    margin = max(0.05 * max(bulk.width, bulk.height), 100.0)
    return Extent(
        max(bulk.west - margin, extent.west),
        max(bulk.south - margin, extent.south),
        min(bulk.east + margin, extent.east),
        min(bulk.north + margin, extent.north),
    )


def _quantile(values: FloatArray, weight: np.ndarray[Any, np.dtype[np.int64]], share: float) -> float:
    """Return the value that clusters with this share of the points do not exceed."""
    order = np.argsort(values)
    reached = np.cumsum(weight[order]) / weight.sum()
    return float(values[order[min(int(np.searchsorted(reached, share)), len(order) - 1)]])


def _canvas(view: Extent) -> figure:
    from bokeh.models import PanTool, Range1d, ResetTool, WheelZoomTool, ZoomInTool, ZoomOutTool
    from bokeh.models.annotations.dimensional import Metric
    from bokeh.models.annotations.legends import ScaleBar
    from bokeh.plotting import figure

    pan, wheel = PanTool(), WheelZoomTool(name="wheel", visible=False)
    plot = figure(
        name="map",
        x_range=Range1d(start=view.west, end=view.east),
        y_range=Range1d(start=view.south, end=view.north),
        sizing_mode="stretch_both",
        tools=[pan, wheel, ZoomInTool(), ZoomOutTool(), ResetTool()],
        toolbar_location="above",
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border=0,
    )
    plot.toolbar.active_drag = pan
    plot.toolbar.active_scroll = wheel
    plot.toolbar.logo = None
    plot.axis.visible = False
    plot.grid.visible = False
    plot.add_layout(
        ScaleBar(
            name="scale",
            dimensional=Metric(base_unit="m"),
            unit="m",
            background_fill_color=None,
            border_line_color=None,
            bar_line_color="#7d8894",  # visible on light and dark: Bokeh does not repaint it
            location="bottom_left",
            bar_length=0.2,
        )
    )
    return plot


def _outlines(hotspots: Hotspots, picture: Picture, extent: Extent) -> dict[str, Sequence[Any]]:
    """Return columns of the source: rings in metres, at the image's resolution, and the texts about a cluster."""
    import shapely

    outlines = shapely.simplify(hotspots.outlines[:MAX_OUTLINES], extent.width / picture.width)
    shown = int(np.searchsorted(np.cumsum(shapely.get_num_coordinates(outlines)), _MAX_CORNERS, side="right"))
    east, north = hotspots.frame.to_metres(hotspots.latitude[:shown], hotspots.longitude[:shown])
    rings = [np.round(shapely.get_coordinates(outline), 1) for outline in outlines[:shown]]
    density = hotspots.density
    return {
        "xs": [ring[:, 0].tolist() for ring in rings],
        "ys": [ring[:, 1].tolist() for ring in rings],
        "x": np.round(east, 1).tolist(),
        "y": np.round(north, 1).tolist(),
        "rank": list(range(1, shown + 1)),
        "colour": [PALETTE[picture.colours[label]] for label in hotspots.label[:shown]],
        "size": [f"{size:,}" for size in hotspots.size[:shown]],
        "area": [area_text(area) for area in hotspots.area_km2[:shown]],
        "density": [density_text(value) for value in density[:shown]],
        "place": [
            place_text(*where) for where in zip(hotspots.latitude[:shown], hotspots.longitude[:shown], strict=True)
        ],
    }


def area_text(km2: float) -> str:
    """Return an area in a readable unit."""
    if km2 <= 0:
        return "no area"
    return f"{km2:.3g} km²" if km2 >= 1e-3 else f"{km2 * 1e6:,.0f} m²"


def density_text(per_km2: float) -> str:
    """Return points per km², to two digits, or a dash."""
    if not np.isfinite(per_km2):
        return "–"
    digits = int(np.floor(np.log10(per_km2)))
    return f"{round(per_km2, 1 - digits):,.0f} per km²" if digits >= 1 else f"{per_km2:.2g} per km²"


def place_text(latitude: float, longitude: float) -> str:
    """Return degrees with the names of their hemispheres, to about ten metres."""
    longitude = longitude - 360.0 if longitude > 180.0 else longitude
    return (
        f"{abs(latitude):.4f}° {'N' if latitude >= 0 else 'S'}, {abs(longitude):.4f}° {'E' if longitude >= 0 else 'W'}"
    )


def _add_outlines(plot: figure, clusters: ColumnDataSource) -> None:
    from bokeh.models import HoverTool, TapTool

    glyph = plot.patches(
        xs="xs",
        ys="ys",
        source=clusters,
        name="outlines",
        fill_color="colour",
        fill_alpha=0.10,
        line_color="colour",
        line_alpha=0.9,
        line_width=1.2,
        hover_fill_color="colour",
        hover_fill_alpha=0.4,
        hover_line_color="colour",
        hover_line_alpha=1.0,
        selection_fill_color="colour",
        selection_fill_alpha=0.45,
        selection_line_color="colour",
        selection_line_alpha=1.0,
        nonselection_fill_color="colour",
        nonselection_fill_alpha=0.05,
        nonselection_line_color="colour",
        nonselection_line_alpha=0.6,
    )
    tooltips = [
        ("cluster", "#@rank of the largest"),
        ("points", "@size"),
        ("outline", "@area"),
        ("density", "@density"),
        ("middle", "@place"),
    ]
    plot.add_tools(
        HoverTool(renderers=[glyph], tooltips=tooltips, limit=3, point_policy="follow_mouse", visible=False),
        TapTool(renderers=[glyph], visible=False),
    )


def _add_numbers(plot: figure, clusters: ColumnDataSource) -> None:
    from bokeh.models import ColumnDataSource

    largest = {name: clusters.data[name][:NUMBERED] for name in ("x", "y", "rank")}
    plot.text(  # type: ignore[call-arg]  # Bokeh's declarations lack some of its properties
        x="x",
        y="y",
        text="rank",
        source=ColumnDataSource(largest),
        name="numbers",
        text_align="center",
        text_baseline="middle",
        text_font={"value": "system-ui, sans-serif"},
        text_font_size="12px",
        text_font_style="bold",
        background_fill_alpha=0.8,
        border_radius=4,  # type: ignore[arg-type]
        padding=2,  # type: ignore[arg-type]
    )


def _add_examples(plot: figure, hotspots: Hotspots, examples: Sequence[CounterExample]) -> None:
    from bokeh.models import ColumnDataSource, HoverTool

    latitude = np.array([found.example.latitude for found in examples])
    longitude = np.array([found.example.longitude for found in examples])
    east, north = hotspots.frame.to_metres(latitude, longitude)
    source = ColumnDataSource(
        {
            "x": np.round(east, 1).tolist(),
            "y": np.round(north, 1).tolist(),
            "adapter": [found.adapter for found in examples],
            "clause": [found.example.clause.replace("_", " ") for found in examples],
            "reference": [label_text(found.example.reference_label) for found in examples],
            "candidate": [label_text(found.example.candidate_label) for found in examples],
        }
    )
    glyph = plot.scatter("x", "y", source=source, marker="x", size=13, line_width=3, name="examples")
    tooltips = [
        ("differs", "@clause"),
        ("adapter", "@adapter: @candidate"),
        ("reference", "@reference"),
    ]
    plot.add_tools(HoverTool(renderers=[glyph], tooltips=tooltips, limit=3, visible=False))


def label_text(label: int) -> str:
    """Return a label as text for people."""
    return "noise" if label == NOISE else f"cluster {label}"
