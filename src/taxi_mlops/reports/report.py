"""The report of a run, from its folder alone: `report.html` and `hotspots.geojson`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from taxi_mlops.domain import NOISE
from taxi_mlops.errors import RunFolderError
from taxi_mlops.files import write_atomically
from taxi_mlops.recording.comparison import AdapterResult, Comparison, read_comparison
from taxi_mlops.recording.run_folder import RunFolder

if TYPE_CHECKING:
    from taxi_mlops.reports.hotspots import Hotspots
    from taxi_mlops.reports.labels import LabelledPoints
    from taxi_mlops.reports.page import LargeCluster, MapSection
    from taxi_mlops.reports.picture import Picture

LARGEST = 10


@dataclass(frozen=True, slots=True)
class Report:
    """What was written. hotspots: None where no adapter gave an answer."""

    page: Path
    hotspots: Path | None


def write_report(folder: RunFolder) -> Report:
    """Write the report of a run that has ended, over an older one.

    Both show the clustering of the fastest adapter of the ranking, or of the reference where none is ranked. Raises
    RunFolderError where the comparison, the specification or the labels are missing or broken.
    """
    from taxi_mlops.reports.page import render

    comparison = read_comparison(folder.comparison)
    specification = _read_specification(folder.specification)
    shown = shown_result(comparison)
    section, hotspots = None, None
    if shown is not None and shown.labels is not None:
        section, hotspots = _map(comparison, shown, folder)
        write_atomically(folder.hotspots, hotspots)
    write_atomically(folder.report, render(comparison, specification, shown, section))
    return Report(folder.report, folder.hotspots if hotspots is not None else None)


def shown_result(comparison: Comparison) -> AdapterResult | None:
    """Whose clustering is shown: the best rank with labels, else the reference; None where there are no labels."""
    results = {result.name: result for result in comparison.adapters}
    ranked = [entry.name for entry in comparison.ranking if entry.rank is not None]
    names = [*ranked, *([comparison.reference] if comparison.reference else [])]
    return next((results[name] for name in names if results[name].labels is not None), None)


def _read_specification(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"cannot read {path}: {error.strerror}") from None


def _map(comparison: Comparison, shown: AdapterResult, folder: RunFolder) -> tuple[MapSection, str]:
    """The section of the page, and the document of the hotspots."""
    from taxi_mlops.reports.geojson import to_geojson
    from taxi_mlops.reports.hotspots import find_hotspots
    from taxi_mlops.reports.labels import Frame, read_labels
    from taxi_mlops.reports.map import draw_map, first_view
    from taxi_mlops.reports.page import MapSection, counter_examples
    from taxi_mlops.reports.picture import PAPER_SIDE, Extent, draw

    points = read_labels(shown.name, folder.path / str(shown.labels))
    frame = Frame.around(points.latitude, points.longitude)
    hotspots = find_hotspots(points, frame, comparison.parameters.eps_metres)
    east, north = frame.to_metres(points.latitude, points.longitude)
    seen = points.labels != NOISE if len(hotspots) else np.ones(len(points), dtype=np.bool_)
    extent = Extent.around(east[seen], north[seen])
    picture = draw(east, north, points.labels, extent)
    view = first_view(hotspots, extent)
    section = MapSection(
        document=draw_map(hotspots, picture, extent, view, counter_examples(comparison)),
        picture=draw(east, north, points.labels, view, picture.colours, PAPER_SIDE),
        text=_description(points, hotspots),
        caption=_caption(shown, points, picture, bool(counter_examples(comparison))),
        clusters_text=_clusters_text(hotspots),
        largest=_largest(points, hotspots),
    )
    about = {
        "run_id": comparison.run_id,
        "source": comparison.dataset.uri,
        "eps_metres": comparison.parameters.eps_metres,
        "min_samples": comparison.parameters.min_samples,
        "outline": "concave hull, within eps / 2 of every point of the cluster",
    }
    return section, to_geojson(hotspots, shown.name, about)


def _description(points: LabelledPoints, hotspots: Hotspots) -> str:
    from taxi_mlops.reports.map import place_text

    if not len(hotspots):
        return f"Map of {len(points):,} points, all of them noise."
    place = place_text(float(hotspots.latitude[0]), float(hotspots.longitude[0]))
    return (
        f"Map of {len(points):,} points in {hotspots.n_clusters:,} clusters and noise; the largest cluster has "
        f"{hotspots.size[0]:,} points around {place}."
    )


def _caption(shown: AdapterResult, points: LabelledPoints, picture: Picture, examples: bool) -> str:
    text = (
        f"The clustering of {shown.name}, {len(points):,} points. Neighbouring clusters differ in "
        "colour; a colour means nothing else. Noise is grey; stronger pixels hold more points."
    )
    if examples:
        text += " On the live map × marks points on which adapters differ."
    if picture.outside:
        text += f" {picture.outside:,} noise points lie beyond the edges."
    return text


def _clusters_text(hotspots: Hotspots) -> str:
    from taxi_mlops.reports.hotspots import MAX_HOTSPOTS
    from taxi_mlops.reports.map import MAX_OUTLINES

    text = (
        f"{min(LARGEST, len(hotspots))} of {hotspots.n_clusters:,} clusters, by number of points. The outline is a "
        "concave hull: it follows the points where a convex one would cover streets without any."
    )
    if hotspots.n_clusters > MAX_OUTLINES:
        text += f" The map outlines at most {MAX_OUTLINES:,}, hotspots.geojson {MAX_HOTSPOTS:,}."
    return text


def _largest(points: LabelledPoints, hotspots: Hotspots) -> tuple[LargeCluster, ...]:
    from taxi_mlops.reports.map import area_text, density_text, place_text
    from taxi_mlops.reports.page import LargeCluster

    density = hotspots.density
    return tuple(
        LargeCluster(
            size=f"{hotspots.size[i]:,}",
            share=f"{hotspots.size[i] / len(points):.1%}",
            area=area_text(float(hotspots.area_km2[i])),
            density=density_text(float(density[i])),
            place=place_text(float(hotspots.latitude[i]), float(hotspots.longitude[i])),
        )
        for i in range(min(LARGEST, len(hotspots)))
    )
