"""Plots of a sweep: heat maps over the grid, quality against time, and the curves that suggest eps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from taxi_mlops.evaluation.eps_choice import EpsChoice
from taxi_mlops.reports.charts import Chart, rendered
from taxi_mlops.reports.picture import PALETTE
from taxi_mlops.reports.units import UNDEFINED, seconds
from taxi_mlops.reports.vega import ACCENT, INK, SOFT, Document, layer, layered, mark, nominal, quantitative
from taxi_mlops.results.sweep_result import Candidate

_CELL_HEIGHT = 38
_BRIGHT = 0.6
"""The position on the colour scale above which text is dark."""
_LINE_HEIGHT = 15
_FRONT_HEIGHT = 240
_LABEL_WIDTH = 80

Place = tuple[float, int]
"""eps in metres and min_samples: identifies a cell of one size."""


def heat_map(
    values: Mapping[Place, float | None], what: str, write: Callable[[float], str], logarithmic: bool = False
) -> Chart:
    """Plot one value for each eps and min_samples, written into its cell; brighter is higher, grey is undefined."""
    scaled = {place: _scaled(value, logarithmic) for place, value in values.items()}
    known = [value for value in scaled.values() if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    rows = [
        {
            "eps": f"{eps:g}",
            "min_samples": str(min_samples),
            "value": scaled[eps, min_samples],
            "text": UNDEFINED if value is None else write(value),
            "bright": _share(scaled[eps, min_samples], low, high) > _BRIGHT,
        }
        for (eps, min_samples), value in values.items()
    ]
    across = [f"{eps:g}" for eps in sorted({eps for eps, _ in values})]
    down = [str(min_samples) for min_samples in sorted({min_samples for _, min_samples in values})]

    known_rows = [row for row in rows if row["value"] is not None]
    bright_rows = [row for row in rows if row["bright"]]
    eps_axis = {"labelAngle": 0, "labelOverlap": True}
    x = {"field": "eps", "type": "ordinal", "sort": across, "title": "eps in metres", "axis": eps_axis}
    y = {"field": "min_samples", "type": "ordinal", "sort": down, "title": "min_samples"}
    colour = quantitative("value", scale={"scheme": "viridis", "domain": [low, high]}, legend=None)
    text = {
        "text": nominal("text"),
        "color": {"condition": {"test": "!isValid(datum.value)", "value": INK}, "value": "#ffffff"},
        "opacity": {"condition": {"test": "datum.bright", "value": 0}, "value": 1},
    }

    def build(width: int) -> Document:
        size = 12 if width / len(across) > 60 else 10
        dark = mark("text", fontSize=size, color="#000000")
        layers = [
            layer(rows, mark("rect", color=SOFT, opacity=0.25), x=x, y=y),
            layer(known_rows, mark("rect"), x=x, y=y, color=colour),
            layer(rows, mark("text", fontSize=size), x=x, y=y, **text),
            layer(bright_rows, dark, x=x, y=y, text=nominal("text")),
        ]
        return layered(layers, width, _CELL_HEIGHT * len(down))

    cells_text = "; ".join(f"eps {row['eps']} m, min_samples {row['min_samples']}: {row['text']}" for row in rows)
    return rendered(build, f"{what}. {cells_text}.")


def _scaled(value: float | None, logarithmic: bool) -> float | None:
    if value is None or not logarithmic:
        return value
    return math.log10(value) if value > 0 else None


def _share(value: float | None, low: float, high: float) -> float:
    if value is None:
        return 0.0
    return (value - low) / (high - low) if high > low else 1.0


def front_chart(candidates: Sequence[Candidate], quality: str) -> Chart | None:
    """Plot quality against time, with the front as a line; None if nothing was timed."""
    timed = [candidate for candidate in candidates if candidate.fit_seconds]
    if not timed:
        return None
    front = sorted((one for one in timed if one.on_front), key=lambda one: one.fit_seconds or 0.0)

    def build(width: int) -> Document:
        labelled = _labelled(timed, front, width)
        rows = [
            {
                "seconds": one.fit_seconds,
                "quality": one.quality,
                "front": one.on_front,
                "text": f"{one.eps_metres:g} m, {one.min_samples}" if one in labelled else "",
            }
            for one in timed
        ]
        low, high = _with_room([one.fit_seconds or 0.0 for one in timed], width)
        x = quantitative(
            "seconds",
            title="seconds of fit, median (logarithmic)",
            scale={"type": "log", "nice": False, "domain": [low, high]},
            axis={"format": ",~r", "values": _round_values(low, high), "labelOverlap": True},
        )
        y = quantitative("quality", title=quality, scale={"zero": False, "nice": True})
        best = [row for row in rows if row["front"]]
        label = mark("text", color=INK, dy=-11, fontSize=11)
        layers = [
            layer(rows, mark("circle", color=SOFT, size=46, opacity=0.6), x=x, y=y),
            layer(best, mark("line", color=ACCENT, interpolate="step-after", strokeWidth=1.5), x=x, y=y),
            layer(best, mark("circle", color=ACCENT, size=90, opacity=1), x=x, y=y),
            layer(best, label, x=x, y=y, text=nominal("text")),
        ]
        return layered(layers, width, _FRONT_HEIGHT)

    text = "; ".join(
        f"eps {one.eps_metres:g} m, min_samples {one.min_samples}, {' and '.join(one.adapters)}: {quality} "
        f"{one.quality:.3f}, {seconds(one.fit_seconds)}"
        for one in front
    )
    return rendered(build, f"{quality} against the time of fit of {len(timed)} clusterings. On the front: {text}.")


def _with_room(seconds: Sequence[float], width: int) -> tuple[float, float]:
    """Return the ends of a logarithmic axis with space for half a label beside the first and the last value."""
    low, high = min(seconds), max(seconds)
    factor = (high / low) ** (_LABEL_WIDTH / 2 / (width - _LABEL_WIDTH)) if high > low else 2.0
    return low / factor, high * factor


def _round_values(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten between two values above 0; all digits if these are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), range(1, 10)):
        found = [value for power in powers for digit in digits if low <= (value := digit * 10.0**power) <= high]
        if len(found) > 2:
            break
    return found


def _labelled(timed: Sequence[Candidate], front: Sequence[Candidate], width: int) -> list[Candidate]:
    """Return those of the front whose labels have space: the best first, then the fastest, then the others by time."""
    seconds, qualities = [math.log(one.fit_seconds or 1.0) for one in timed], [one.quality for one in timed]
    across = (width - _LABEL_WIDTH) / ((max(seconds) - min(seconds)) or 1.0)
    up = _FRONT_HEIGHT / ((max(qualities) - min(qualities)) or 1.0)
    chosen: list[Candidate] = []
    for one in [*front[-1:], *front[:-1]]:
        if all(
            abs(math.log((one.fit_seconds or 1.0) / (other.fit_seconds or 1.0))) * across > _LABEL_WIDTH
            or abs(one.quality - other.quality) * up > _LINE_HEIGHT
            for other in chosen
        ):
            chosen.append(one)
    return chosen


def curves_chart(curves: Sequence[EpsChoice]) -> Chart | None:
    """Plot the distances to the k-th neighbour for each min_samples, with the eps that each suggests."""
    if not curves:
        return None
    lines: list[dict[str, Any]] = [
        {"k": str(curve.k), "share": share, "metres": metres}
        for curve in curves
        for share, metres in zip(curve.share, curve.distance_metres, strict=True)
        if metres > 0
    ]
    knees = [
        {
            "k": str(curve.k),
            "share": curve.knee_share,
            "metres": curve.eps_metres,
            "text": f"min_samples {curve.k}: {curve.eps_metres:.3g} m",
        }
        for curve in curves
    ]
    order = [str(curve.k) for curve in curves]
    colours = [PALETTE[number % len(PALETTE)] for number in range(len(order))]

    y = quantitative("metres", title="metres to the neighbour", scale={"type": "log"})
    colour = nominal("k", sort=order, scale={"domain": order, "range": colours}, legend=None)
    name = mark("text", color=INK, align="right", dx=-10)

    def build(width: int) -> Document:
        x = quantitative("share", title="share of the points", axis={"format": "%", "tickCount": width // 80})
        names = [  # one above the other, if the knees are close
            layer([one], {**name, "dy": -8 - _LINE_HEIGHT * number}, x=x, y=y, text=nominal("text"))
            for number, one in enumerate(knees)
        ]
        line = layer(lines, mark("line"), x=x, y=y, color=colour)
        points = layer(knees, mark("point", size=90, strokeWidth=2.5), x=x, y=y, color=colour)
        return layered([line, points, *names], width, 240)

    text = "; ".join(f"min_samples {curve.k} suggests {curve.eps_metres:.3g} m" for curve in curves)
    return rendered(build, f"Distances to the neighbour of each min_samples, increasing. {text}.")
