"""Write the report of a run from its folder: `report.html` and `hotspots.geojson`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_mlops.errors import RunFolderError
from taxi_mlops.files import write_atomically
from taxi_mlops.results.comparison import AdapterResult, Comparison, read_comparison
from taxi_mlops.results.run_folder import RunFolder

if TYPE_CHECKING:
    from taxi_mlops.reports.map_section import MapSection


@dataclass(frozen=True, slots=True)
class Report:
    """The files that were written. hotspots: None if no adapter gave an answer."""

    page: Path
    hotspots: Path | None


def write_report(folder: RunFolder) -> Report:
    """Write the report of a run that has ended, replacing an older one.

    Both show the clustering of the fastest adapter of the ranking, or of the reference if none is ranked. Raises
    RunFolderError if the comparison, the specification or the labels are missing or broken.
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
    """Return whose clustering is shown: the best rank with labels, else the reference; None if there are no labels."""
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
    """Return the section of the page, and the document of the hotspots."""
    from taxi_mlops.reports.geojson import to_geojson
    from taxi_mlops.reports.labels import read_labels
    from taxi_mlops.reports.map_section import about_hotspots, hotspots_of, make_section
    from taxi_mlops.reports.page import counter_examples

    points = read_labels(shown.name, folder.path / str(shown.labels))
    hotspots = hotspots_of(points, comparison.parameters.eps_metres)
    parameters = comparison.parameters
    about = about_hotspots(comparison.dataset.uri, parameters.eps_metres, parameters.min_samples)
    section = make_section(points, hotspots, counter_examples(comparison))
    return section, to_geojson(hotspots, shown.name, {"run_id": comparison.run_id, **about})
