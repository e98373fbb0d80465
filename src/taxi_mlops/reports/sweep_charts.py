"""Plots of a sweep: heat maps over the grid, quality against time, and the curves that suggest eps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from taxi_mlops.evaluation.eps_choice import EpsChoice
from taxi_mlops.recording.sweep_result import Candidate
from taxi_mlops.reports.charts import ACCENT, INK, SOFT, Chart, rendered
from taxi_mlops.reports.picture import PALETTE
from taxi_mlops.reports.units import UNDEFINED, seconds

if TYPE_CHECKING:
    from taxi_mlops.reports.charts import Drawing

_CELL_HEIGHT = 38
_BRIGHT = 0.6
"""The share of the colour scale above which text is dark."""
_LINE_HEIGHT = 15
_FRONT_HEIGHT = 240
_LABEL_WIDTH = 80

Place = tuple[float, int]
"""eps in metres and min_samples: a cell of one size."""


def heat_map(
    values: Mapping[Place, float | None], what: str, write: Callable[[float], str], logarithmic: bool = False
) -> Chart:
    """One value for each eps and min_samples, written into its cell; brighter is higher, grey is undefined."""
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

    def build(width: int) -> Drawing:
        import altair as alt

        x = alt.X("eps:O", sort=across, title="eps in metres", axis=alt.Axis(labelAngle=0, labelOverlap=True))
        y = alt.Y("min_samples:O", sort=down, title="min_samples")
        colour = alt.Color("value:Q", scale=alt.Scale(scheme="viridis", domain=[low, high]), legend=None)
        cells = alt.Chart(alt.InlineData(values=rows)).encode(x=x, y=y)
        known_cells = cells.transform_filter("isValid(datum.value)")
        size = 12 if width / len(across) > 60 else 10
        return alt.layer(
            cells.mark_rect(color=SOFT, opacity=0.25),
            known_cells.mark_rect().encode(color=colour),
            cells.mark_text(fontSize=size).encode(
                text="text:N",
                color=alt.condition("!isValid(datum.value)", alt.value(INK), alt.value("#ffffff")),
                opacity=alt.condition("datum.bright", alt.value(0), alt.value(1)),
            ),
            cells.transform_filter("datum.bright").mark_text(fontSize=size, color="#000000").encode(text="text:N"),
        ).properties(width=width, height=_CELL_HEIGHT * len(down))

    told = "; ".join(f"eps {row['eps']} m, min_samples {row['min_samples']}: {row['text']}" for row in rows)
    return rendered(build, f"{what}. {told}.")


def _scaled(value: float | None, logarithmic: bool) -> float | None:
    if value is None or not logarithmic:
        return value
    return math.log10(value) if value > 0 else None


def _share(value: float | None, low: float, high: float) -> float:
    if value is None:
        return 0.0
    return (value - low) / (high - low) if high > low else 1.0


def front_chart(candidates: Sequence[Candidate], quality: str) -> Chart | None:
    """Quality against time, the front as a line; None where nothing was timed."""
    timed = [candidate for candidate in candidates if candidate.fit_seconds]
    if not timed:
        return None
    front = sorted((one for one in timed if one.on_front), key=lambda one: one.fit_seconds or 0.0)

    def build(width: int) -> Drawing:
        import altair as alt

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
        x = alt.X(
            "seconds:Q",
            title="seconds of fit, median (logarithmic)",
            scale=alt.Scale(type="log", nice=False, domain=[low, high]),
            axis=alt.Axis(format=",~r", values=_round_values(low, high), labelOverlap=True),
        )
        y = alt.Y("quality:Q", title=quality, scale=alt.Scale(zero=False, nice=True))
        all_of_them = alt.Chart(alt.InlineData(values=rows)).encode(x=x, y=y)
        best = all_of_them.transform_filter("datum.front")
        return alt.layer(
            all_of_them.mark_circle(color=SOFT, size=46, opacity=0.6),
            best.mark_line(color=ACCENT, interpolate="step-after", strokeWidth=1.5),
            best.mark_circle(color=ACCENT, size=90, opacity=1),
            best.mark_text(color=INK, dy=-11, fontSize=11).encode(text="text:N"),
        ).properties(width=width, height=_FRONT_HEIGHT)

    told = "; ".join(
        f"eps {one.eps_metres:g} m, min_samples {one.min_samples}, {' and '.join(one.adapters)}: {quality} "
        f"{one.quality:.3f}, {seconds(one.fit_seconds)}"
        for one in front
    )
    return rendered(build, f"{quality} against the time of fit of {len(timed)} clusterings. On the front: {told}.")


def _with_room(seconds: Sequence[float], width: int) -> tuple[float, float]:
    """Ends of a logarithmic axis that leaves room for half a label beside the first and the last value."""
    low, high = min(seconds), max(seconds)
    factor = (high / low) ** (_LABEL_WIDTH / 2 / (width - _LABEL_WIDTH)) if high > low else 2.0
    return low / factor, high * factor


def _round_values(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between two values above 0; where those are few, all digits."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), range(1, 10)):
        found = [value for power in powers for digit in digits if low <= (value := digit * 10.0**power) <= high]
        if len(found) > 2:
            break
    return found


def _labelled(timed: Sequence[Candidate], front: Sequence[Candidate], width: int) -> list[Candidate]:
    """Those of the front whose labels have room: the best first, then the fastest, then the others by time."""
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
    """The distances to the k-th neighbour for each min_samples, with the eps that each suggests."""
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

    def build(width: int) -> Drawing:
        import altair as alt

        x = alt.X("share:Q", title="share of the points", axis=alt.Axis(format="%", tickCount=width // 80))
        y = alt.Y("metres:Q", title="metres to the neighbour", scale=alt.Scale(type="log"))
        colour = alt.Color("k:N", sort=order, scale=alt.Scale(domain=order, range=colours), legend=None)
        line = alt.Chart(alt.InlineData(values=lines)).mark_line().encode(x=x, y=y, color=colour)
        knee = alt.Chart(alt.InlineData(values=knees)).encode(x=x, y=y)
        names = [  # one above the other, where the knees are close
            alt.Chart(alt.InlineData(values=[one]))
            .mark_text(color=INK, align="right", dx=-10, dy=-8 - _LINE_HEIGHT * number)
            .encode(x=x, y=y, text="text:N")
            for number, one in enumerate(knees)
        ]
        points = knee.mark_point(size=90, strokeWidth=2.5).encode(color=colour)
        return alt.layer(line, points, *names).properties(width=width, height=240)

    told = "; ".join(f"min_samples {curve.k} suggests {curve.eps_metres:.3g} m" for curve in curves)
    return rendered(build, f"Distances to the neighbour of each min_samples, increasing. {told}.")
