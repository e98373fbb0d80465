"""What several runs say together, for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taxi_mlops.reports.units import UNDEFINED, memory, seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from taxi_mlops.evaluation.performance import Interval
    from taxi_mlops.recording.several_runs import Growth, SeveralRuns, WorkloadRanks


def render(several: SeveralRuns) -> RenderableType:
    """A table of growth and sentences on ranks; what cannot be told says why."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [
        Text(f"{len(several.runs)} runs of {' · '.join(f'{points:,}' for points in several.points)} points")
    ]
    parts.append(Text(several.growth_reason) if several.growth_reason else _table(several))
    parts += [Text(note, style="yellow") for note in _notes(several)]
    parts.append(Text(str(several.ranks_reason)) if several.ranks is None else Text(_sentence(several.ranks)))
    return Group(*parts)


def _table(several: SeveralRuns) -> RenderableType:
    from rich.table import Table

    asked = next((growth.fit_seconds.forecast for growth in several.growth if growth.fit_seconds.forecast), None)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("adapter", no_wrap=True)
    for what in ("fit", "memory"):
        table.add_column(f"{what} grows as n^b, b [95 %]", justify="right")
        if asked:
            table.add_column(f"{what} at {asked.points:,}", justify="right")
    for growth in several.growth:
        cells = []
        for one, unit in ((growth.fit_seconds, seconds), (growth.peak_memory_bytes, _bytes)):
            cells += [_exponent(one), *([_forecast(one, unit)] if asked else [])]
        table.add_row(growth.name, *cells)
    return table


def _bytes(value: float) -> str:
    return memory(round(value))


def _exponent(growth: Growth) -> str:
    if growth.scaling is None:
        return UNDEFINED
    return f"{growth.scaling.exponent:.2f} {_between(growth.scaling.exponent_interval, '{:.2f}'.format)}"


def _forecast(growth: Growth, unit: Callable[[float], str]) -> str:
    forecast = growth.forecast
    if forecast is None or forecast.value is None or forecast.interval is None:
        return UNDEFINED
    return f"{unit(forecast.value)} {_between(forecast.interval, unit)}"


def _between(interval: Interval, unit: Callable[[float], str]) -> str:
    return f"[{unit(interval.low)}–{unit(interval.high)}]"


def _notes(several: SeveralRuns) -> list[str]:
    """Reasons and notes of all figures, each once, with the adapters that it is of."""
    found: dict[str, list[str]] = {}
    for adapter in several.growth:
        for what, growth in (("fit", adapter.fit_seconds), ("memory", adapter.peak_memory_bytes)):
            forecast = growth.forecast
            said = growth.reason if growth.scaling is None else forecast and (forecast.reason or forecast.note)
            if said:
                found.setdefault(said, []).append(f"{what} of {adapter.name}")
    return [f"{', '.join(whose)}: {said}" for said, whose in found.items()]


def _sentence(ranks: WorkloadRanks) -> str:
    result, practical = ranks.friedman, ranks.practical
    means = ", ".join(
        f"{name} {rank:.2f}" for rank, name in sorted(zip(result.mean_ranks, result.methods, strict=True))
    )
    verdict = (
        f"ranks less than {result.critical_difference:.2f} apart are tied"
        if result.p_value < result.alpha
        else "ranks differ by no more than chance"
    )
    return (
        f"Mean ranks over {result.workloads} workloads: {means}; p = {result.p_value:.2g}, so {verdict} "
        f"({result.test}). {ranks.leaders[0]} against {ranks.leaders[1]}: faster with probability "
        f"{practical.first_lower:.0%}, practically the same {practical.equivalent:.0%}, slower "
        f"{practical.first_higher:.0%} ({practical.test} in log seconds)"
    )
