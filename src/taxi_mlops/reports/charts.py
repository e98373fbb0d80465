"""Plots of a report as SVG: every value, sharp on any screen and in print, in the colours of the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from taxi_mlops.evaluation.eps_choice import EpsChoice
from taxi_mlops.reports.units import factor, memory, seconds
from taxi_mlops.reports.vega import ACCENT, INK, SOFT, Document, layer, layered, mark, nominal, quantitative, to_svg
from taxi_mlops.results.comparison import AdapterResult, Comparison

_WIDTHS = {"wide": 420, "narrow": 240}
_STEP = 34
_WIDE_RANGE = 30.0
"""Values that span more than this factor are drawn on a logarithmic scale."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One plot in two widths, for the screen of a computer and of a phone. text: describes it for those who cannot
    see it."""

    wide: str
    narrow: str
    text: str


def time_chart(comparison: Comparison) -> Chart | None:
    """Plot every timed run of every adapter, its median, and the interval of the median; None without a timed run."""
    results = _measured(comparison, "fit_seconds_median")
    if not results:
        return None
    runs = [{"adapter": result.name, "value": value} for result in results for value in result.fit_seconds]
    medians = [
        {
            "adapter": result.name,
            "value": result.fit_seconds_median,
            "low": (result.fit_seconds_ci or (result.fit_seconds_median,) * 2)[0],
            "high": (result.fit_seconds_ci or (result.fit_seconds_median,) * 2)[1],
            "text": seconds(result.fit_seconds_median),
        }
        for result in results
    ]
    text = "; ".join(
        f"{result.name}: median {seconds(result.fit_seconds_median)} of {len(result.fit_seconds)} runs from "
        f"{seconds(min(result.fit_seconds))} to {seconds(max(result.fit_seconds))}"
        for result in results
    )
    return _by_adapter(comparison, medians, runs, "seconds of fit, wall clock", f"Time of every run. {text}.")


def memory_chart(comparison: Comparison) -> Chart | None:
    """Plot the peak memory of every adapter; None if none was measured."""
    results = _measured(comparison, "peak_memory_bytes")
    if not results:
        return None
    peaks = [
        {
            "adapter": result.name,
            "value": (result.peak_memory_bytes or 0) / 1e6,
            "low": 0.0,
            "high": (result.peak_memory_bytes or 0) / 1e6,
            "text": memory(result.peak_memory_bytes),
        }
        for result in results
    ]
    text = "; ".join(f"{result.name}: {memory(result.peak_memory_bytes)}" for result in results)
    return _by_adapter(
        comparison, peaks, [], "megabytes at the peak, all processes", f"Peak memory. {text}.", zero=True
    )


def speedup_chart(comparison: Comparison) -> Chart | None:
    """Plot the speed-up of every adapter over the reference with its interval; None if there is none."""
    results = [result for result in _measured(comparison, "fit_seconds_median") if result.speedup is not None]
    if not results:
        return None
    values = [
        {
            "adapter": result.name,
            "value": result.speedup.estimate,
            "low": result.speedup.low,
            "high": result.speedup.high,
            "text": factor(result.speedup.estimate),
        }
        for result in results
        if result.speedup is not None
    ]
    text = "; ".join(
        f"{result.name}: {factor(result.speedup.estimate)}, interval {factor(result.speedup.low)} to "
        f"{factor(result.speedup.high)}"
        for result in results
        if result.speedup is not None
    )
    title = f"times as fast as {comparison.reference}"
    return _by_adapter(comparison, values, [], title, f"Speed-up over {comparison.reference}. {text}.", even=1.0)


def eps_chart(choice: EpsChoice) -> Chart:
    """Plot the curve of distances to the k-th neighbour, and the eps read from it."""
    curve = [
        {"share": share, "metres": metres}
        for share, metres in zip(choice.share, choice.distance_metres, strict=True)
        if metres > 0
    ]

    what = f"neighbour {choice.k}" if choice.places is None else "the nearest other place"
    of = "points" if choice.places is None else "places"
    knee = {"share": choice.knee_share, "metres": choice.eps_metres, "text": f"eps {choice.eps_metres:.3g} m"}
    x = quantitative("share", title=f"share of the {of}", axis={"format": "%"})
    y = quantitative("metres", title=f"metres to {what}", scale={"type": "log"})
    layers = [
        layer(curve, mark("line", color=ACCENT), x=x, y=y),
        layer([knee], mark("point", color=INK, size=90, strokeWidth=2.5), x=x, y=y),
        layer([knee], mark("text", color=INK, align="right", dx=-10, dy=-8), x=x, y=y, text=nominal("text")),
    ]

    def build(width: int) -> Document:
        return layered(layers, width, 220)

    return rendered(
        build,
        f"Distance to {what}, increasing; its knee is at {choice.eps_metres:.3g} m, where "
        f"{choice.knee_share:.0%} of the {of} have it closer.",
    )


def _measured(comparison: Comparison, field: str) -> list[AdapterResult]:
    """Return the adapters that have the field, in the order of the ranking."""
    results = {result.name: result for result in comparison.adapters}
    ordered = (results[entry.name] for entry in comparison.ranking)
    return [result for result in ordered if getattr(result, field) is not None]


def _by_adapter(
    comparison: Comparison,
    values: Sequence[dict[str, Any]],
    runs: Sequence[dict[str, Any]],
    title: str,
    text: str,
    zero: bool = False,
    even: float | None = None,
) -> Chart:
    """Plot a row for each adapter: a bar from low to high, every run as a dot, a mark for the value with its text."""
    reach = [float(row[key]) for row in values for key in ("low", "high", "value")] + [row["value"] for row in runs]
    logarithmic = not zero and min(reach) > 0 and max(reach) > _WIDE_RANGE * min(reach)
    order = [row["adapter"] for row in values]
    ranked = [entry.name for entry in comparison.ranking if entry.rank is not None]

    scale = {"type": "log" if logarithmic else "linear", "zero": zero, "nice": True, "padding": 0 if zero else 14}
    ticks = {"values": _decades(min(reach), max(reach))} if logarithmic else {}
    colour = {"condition": {"test": {"field": "adapter", "oneOf": ranked}, "value": ACCENT}, "value": SOFT}
    y = nominal("adapter", sort=order, title=None, axis={"labelFontSize": 13, "labelLimit": 170})

    def build(width: int) -> Document:
        axis = {**ticks, "format": ",~r", "tickCount": width // 80, "labelOverlap": True}
        x = quantitative("value", title=title + (" (logarithmic)" if logarithmic else ""), scale=scale, axis=axis)
        bar, dot = mark("rule", strokeWidth=8, opacity=0.35, strokeCap="round"), mark("circle", size=46, opacity=0.85)
        low, high = quantitative("low", scale=scale), {"field": "high"}
        layers = [layer(values, bar, x=low, x2=high, y=y, color=colour)]
        if even is not None:
            layers.insert(0, layer([{"value": even}], mark("rule", color=INK, strokeDash=[4, 4]), x=x))
        if runs:
            layers.append(layer(runs, dot, x=x, y=y, color=colour))
            layers.append(layer(values, mark("tick", color=INK, thickness=2.5, size=20), x=x, y=y))
        else:
            layers.append(layer(values, mark("circle", size=110, opacity=1), x=x, y=y, color=colour))
        label = mark("text", color=INK, dy=-15, fontSize=12, fontWeight=600)
        layers.append(layer(values, label, x=x, y=y, text=nominal("text")))
        return layered(layers, width, {"step": _STEP + 12})

    return rendered(build, text)


def _decades(low: float, high: float) -> list[float]:
    """Return ticks of a logarithmic axis: powers of ten, with a third between them if they are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1.0, 3.0) if last - first <= 3 else (1.0,)
    return [float(f"{step * 10.0**power:.1g}") for power in range(first, last + 1) for step in steps]


def rendered(build: Callable[[int], Document], text: str) -> Chart:
    """Return a plot in both widths; `build` draws it in one."""
    return Chart(wide=to_svg(build(_WIDTHS["wide"])), narrow=to_svg(build(_WIDTHS["narrow"])), text=text)
