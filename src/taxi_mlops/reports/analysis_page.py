"""The analysis of several workloads as a section of a page, and as a page of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from taxi_mlops import __version__
from taxi_mlops.evaluation.workloads import AcrossWorkloads, Growth, MeasuredWorkload
from taxi_mlops.reports.analysis import (
    bytes_text,
    exponent_text,
    forecast_points,
    forecast_text,
    heading,
    notes,
    rank_sentences,
)
from taxi_mlops.reports.analysis_charts import critical_difference_chart, growth_chart
from taxi_mlops.reports.charts import Chart
from taxi_mlops.reports.html import render_page
from taxi_mlops.reports.units import UNDEFINED, seconds
from taxi_mlops.results.assembly import workloads_of
from taxi_mlops.results.comparison import Comparison


@dataclass(frozen=True, slots=True)
class ValueText:
    """A value as text, with its interval."""

    value: str
    interval: str


@dataclass(frozen=True, slots=True)
class GrowthRow:
    """An adapter's exponents and forecasts."""

    name: str
    cells: tuple[ValueText, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """A median as text. ranked: whether the adapter gave the reference's clustering."""

    text: str
    ranked: bool


@dataclass(frozen=True, slots=True)
class WorkloadRow:
    """A workload with the median of each adapter."""

    points: str
    eps: str
    min_samples: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class AnalysisSection:
    """The contents of the section. far: the size that is forecast, as text; None if none is."""

    heading: str
    growth_reason: str | None
    far: str | None
    time: Chart | None
    memory: Chart | None
    growth: tuple[GrowthRow, ...]
    notes: tuple[str, ...]
    ranks: Chart | None
    sentences: tuple[str, ...]
    adapters: tuple[str, ...]
    workloads: tuple[WorkloadRow, ...]


def make_section(found: AcrossWorkloads, measured: Sequence[MeasuredWorkload]) -> AnalysisSection:
    """Write and draw an analysis. measured: the workloads that it is of."""
    far = forecast_points(found)
    adapters = tuple(dict.fromkeys(name for one in measured for name in one.fit_seconds))
    return AnalysisSection(
        heading=heading(found),
        growth_reason=found.growth_reason,
        far=None if far is None else f"{far:,}",
        time=growth_chart([(one.name, one.fit_seconds) for one in found.growth], "seconds of fit", seconds),
        memory=growth_chart(
            [(one.name, one.peak_memory_bytes) for one in found.growth], "bytes of memory", bytes_text, prefixed=True
        ),
        growth=tuple(
            GrowthRow(
                one.name, (*_cells(one.fit_seconds, seconds, far), *_cells(one.peak_memory_bytes, bytes_text, far))
            )
            for one in found.growth
        ),
        notes=tuple(notes(found)),
        ranks=critical_difference_chart(found.ranks.friedman) if found.ranks else None,
        sentences=rank_sentences(found),
        adapters=adapters,
        workloads=tuple(_row(one, adapters) for one in measured),
    )


def render_analysis(found: AcrossWorkloads, runs: Sequence[Comparison]) -> str:
    """Return a page about several runs."""
    measured = [workload for run in runs for workload in workloads_of(run)]
    return render_page(
        "analysis.html.j2",
        title=f"{len(measured)} workloads of {len(runs)} {'run' if len(runs) == 1 else 'runs'}",
        section=make_section(found, measured),
        runs=runs,
        version=__version__,
    )


def _cells(growth: Growth, unit: Callable[[float], str], far: int | None) -> tuple[ValueText, ...]:
    exponent = _split(exponent_text(growth))
    return (exponent,) if far is None else (exponent, _split(forecast_text(growth, unit)))


def _split(text: str) -> ValueText:
    value, bracket, interval = text.partition(" [")
    return ValueText(value, bracket.strip() + interval)


def _row(one: MeasuredWorkload, adapters: Sequence[str]) -> WorkloadRow:
    return WorkloadRow(
        points=f"{one.points:,}",
        eps=f"{one.eps_metres:g} m",
        min_samples=f"{one.min_samples:,}",
        cells=tuple(_cell(one, name) for name in adapters),
    )


def _cell(one: MeasuredWorkload, name: str) -> Cell:
    values = one.fit_seconds.get(name)
    return Cell(seconds(median(values)), name in one.ranked) if values else Cell(UNDEFINED, ranked=True)
