"""Plots of several workloads: how costs grow with the points, and the mean ranks with their critical difference."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from taxi_mlops.reports.charts import Chart, rendered
from taxi_mlops.reports.picture import PALETTE
from taxi_mlops.reports.vega import ACCENT, INK, SOFT, Document, layer, layered, mark, nominal, quantitative

if TYPE_CHECKING:
    from taxi_mlops.evaluation.statistics import Friedman
    from taxi_mlops.evaluation.workloads import Growth

_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-left", "triangle-right")
_STEPS = 40
_ROW_HEIGHT = 34


def growth_chart(
    costs: Sequence[tuple[str, Growth]], title: str, unit: Callable[[float], str], prefixed: bool = False
) -> Chart | None:
    """Plot measured costs by number of points, with the fitted curves and their confidence bands; forecasts are dashed.

    costs: of each adapter by name; title: of the axis; prefixed: whether its numbers are written as 200M. None if
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

    numbers = {"values": _ticks(min(sizes), max(sizes)), "format": ",~s", "labelOverlap": True}
    x = quantitative("points", title="points (logarithmic)", scale={"type": "log"}, axis=numbers)
    scale = {"type": "log", "domain": limits, "clamp": True}
    costs_axis = {"values": _ticks(*limits), "format": ",~s" if prefixed else ",~r", "labelOverlap": True}
    y = quantitative("cost", title=f"{title} (logarithmic)", scale=scale, axis=costs_axis)
    band = {"y": quantitative("low", scale=scale), "y2": {"field": "high"}}
    line = mark("line", strokeWidth=1.8, clip=True)
    colours = {"domain": names, "range": [PALETTE[i % len(PALETTE)] for i in range(len(names))]}
    shapes = {"domain": names, "range": [_SHAPES[i % len(_SHAPES)] for i in range(len(names))]}

    def build(width: int) -> Document:
        columns = max(1, width // 120)
        legend = {"title": None, "orient": "bottom", "columns": columns, "labelColor": INK, "labelLimit": 110}
        legend["symbolOpacity"] = 1
        colour = nominal("adapter", scale=colours, legend=legend)
        shape = nominal("adapter", scale=shapes, legend=legend)
        layers = [
            layer(curves, mark("area", opacity=0.16, clip=True), x=x, color=colour, **band),
            layer([row for row in curves if not row["beyond"]], line, x=x, y=y, color=colour),
            layer([row for row in curves if row["beyond"]], {**line, "strokeDash": [5, 4]}, x=x, y=y, color=colour),
            layer(measured, mark("point", filled=True, size=70, opacity=1), x=x, y=y, color=colour, shape=shape),
        ]
        return layered(layers, width, 260)

    text = "; ".join(f"{name}: {_described(growth, unit)}" for name, growth in fitted)
    return rendered(build, f"{title.capitalize()} by number of points. {text}.")


def _curve(name: str, growth: Growth) -> list[dict[str, Any]]:
    """Return the fitted cost and its band over the sizes, and up to the forecast, if there is one."""
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
    """Return ticks of a logarithmic axis from low to high: powers of ten, and 2 and 5 times those if they are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high < 100 * low else (1,)
    return [tick for power in powers for step in steps if low <= (tick := float(f"{step}e{power}")) <= high]


def _described(growth: Growth, unit: Callable[[float], str]) -> str:
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
    """Plot mean ranks. Methods in one box do not differ significantly; the bar on top is the critical difference."""
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

    scale = {"domain": [0.7, furthest + 0.5], "nice": False}
    axis = {"values": list(range(1, math.floor(furthest) + 1)), "format": "d", "title": "mean rank; 1 is the fastest"}
    x = quantitative("rank", scale=scale, axis=axis)
    y = nominal("method", scale={"domain": order}, title=None, axis={"labelFontSize": 13, "labelLimit": 170})
    first = nominal("first", scale={"domain": order}, bandPosition=0.1)
    last = {"field": "last", "bandPosition": 0.9}
    low, high = quantitative("low", scale=scale), {"field": "high"}
    box = mark("rect", color=ACCENT, opacity=0.14, cornerRadius=6, stroke=ACCENT, strokeWidth=1.5)
    name = mark("text", color=INK, align="left", dx=10, fontWeight=600)
    caption = mark("text", color=INK, align="left", baseline="bottom", fontSize=12)
    layers = [
        layer(groups, box, x={**low, "axis": axis}, x2=high, y=first, y2=last),
        layer(rows, mark("circle", color=ACCENT, size=110, opacity=1), x=x, y=y),
        layer(rows, name, x=x, y=y, text=nominal("text")),
        layer([measure], mark("rule", color=SOFT, strokeWidth=3), x=low, x2=high, y={"value": -12}),
        layer([measure], caption, x=low, y={"value": -17}, text=nominal("text")),
    ]

    def build(width: int) -> Document:
        return layered(layers, width, _ROW_HEIGHT * len(order))

    text = "; ".join(f"{name}: mean rank {rank:.2f}" for rank, name in ranked)
    together = "; ".join(" and ".join(members) for members in tied_groups(result)) or "none"
    return rendered(build, f"Mean ranks. {text}. {_measure_text(result)}. Not significantly different: {together}.")


def _measure_text(result: Friedman) -> str:
    return f"critical difference {result.critical_difference:.2f}"


def tied_groups(result: Friedman) -> tuple[tuple[str, ...], ...]:
    """Return the largest groups of methods that do not differ significantly, each in order of the mean ranks."""
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
