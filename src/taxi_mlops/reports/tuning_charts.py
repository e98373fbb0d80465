"""Plots of a tuning: the history of its trials, the front of two objectives, and the trials in their ranges."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from taxi_mlops.reports.charts import Chart, rendered
from taxi_mlops.reports.vega import ACCENT, INK, SOFT, Document, layer, layered, mark, nominal, quantitative
from taxi_mlops.results.tuning import TuningResult, TuningTrial
from taxi_mlops.training import Objective

OBJECTIVES: dict[Objective, str] = {
    "unseen": "unseen-trip score",
    "stability": "stability",
    "noise": "share of noise",
}
_HEIGHT = 240


def history_chart(result: TuningResult) -> Chart | None:
    """Plot the first objective of each complete trial, and the best so far; None without one."""
    objective = result.header.document.objectives[0]
    found = _complete(result, objective)
    if not found:
        return None
    better = min if objective == "noise" else max
    best = list(accumulate((value for _, value in found), better))
    rows = [{"trial": trial.number, "value": value} for trial, value in found]
    line = [{"trial": trial.number, "value": value} for (trial, _), value in zip(found, best, strict=True)]
    y = quantitative("value", title=OBJECTIVES[objective], scale={"zero": False, "nice": True})

    def build(width: int) -> Document:
        x = quantitative("trial", title="trial", axis={"tickCount": width // 80})
        layers = [
            layer(rows, mark("circle", color=SOFT, size=40, opacity=0.7), x=x, y=y),
            layer(line, mark("line", color=ACCENT, interpolate="step-after", strokeWidth=2), x=x, y=y),
        ]
        return layered(layers, width, _HEIGHT)

    text = f"{OBJECTIVES[objective]} of {len(found)} complete trials in their order; the best is {best[-1]:.4f}"
    return rendered(build, f"{text}, first reached by trial {next(t.number for t, v in found if v == best[-1])}.")


def front_chart(result: TuningResult) -> Chart | None:
    """Plot the second objective against the first, with the front as a line; None with one objective."""
    objectives = result.header.document.objectives
    if len(objectives) < 2:
        return None
    first, second = objectives[:2]
    found = [
        (trial, value, other)
        for trial, value in _complete(result, first)
        if (other := trial.value_of(second)) is not None
    ]
    if not found:
        return None
    rows = [
        {"first": value, "second": other, "front": trial.number in result.front, "best": trial.number == result.best}
        for trial, value, other in found
    ]
    front = sorted((row for row in rows if row["front"]), key=lambda row: row["first"])
    best = [row | {"text": "the best"} for row in rows if row["best"]]
    x = quantitative("first", title=OBJECTIVES[first], scale={"zero": False, "nice": True})
    y = quantitative("second", title=OBJECTIVES[second], scale={"zero": False, "nice": True})

    def build(width: int) -> Document:
        layers = [
            layer(rows, mark("circle", color=SOFT, size=46, opacity=0.6), x=x, y=y),
            layer(front, mark("line", color=ACCENT, strokeWidth=1.5), x=x, y=y),
            layer(front, mark("circle", color=ACCENT, size=80, opacity=1), x=x, y=y),
            layer(best, mark("point", color=INK, size=220, strokeWidth=2.5), x=x, y=y),
            layer(best, mark("text", color=INK, dy=-16, fontSize=12), x=x, y=y, text=nominal("text")),
        ]
        return layered(layers, width, _HEIGHT)

    text = "; ".join(f"{row['first']:.4f} and {row['second']:.4f}" for row in front)
    return rendered(
        build, f"{OBJECTIVES[second]} against {OBJECTIVES[first]} of {len(rows)} trials. On the front: {text}."
    )


def space_chart(result: TuningResult) -> Chart:
    """Plot every trial in the ranges of eps and min_samples; colours are the first objective, crosses have no value."""
    objective = result.header.document.objectives[0]
    rows: list[dict[str, Any]] = [
        {
            "eps": trial.eps_metres,
            "min_samples": trial.min_samples,
            "value": trial.value_of(objective),
            "state": trial.state,
        }
        for trial in result.trials
    ]
    known = [row for row in rows if row["state"] == "complete" and row["value"] is not None]
    others = [row for row in rows if row["state"] != "complete"]
    best = result.best_trial
    circle = [] if best is None else [{"eps": best.eps_metres, "min_samples": best.min_samples}]
    values = [row["value"] for row in known]
    y = quantitative(
        "min_samples", title="min_samples", scale={"type": "log", "nice": False, "padding": 10}, axis={"format": ",~r"}
    )

    def build(width: int) -> Document:
        axis = {"format": ",~r", "tickCount": width // 80, "labelOverlap": True}
        x = quantitative("eps", title="eps in metres", scale={"type": "log", "nice": False, "padding": 10}, axis=axis)
        layers = [layer(others, mark("point", shape="cross", color=SOFT, size=36, opacity=0.6, filled=True), x=x, y=y)]
        if known:
            scale = {"scheme": "viridis", "domain": [min(values), max(values)], "reverse": objective == "noise"}
            colour = quantitative("value", scale=scale, legend=None)
            layers.append(layer(known, mark("circle", size=70, opacity=1), x=x, y=y, color=colour))
        layers.append(layer(circle, mark("point", color=INK, size=240, strokeWidth=2.5), x=x, y=y))
        return layered(layers, width, _HEIGHT)

    text = f"min_samples against eps of {len(rows)} trials, {len(known)} of them complete"
    if best is not None:
        text += f"; the best is at eps {best.eps_metres:g} m, min_samples {best.min_samples}"
    return rendered(build, f"{text}.")


def _complete(result: TuningResult, objective: Objective) -> list[tuple[TuningTrial, float]]:
    return [
        (trial, value)
        for trial in result.trials
        if trial.state == "complete" and (value := trial.value_of(objective)) is not None
    ]
