"""Plots of several workloads: how costs grow with the points, and the mean ranks with their critical difference."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from taxi_mlops.reports.charts import ACCENT, INK, SOFT, Chart, rendered
from taxi_mlops.reports.picture import PALETTE

if TYPE_CHECKING:
    from taxi_mlops.evaluation.statistics import Friedman
    from taxi_mlops.evaluation.workloads import Growth
    from taxi_mlops.reports.charts import Drawing

_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-left", "triangle-right")
_STEPS = 40
_ROW_HEIGHT = 34


def growth_chart(
    costs: Sequence[tuple[str, Growth]], title: str, unit: Callable[[float], str], prefixed: bool = False
) -> Chart | None:
    """Measured costs by number of points, the fitted curves with their confidence bands; dashed where it is a forecast.

    costs: of each adapter by name; title: of the axis; prefixed: whether its numbers are written as 200M. None where
    nothing could be fitted.
    """
    fitted = [(name, growth) for name, growth in costs if growth.scaling is not None]
    if not fitted:
        return None
    names = [name for name, _ in fitted]
    measured = [
        {"adapter": name, "points": size, "cost": cost}
        for name, growth in fitted
        if growth.scaling
        for size, cost in zip(growth.scaling.sizes, growth.scaling.costs, strict=True)
    ]
    curves = [row for name, growth in fitted for row in _curve(name, growth)]
    reach = [row["cost"] for row in (*measured, *curves)]
    sizes = [row["points"] for row in (*measured, *curves)]
    limits = [min(reach) / 1.5, max(reach) * 1.5]

    def build(width: int) -> Drawing:
        import altair as alt

        numbers = alt.Axis(values=_ticks(min(sizes), max(sizes)), format=",~s", labelOverlap=True)
        x = alt.X("points:Q", title="points (logarithmic)", scale=alt.Scale(type="log"), axis=numbers)
        scale = alt.Scale(type="log", domain=limits, clamp=True)
        costs_axis = alt.Axis(values=_ticks(*limits), format=",~s" if prefixed else ",~r", labelOverlap=True)
        y = alt.Y("cost:Q", title=f"{title} (logarithmic)", scale=scale, axis=costs_axis)
        legend = alt.Legend(
            title=None, orient="bottom", columns=max(1, width // 120), labelColor=INK, labelLimit=110, symbolOpacity=1
        )
        colours = alt.Scale(domain=names, range=[PALETTE[i % len(PALETTE)] for i in range(len(names))])
        colour = alt.Color("adapter:N", scale=colours, legend=legend)
        shapes = alt.Scale(domain=names, range=[_SHAPES[i % len(_SHAPES)] for i in range(len(names))])
        curve = alt.Chart(alt.InlineData(values=curves)).encode(x=x, color=colour)
        band = curve.mark_area(opacity=0.16, clip=True).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q")
        line = curve.mark_line(strokeWidth=1.8, clip=True).encode(y=y)
        dots = alt.Chart(alt.InlineData(values=measured)).mark_point(filled=True, size=70, opacity=1)
        return alt.layer(
            band,
            line.transform_filter("!datum.beyond"),
            line.transform_filter("datum.beyond").mark_line(strokeWidth=1.8, strokeDash=[5, 4], clip=True),
            dots.encode(x=x, y=y, color=colour, shape=alt.Shape("adapter:N", scale=shapes, legend=legend)),
        ).properties(width=width, height=260)

    told = "; ".join(f"{name}: {_told(growth, unit)}" for name, growth in fitted)
    return rendered(build, f"{title.capitalize()} by number of points. {told}.")


def _curve(name: str, growth: Growth) -> list[dict[str, Any]]:
    """The fitted cost and its band over the sizes, and on to the forecast, where there is one."""
    scaling, forecast = growth.scaling, growth.forecast
    if scaling is None:
        return []
    largest = scaling.sizes[-1]
    far = forecast.points if forecast is not None and forecast.value is not None else largest
    sizes = {round(size) for size in np.geomspace(scaling.sizes[0], max(far, largest), _STEPS)} | {largest}
    band = scaling.band(sorted(sizes))
    rows = [
        {"adapter": name, "points": size, "cost": value, "low": low, "high": high, "beyond": size > largest}
        for size, value, low, high in zip(band.points, band.value, band.low, band.high, strict=True)
    ]
    joint = next(row for row in rows if row["points"] == largest)
    return [*rows, {**joint, "beyond": True}] if far > largest else rows


def _ticks(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis from low to high: powers of ten, and 2 and 5 times those where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high < 100 * low else (1,)
    return [tick for power in powers for step in steps if low <= (tick := float(f"{step}e{power}")) <= high]


def _told(growth: Growth, unit: Callable[[float], str]) -> str:
    scaling, forecast = growth.scaling, growth.forecast
    if scaling is None:
        return str(growth.reason)
    text = (
        f"{unit(scaling.costs[0])} at {scaling.sizes[0]:,} points to {unit(scaling.costs[-1])} at "
        f"{scaling.sizes[-1]:,}, growing as n to the {scaling.exponent:.2f}"
    )
    if forecast is None or forecast.value is None:
        return text
    return f"{text}; {unit(forecast.value)} to be expected at {forecast.points:,}"


def critical_difference_chart(result: Friedman) -> Chart:
    """Mean ranks; methods in one box are not told apart, and the bar on top is the critical difference."""
    ranked = sorted(zip(result.mean_ranks, result.methods, strict=True))
    order = [name for _, name in ranked]
    rows = [{"method": name, "rank": rank, "text": f"{rank:.2f}"} for rank, name in ranked]
    rank_of = dict(zip(result.methods, result.mean_ranks, strict=True))
    groups = [
        {"first": members[0], "last": members[-1], "low": rank_of[members[0]], "high": rank_of[members[-1]]}
        for members in tied_groups(result)
    ]
    furthest = max(float(len(order)), 1.0 + result.critical_difference)
    measure = {"low": 1.0, "high": 1.0 + result.critical_difference, "text": _measure_text(result)}

    def build(width: int) -> Drawing:
        import altair as alt

        scale = alt.Scale(domain=[0.7, furthest + 0.5], nice=False)
        axis = alt.Axis(
            values=list(range(1, math.floor(furthest) + 1)), format="d", title="mean rank; 1 is the fastest"
        )
        x = alt.X("rank:Q", scale=scale, axis=axis)
        down = alt.Scale(domain=order)
        y = alt.Y("method:N", scale=down, title=None, axis=alt.Axis(labelFontSize=13, labelLimit=170))
        methods = alt.Chart(alt.InlineData(values=rows)).encode(x=x, y=y)
        boxes = alt.Chart(alt.InlineData(values=groups)).mark_rect(
            color=ACCENT, opacity=0.14, cornerRadius=6, stroke=ACCENT, strokeWidth=1.5
        )
        bar = alt.Chart(alt.InlineData(values=[measure]))
        height = _ROW_HEIGHT * len(order)
        return alt.layer(
            boxes.encode(
                x=alt.X("low:Q", scale=scale, axis=axis),
                x2="high:Q",
                y=alt.Y("first:N", scale=down, bandPosition=0.1),
                y2=alt.Y2("last:N", bandPosition=0.9),
            ),
            methods.mark_circle(color=ACCENT, size=110, opacity=1),
            methods.mark_text(color=INK, align="left", dx=10, fontWeight=600).encode(text="text:N"),
            bar.mark_rule(color=SOFT, strokeWidth=3).encode(
                x=alt.X("low:Q", scale=scale), x2="high:Q", y=alt.value(-12)
            ),
            bar.mark_text(color=INK, align="left", baseline="bottom", fontSize=12).encode(
                x=alt.X("low:Q", scale=scale), y=alt.value(-17), text="text:N"
            ),
        ).properties(width=width, height=height)

    told = "; ".join(f"{name}: mean rank {rank:.2f}" for rank, name in ranked)
    together = "; ".join(" and ".join(members) for members in tied_groups(result)) or "none"
    return rendered(build, f"Mean ranks. {told}. {_measure_text(result)}. Not told apart: {together}.")


def _measure_text(result: Friedman) -> str:
    return f"critical difference {result.critical_difference:.2f}"


def tied_groups(result: Friedman) -> tuple[tuple[str, ...], ...]:
    """The largest groups of methods of which no two are told apart, each in order of the mean ranks."""
    order = [name for _, name in sorted(zip(result.mean_ranks, result.methods, strict=True))]
    tied = {frozenset(pair) for pair in result.tied}
    groups: list[tuple[str, ...]] = []
    for start, first in enumerate(order):
        last = start
        while last + 1 < len(order) and frozenset((first, order[last + 1])) in tied:
            last += 1
        group = tuple(order[start : last + 1])
        if len(group) > 1 and not (groups and set(group) <= set(groups[-1])):
            groups.append(group)
    return tuple(groups)
