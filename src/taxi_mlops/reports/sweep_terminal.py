"""A sweep for the terminal: the best cells by size, and the paths of the other results."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from taxi_mlops.reports.sweep_page import INDICES, sentence
from taxi_mlops.reports.units import seconds
from taxi_mlops.results.sweep_result import SweepResult


def render(result: SweepResult) -> RenderableType:
    """Return the grid, the front of each size, and the rule of the front."""
    quality = INDICES[result.sweep.quality]
    points = {cell.size: cell.points for cell in result.cells}
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for heading in ("points", "eps", "min_samples", quality, "fit, median"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("by")
    for one in result.candidates:
        if one.on_front:
            table.add_row(
                f"{points[one.size]:,}",
                f"{one.eps_metres:g} m",
                str(one.min_samples),
                f"{one.quality:.3f}",
                seconds(one.fit_seconds),
                " = ".join(one.adapters) + ("" if one.exact else " (another clustering than DBSCAN's)"),
            )
    suggested = ", ".join(f"{curve.eps_metres:g} m for min_samples {curve.k}" for curve in result.curves)
    parts: list[RenderableType] = [
        Text(f"{len(result.cells)} cells on {result.dataset.uri}, at most {result.dataset.points:,} points\n"),
        table,
        Text(f"\n{sentence(result)}", style="bold"),
        Text(result.rule.replace(result.sweep.quality, quality), style="dim"),
    ]
    if suggested:
        parts.append(Text(f"The points suggest eps {suggested}.", style="dim"))
    parts += [Text(f"Note: {warning}", style="yellow") for warning in result.warnings]
    return Group(*parts)
