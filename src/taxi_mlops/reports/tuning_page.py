"""Render `tune.html`: one file with the history, the front, the map of the best, and every trial."""

from __future__ import annotations

from taxi_mlops.reports.html import file_name, render_page
from taxi_mlops.reports.map_section import MapSection, map_scripts
from taxi_mlops.reports.tuning_charts import OBJECTIVES, front_chart, history_chart, space_chart
from taxi_mlops.reports.units import UNDEFINED
from taxi_mlops.results.tuning import Measured, TuningResult, TuningTrial

STATES = {"complete": "", "pruned": "ended early", "infeasible": "noise out of bounds"}


def render(result: TuningResult, section: MapSection | None, document: str) -> str:
    """Return the page. section: the map of the best; None where there is none. document: the text of `tune.toml`."""
    return render_page(
        "tuning.html.j2",
        scripts=map_scripts() if section else (),
        result=result,
        header=result.header,
        title=f"DBSCAN tuning: {file_name(result.header.dataset.uri)}",
        verdict=sentence(result),
        best=result.best_trial,
        front=by_first(result),
        on_front=set(result.front),
        history=history_chart(result),
        fronts=front_chart(result),
        space=space_chart(result),
        value=value_text,
        states=STATES,
        objectives=[OBJECTIVES[one] for one in result.header.document.objectives],
        map=section,
        document=document,
    )


def sentence(result: TuningResult) -> str:
    """Return the result in a sentence."""
    best = result.best_trial
    if best is None:
        return "No trial is within the bounds of noise, so none is the best."
    measured = []
    if best.unseen is not None:
        measured.append(f"an unseen-trip score of {best.unseen.value:.3f}")
    if best.stability is not None:
        measured.append(f"a stability of {best.stability.value:.3f}")
    measured.append(f"{best.noise_ratio:.0%} noise")
    text = ", ".join(measured[:-1]) + f" and {measured[-1]}" if len(measured) > 1 else measured[0]
    return f"eps {best.eps_metres:g} m with min_samples {best.min_samples:,} has {text}."


def by_first(result: TuningResult) -> list[TuningTrial]:
    """Return the trials of the front, the best first, then by the first objective."""
    first = result.header.document.objectives[0]
    sign = 1.0 if first == "noise" else -1.0
    return sorted(
        (result.trials[number] for number in result.front),
        key=lambda trial: (trial.number != result.best, sign * (trial.value_of(first) or 0.0), trial.number),
    )


def value_text(measured: Measured | None) -> str:
    """Return a value with half the width of its interval."""
    if measured is None:
        return UNDEFINED
    return f"{measured.value:.4f} ± {(measured.high - measured.low) / 2:.4f}"
