"""A tuning for the terminal: the front, the best, and the rule that chose it."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from taxi_mlops.reports.tuning_page import by_first, sentence, value_text
from taxi_mlops.reports.units import seconds
from taxi_mlops.results.tuning import TuningResult

_SHOWN = 12


def render(result: TuningResult) -> RenderableType:
    """Return the best trials of the front, what was searched, and the best."""
    header = result.header
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for heading in ("eps", "min_samples", "unseen-trip score", "stability", "noise", "clusters"):
        table.add_column(heading, justify="right", no_wrap=True)
    for trial in by_first(result)[:_SHOWN]:
        table.add_row(
            f"{trial.eps_metres:g} m",
            f"{trial.min_samples:,}",
            value_text(trial.unseen),
            value_text(trial.stability),
            f"{trial.noise_ratio:.1%}",
            f"{trial.n_clusters:,}",
            style="bold" if trial.number == result.best else None,
        )
    low, high = header.eps_metres
    least, most = header.min_samples
    parts: list[RenderableType] = [
        Text(
            f"{len(result.trials):,} trials in {seconds(result.seconds)} on {header.fitted:,} points of "
            f"{header.dataset.uri}, eps {low:g} to {high:g} m, min_samples {least:,} to {most:,}\n"
        )
    ]
    if result.front:
        parts.append(table)
        if len(result.front) > _SHOWN:
            parts.append(Text(f"… and {len(result.front) - _SHOWN:,} more on the front", style="dim"))
    parts += [Text(f"\n{sentence(result)}", style="bold"), Text(result.rule, style="dim")]
    if result.stopped:
        parts.append(Text(f"{result.stopped} {len(result.trials):,} trials had ended.", style="yellow"))
    parts += [Text(f"Note: {warning}", style="yellow") for warning in result.warnings]
    return Group(*parts)
