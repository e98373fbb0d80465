"""Format values for people: three significant digits with a unit."""

from __future__ import annotations

from taxi_mlops.domain import MAIN, Trial, TrialKind, TrialOutcome
from taxi_mlops.evaluation.performance import Speedup

UNDEFINED = "–"
_SMALLEST_FACTOR, _LARGEST_FACTOR = 0.001, 1_000_000


def seconds(value: float | None) -> str:
    """Return seconds as text, such as `1.2 ms`."""
    if value is None:
        return UNDEFINED
    if value < 0.9995e-3:
        return f"{value * 1e6:.3g} µs"
    if value < 0.9995:
        return f"{value * 1e3:.3g} ms"
    return f"{value:.3g} s" if value < 999.5 else f"{value:,.0f} s"


def memory(value: int | None) -> str:
    """Return bytes as text, such as `1.2 GB`."""
    if value is None:
        return UNDEFINED
    return f"{value / 1e9:.3g} GB" if value >= 0.9995e9 else f"{value / 1e6:.3g} MB"


def trial_text(trial: Trial) -> str:
    """Return a trial while it runs, as `grid, timing 2`."""
    what = "memory" if trial.kind is TrialKind.MEMORY else f"timing {trial.block}"
    return f"{trial.adapter}, {what}" + ("" if trial.workload == MAIN else f", {trial.workload}")


def measured(outcome: TrialOutcome) -> str:
    """Return the value that a trial measures: its peak memory, or its time of fit."""
    if outcome.trial.kind is TrialKind.MEMORY:
        return memory(outcome.peak_memory_bytes)
    return seconds(outcome.fit_seconds)


def factor(value: float) -> str:
    """Format a ratio. Extreme bounds of intervals from few repeats are not written out."""
    if value < _SMALLEST_FACTOR:
        return f"<{_SMALLEST_FACTOR:g}×"
    if value > _LARGEST_FACTOR:
        return f">{_LARGEST_FACTOR:,}×"
    return f"{value:,.0f}×" if value >= 99.5 else f"{value:.2g}×" if value < 0.995 else f"{value:.3g}×"


def p_value(value: float) -> str:
    """Format a p-value with `=` or `<`."""
    return "< 0.0001" if value < 0.0001 else f"= {value:.3g}"


def speedup(value: Speedup | None) -> str:
    """Return a speed-up with its interval, such as `3× [2.5–3.6]`."""
    if value is None:
        return UNDEFINED
    return f"{factor(value.estimate)} [{factor(value.low)[:-1]}–{factor(value.high)[:-1]}]"
