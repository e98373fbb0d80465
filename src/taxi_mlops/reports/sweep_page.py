"""Render `sweep.html`: one file that links to the reports of the cells beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from taxi_mlops.domain import TrialStatus
from taxi_mlops.reports.charts import Chart
from taxi_mlops.reports.html import file_name, render_page
from taxi_mlops.reports.sweep_charts import Place, curves_chart, front_chart, heat_map
from taxi_mlops.reports.units import seconds
from taxi_mlops.results.sweep_result import Candidate, CellResult, SweepResult, index_of

INDICES = {"dbcv": "DBCV", "silhouette": "silhouette", "stability": "stability"}


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A plot with its heading."""

    title: str
    chart: Chart
    caption: str


@dataclass(frozen=True, slots=True)
class SizeSection:
    """What the page shows about one size."""

    points: int
    front: Chart | None
    quality: tuple[HeatMap, ...]
    time: tuple[HeatMap, ...]


def render(result: SweepResult, document: str) -> str:
    """Return the page. document: the text of `sweep.toml`."""
    sizes = [_size(result, size) for size in sorted({cell.size for cell in result.cells}, reverse=True)]
    return render_page(
        "sweep.html.j2",
        result=result,
        title=f"DBSCAN sweep: {file_name(result.dataset.uri)}",
        verdict=sentence(result),
        quality=INDICES[result.sweep.quality],
        quality_heading=_heading(result.sweep.quality),
        best=[candidate for candidate in result.candidates if candidate.on_front],
        sizes=sizes,
        curves=curves_chart(result.curves),
        points={cell.size: cell.points for cell in result.cells},
        cells={cell.name: cell for cell in result.cells},
        document=document,
    )


def sentence(result: SweepResult) -> str:
    """Return the result of the largest size in a sentence that claims no more than the rule."""
    largest = max(cell.size for cell in result.cells)
    front = [one for one in result.candidates if one.on_front and one.size == largest]
    quality = INDICES[result.sweep.quality]
    if not front:
        return f"No clustering has a {quality}, so none is the best."
    best = front[0]
    text = f"{_named(best)} has the best {quality}, {best.quality:.3f}"
    fastest = min(front, key=lambda one: one.fit_seconds or 0.0)
    if best.fit_seconds is None or fastest.fit_seconds is None:
        return f"{text}."
    if fastest.cell == best.cell:
        return f"{text}, and no other clustering is faster: {_by(best)} in {seconds(best.fit_seconds)}."
    return (
        f"{text}, by {_by(best)} in {seconds(best.fit_seconds)}; {_named(fastest)} is the fastest, "
        f"{seconds(fastest.fit_seconds)}, with {fastest.quality:.3f}."
    )


def _heading(name: str) -> str:
    index = INDICES[name]
    return index[0].upper() + index[1:]


def _named(candidate: Candidate) -> str:
    return f"eps {candidate.eps_metres:g} m with min_samples {candidate.min_samples}"


def _by(candidate: Candidate) -> str:
    return " or ".join(candidate.adapters)


def _size(result: SweepResult, size: int) -> SizeSection:
    cells = [cell for cell in result.cells if cell.size == size]
    candidates = [candidate for candidate in result.candidates if candidate.size == size]
    return SizeSection(
        points=cells[0].points,
        front=front_chart(candidates, INDICES[result.sweep.quality]),
        quality=tuple(_quality_maps(cells, result.sweep.quality)),
        time=tuple(_time_maps(cells)),
    )


def _quality_maps(cells: list[CellResult], judged_by: str) -> Iterator[HeatMap]:
    others = [name for name in ("stability", "dbcv") if name != judged_by]
    for name in (judged_by, *others):
        values = {_place(cell): _index(cell, name) for cell in cells}
        yield HeatMap(_heading(name), heat_map(values, INDICES[name], "{:.3f}".format), "Brighter is better.")
    noise = {_place(cell): cell.noise_ratio for cell in cells}
    yield HeatMap("Noise", heat_map(noise, "Share of noise", "{:.0%}".format), "Share of the points.")
    clusters = {_place(cell): None if cell.n_clusters is None else float(cell.n_clusters) for cell in cells}
    yield HeatMap("Clusters", heat_map(clusters, "Number of clusters", "{:,.0f}".format), "Their number.")


def _time_maps(cells: list[CellResult]) -> Iterator[HeatMap]:
    """Return the heat maps of each adapter that was timed in any cell."""
    for name in dict.fromkeys(adapter.name for cell in cells for adapter in cell.adapters):
        found = {_place(cell): next(one for one in cell.adapters if one.name == name) for cell in cells}
        values = {place: adapter.fit_seconds_median for place, adapter in found.items()}
        if all(value is None for value in values.values()):
            continue
        failed = sum(adapter.status is not TrialStatus.OK for adapter in found.values())
        caption = "Median time of fit; brighter is longer, on a logarithmic scale."
        if failed:
            caption += f" In {failed} of {len(found)} cells it failed."
        yield HeatMap(name, heat_map(values, f"Time of {name}", seconds, logarithmic=True), caption)


def _place(cell: CellResult) -> Place:
    return cell.eps_metres, cell.min_samples


def _index(cell: CellResult, name: str) -> float | None:
    estimate = index_of(cell.quality, name)
    return estimate.value if estimate else None
