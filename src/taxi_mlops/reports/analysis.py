"""The analysis of several workloads as sentences, and as a table for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taxi_mlops.evaluation.workloads import PRACTICALLY_EQUAL
from taxi_mlops.reports.units import UNDEFINED, memory, p_value, seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from taxi_mlops.evaluation.performance import Interval
    from taxi_mlops.evaluation.workloads import AcrossWorkloads, Growth, WorkloadRanks


def render(found: AcrossWorkloads) -> RenderableType:
    """Return a table of growth and sentences on ranks, or the reasons where there are none."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text(heading(found))]
    parts.append(Text(found.growth_reason) if found.growth_reason else _table(found))
    parts += [Text(note, style="yellow") for note in notes(found)]
    parts += [Text(sentence) for sentence in rank_sentences(found)]
    return Group(*parts)


def heading(found: AcrossWorkloads) -> str:
    """Return how many workloads there are, and which of them growth is fitted to."""
    runs = len({workload.run_id for workload in found.workloads})
    of_runs = f" of {runs} runs" if runs > 1 else ""
    sizes = sorted({workload.points for workload in found.growth_over or found.workloads})
    text = f"{len(found.workloads)} workloads{of_runs}, {' · '.join(f'{size:,}' for size in sizes)} points"
    if found.growth_over and len(found.growth_over) < len(found.workloads):
        over = found.growth_over[0]
        text += f" at eps {over.eps_metres:g} m and min_samples {over.min_samples}"
    return text


def _table(found: AcrossWorkloads) -> RenderableType:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("adapter", no_wrap=True)
    table.add_column("")
    far = forecast_points(found)
    for name in ("grows as n^b, b [95 %]", *([f"at {far:,} points [95 %]"] if far is not None else [])):
        table.add_column(name, justify="right")
    for growth in found.growth:
        for what, one, unit in (
            ("time", growth.fit_seconds, seconds),
            ("memory", growth.peak_memory_bytes, bytes_text),
        ):
            table.add_row(growth.name, what, exponent_text(one), *([forecast_text(one, unit)] if far else []))
    return table


def forecast_points(found: AcrossWorkloads) -> int | None:
    """Return the size that is forecast, None if none is."""
    costs = [one for growth in found.growth for one in (growth.fit_seconds, growth.peak_memory_bytes)]
    return next((one.forecast.points for one in costs if one.forecast), None)


def bytes_text(value: float) -> str:
    """Return bytes as text, such as `1.2 GB`."""
    return memory(round(value))


def exponent_text(growth: Growth) -> str:
    """Return the exponent with which a cost grows with the points, and its interval."""
    if growth.scaling is None:
        return UNDEFINED
    return f"{growth.scaling.exponent:.2f} {_between(growth.scaling.exponent_interval, '{:.2f}'.format)}"


def forecast_text(growth: Growth, unit: Callable[[float], str]) -> str:
    """Return the forecast of a cost, and its interval."""
    forecast = growth.forecast
    if forecast is None or forecast.value is None or forecast.interval is None:
        return UNDEFINED
    return f"{unit(forecast.value)} {_between(forecast.interval, unit)}"


def _between(interval: Interval, unit: Callable[[float], str]) -> str:
    return f"[{unit(interval.low)}–{unit(interval.high)}]"


def notes(found: AcrossWorkloads) -> list[str]:
    """Return the reasons and notes of all values, each once, with the adapters that it applies to."""
    said_of: dict[str, list[str]] = {}
    for adapter in found.growth:
        for what, growth in (("time", adapter.fit_seconds), ("memory", adapter.peak_memory_bytes)):
            forecast = growth.forecast
            said = growth.reason if growth.scaling is None else forecast and (forecast.reason or forecast.note)
            if said:
                said_of.setdefault(said, []).append(f"{what} of {adapter.name}")
    return [f"{', '.join(whose)}: {said}" for said, whose in said_of.items()]


def rank_sentences(found: AcrossWorkloads) -> tuple[str, ...]:
    """Return which adapters are fast on all workloads, by the tests, or why that is unknown."""
    if found.ranks is None:
        return (f"A comparison over all workloads {found.ranks_reason}.",)
    sentences = [_friedman(found.ranks), _practical(found.ranks)]
    if len({workload.run_id for workload in found.workloads}) < len(found.workloads):
        sentences.append(
            "Samples of the same points are not independent workloads, as these tests assume, so that the evidence "
            "about other data is overstated."
        )
    return tuple(sentences)


def _friedman(ranks: WorkloadRanks) -> str:
    result = ranks.friedman
    means = ", ".join(
        f"{name} {rank:.2f}" for rank, name in sorted(zip(result.mean_ranks, result.methods, strict=True))
    )
    verdict = (
        f"those less than {result.critical_difference:.2f} apart do not differ significantly"
        if result.p_value < result.alpha
        else "they do not differ significantly"
    )
    heading = f"Mean ranks over {result.workloads} workloads: {means}"
    return f"{heading}; p {p_value(result.p_value)}, {verdict} ({result.test})."


def _practical(ranks: WorkloadRanks) -> str:
    practical = ranks.practical
    return (
        f"{ranks.leaders[0]} against {ranks.leaders[1]}: faster with probability {practical.first_lower:.1%}, "
        f"practically the same {practical.equivalent:.1%}, slower {practical.first_higher:.1%} (Bayesian signed-rank "
        f"test; practically the same are times whose ratio is below {PRACTICALLY_EQUAL:g})."
    )
