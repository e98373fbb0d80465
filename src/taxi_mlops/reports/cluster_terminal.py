"""A clustering, or a prediction, for the terminal: it fits 80 columns, with and without colour, and in a pipe."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from taxi_mlops.data.load import NOT_SAMPLED
from taxi_mlops.reports.map import area_text, density_text, place_text
from taxi_mlops.reports.units import seconds
from taxi_mlops.results.cluster_result import ClusterResult, PredictionResult
from taxi_mlops.results.comparison import PointsUsed

SHOWN = 5


def render(result: ClusterResult) -> RenderableType:
    """Return the data set, the number of clusters, the largest of them, and warnings."""
    parts: list[RenderableType] = [Text("\n".join(heading(result))), Text(f"\n{sentence(result)}\n", style="bold")]
    if result.largest:
        parts.append(_table(result))
    parts += [Text(f"Note: {warning}", style="yellow") for warning in result.warnings]
    return Group(*parts)


def render_prediction(result: PredictionResult) -> RenderableType:
    """Return how many of the new points are in clusters of the model, and warnings."""
    model = result.model
    lines = _dataset(result.dataset)
    lines.append(
        f"model {model.path}: {_counted(model.n_clusters, 'cluster')}, eps {model.eps_metres:g} m, "
        f"min_samples {model.min_samples:g}"
    )
    found = f"\n{_counted(result.n_in_clusters, 'point')} ({result.share_in_clusters:.1%}) in clusters of the model"
    notes = [Text(f"Note: {warning}", style="yellow") for warning in result.warnings]
    return Group(Text("\n".join(lines)), Text(found, style="bold"), *notes)


def heading(result: ClusterResult) -> list[str]:
    """Which points, read from where, and which parameters: a line each."""
    parameters = result.parameters
    where = f"{_counted(result.tiles.tiles, 'tile')}" if result.tiles else "memory"
    return [
        *_dataset(result.dataset),
        *([f"in {where}: {result.place_reason}"] if result.place_reason else []),
        f"eps {parameters.eps_metres:g} m · min_samples {parameters.min_samples} · {result.adapter.name}, "
        f"{_counted(result.threads, 'thread')}, {seconds(result.seconds['fit'])}",
    ]


def _dataset(dataset: PointsUsed) -> list[str]:
    """Return which points, from which columns, and how many rows cleaning dropped."""
    lines = [f"{dataset.points:,} {'weighted ' if dataset.weighted else ''}points of {dataset.uri}"]
    if dataset.columns:
        lines.append(f"read from {', '.join(dataset.columns)} ({dataset.schema_})")
    dropped = {rule: count for rule, count in dataset.dropped.items() if count and rule != NOT_SAMPLED}
    reasons = ", ".join(f"{count:,} {rule.replace('_', ' ')}" for rule, count in dropped.items())
    lines.append(f"{sum(dropped.values()):,} of {dataset.rows_read:,} rows dropped{f' ({reasons})' if reasons else ''}")
    return lines


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def sentence(result: ClusterResult) -> str:
    """How many clusters there are, and how much noise."""
    return f"{_counted(result.n_clusters, 'cluster')}; {result.n_noise:,} points ({result.noise_ratio:.1%}) are noise"


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
