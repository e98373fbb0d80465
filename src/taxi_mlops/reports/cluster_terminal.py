"""One clustering for the terminal: it fits 80 columns, with and without colour, and in a pipe."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from taxi_mlops.data.load import NOT_SAMPLED
from taxi_mlops.recording.cluster_result import ClusterResult
from taxi_mlops.reports.map import area_text, density_text, place_text
from taxi_mlops.reports.units import seconds

SHOWN = 5


def render(result: ClusterResult) -> RenderableType:
    """What was clustered, how many clusters there are, the largest of them, and what to know about it."""
    parts: list[RenderableType] = [Text("\n".join(_heading(result))), Text(f"\n{_sentence(result)}\n", style="bold")]
    if result.largest:
        parts.append(_table(result))
    parts += [Text(f"Note: {warning}", style="yellow") for warning in result.warnings]
    return Group(*parts)


def _heading(result: ClusterResult) -> list[str]:
    dataset, parameters = result.dataset, result.parameters
    lines = [f"{dataset.points:,} {'weighted ' if dataset.weighted else ''}points of {dataset.uri}"]
    if dataset.columns:
        lines.append(f"read from {', '.join(dataset.columns)} ({dataset.schema_})")
    dropped = {rule: count for rule, count in dataset.dropped.items() if count and rule != NOT_SAMPLED}
    reasons = ", ".join(f"{count:,} {rule.replace('_', ' ')}" for rule, count in dropped.items())
    lines.append(f"{sum(dropped.values()):,} of {dataset.rows_read:,} rows dropped{f' ({reasons})' if reasons else ''}")
    threads = f"{result.threads} {'thread' if result.threads == 1 else 'threads'}"
    lines.append(
        f"eps {parameters.eps_metres:g} m · min_samples {parameters.min_samples} · {result.adapter.name}, {threads}, "
        f"{seconds(result.seconds['fit'])}"
    )
    return lines


def _sentence(result: ClusterResult) -> str:
    clusters = "1 cluster" if result.n_clusters == 1 else f"{result.n_clusters:,} clusters"
    return f"{clusters}; {result.n_noise:,} points ({result.noise_ratio:.1%}) are noise"


def _table(result: ClusterResult) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in ("#", "points", "of all", "outline", "density"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("middle", no_wrap=True)
    for rank, cluster in enumerate(result.largest[:SHOWN], start=1):
        density = float("nan") if cluster.density_per_km2 is None else cluster.density_per_km2
        table.add_row(
            str(rank),
            f"{cluster.points:,}",
            f"{cluster.points / result.dataset.points:.1%}",
            area_text(cluster.area_km2),
            density_text(density),
            place_text(cluster.latitude, cluster.longitude),
        )
    return table
