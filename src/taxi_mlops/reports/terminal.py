"""A comparison as a table for the terminal: it fits 80 columns, with and without colour, and in a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from taxi_mlops.data.load import NOT_SAMPLED
from taxi_mlops.domain import TrialStatus
from taxi_mlops.evaluation.equivalence import Verdict
from taxi_mlops.reports import analysis
from taxi_mlops.reports.units import UNDEFINED, factor, memory, seconds, speedup
from taxi_mlops.results.comparison import AdapterResult, Comparison

_VERDICTS = {
    Verdict.EQUAL: ("equal", "green"),
    Verdict.EQUAL_WITHIN_ROUNDING: ("equal*", "green"),
    Verdict.DIFFERENT: ("different", "red"),
}


def render(comparison: Comparison) -> RenderableType:
    """Return heading, ranking, the verdict in a sentence, and warnings."""
    verdict = Text(f"\n{sentence(comparison)}", style="bold")
    above = Text("\n".join([*heading(comparison), ""]))
    parts: list[RenderableType] = [above, _table(comparison), verdict]
    parts += [Text(f"{entry.name}: {entry.reason}", style="dim") for entry in comparison.ranking if entry.reason]
    if any(
        result.equivalence and result.equivalence.verdict is Verdict.EQUAL_WITHIN_ROUNDING
        for result in comparison.adapters
    ):
        parts.append(Text("* equal but for pairs of points within rounding of eps", style="dim"))
    parts += [Text(f"Note: {warning}", style="yellow") for warning in comparison.warnings]
    if comparison.across_workloads is not None:
        parts += [Text(""), analysis.render(comparison.across_workloads)]
    return Group(*parts)


def sentence(comparison: Comparison) -> str:
    """Return the verdict in one sentence that claims no more than the intervals do."""
    ranked = [entry for entry in comparison.ranking if entry.rank is not None]
    if not ranked:
        return _unranked(comparison)
    first = [entry.name for entry in ranked if entry.rank == 1]
    if len(ranked) == 1:
        return f"{first[0]} is the only adapter that can be ranked."
    if len(first) > 1:
        return f"{_listed(first)} are tied for the fastest: their timings do not differ significantly."
    second = next(entry for entry in ranked if entry.rank != 1)
    against = second.slower_than_winner
    if against is None:
        return f"{first[0]} has the lowest median time."
    return (
        f"{first[0]} is the fastest of {len(ranked)} equal clusterings, {factor(against.estimate)} "
        f"[{factor(against.low)[:-1]}–{factor(against.high)[:-1]}] faster than {second.name}, the next."
    )


def _unranked(comparison: Comparison) -> str:
    ended = [result for result in comparison.adapters if result.status is TrialStatus.OK]
    if not ended or any(result.fit_seconds for result in ended):
        return "No adapter succeeded, so there is nothing to rank."
    equal = [result for result in ended if result.equivalence and result.equivalence.verdict is not Verdict.DIFFERENT]
    return (
        f"Nothing was timed; {len(equal)} of {len(ended) - 1} clusterings are equal to that of {comparison.reference}."
    )


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def heading(comparison: Comparison) -> tuple[str, ...]:
    """Which points, which parameters, and what the reference found: a line each."""
    dataset, parameters = comparison.dataset, comparison.parameters
    dropped = sum(count for rule, count in dataset.dropped.items() if rule != NOT_SAMPLED)
    lines = [
        f"{dataset.points:,} {'weighted ' if dataset.weighted else ''}"
        f"{'point' if dataset.points == 1 else 'points'} of {dataset.uri} ({dataset.schema_}; "
        f"{dropped:,} of {dataset.rows_read:,} rows dropped)",
        *([f"read from {', '.join(dataset.columns)}"] if dataset.columns else []),
        f"eps {parameters.eps_metres:g} m · min_samples {parameters.min_samples} · {comparison.threads} "
        f"{'thread' if comparison.threads == 1 else 'threads'} · "
        f"{comparison.machine.processor}",
    ]
    reference = next((result for result in comparison.adapters if result.name == comparison.reference), None)
    if reference is not None and reference.n_clusters is not None and reference.noise_ratio is not None:
        clusters = "1 cluster" if reference.n_clusters == 1 else f"{reference.n_clusters:,} clusters"
        lines.append(f"{reference.name} finds {clusters} and {reference.noise_ratio:.1%} noise")
    return tuple(lines)


def _table(comparison: Comparison) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("#", justify="right")
    table.add_column("adapter", no_wrap=True)
    table.add_column("fit, median", justify="right", no_wrap=True)
    table.add_column("speed-up [95 %]", justify="right", no_wrap=True)
    table.add_column("memory", justify="right", no_wrap=True)
    table.add_column("clustering", no_wrap=True)
    for row in ranking_rows(comparison):
        table.add_row(row.rank, row.name, row.fit, row.speedup, row.memory, Text(row.clustering, style=row.colour))
    return table


@dataclass(frozen=True, slots=True)
class RankingRow:
    """One adapter in the table of the ranking, as text. colour: of the last cell."""

    rank: str
    name: str
    fit: str
    speedup: str
    memory: str
    clustering: str
    colour: str


def ranking_rows(comparison: Comparison) -> Iterator[RankingRow]:
    """The rows of the ranking, the first rank first."""
    results = {result.name: result for result in comparison.adapters}
    for entry in comparison.ranking:
        result = results[entry.name]
        yield RankingRow(
            UNDEFINED if entry.rank is None else f"{'=' if entry.tied_with else ''}{entry.rank}",
            entry.name,
            seconds(result.fit_seconds_median),
            speedup(result.speedup),
            memory(result.peak_memory_bytes),
            *_clustering(result, comparison.reference),
        )


def _clustering(result: AdapterResult, reference: str | None) -> tuple[str, str]:
    """What is known of the clustering, and its colour."""
    if result.equivalence is not None:
        return _VERDICTS[result.equivalence.verdict]
    if result.name == reference:
        return "reference", ""
    return result.status.value.replace("_", " "), "yellow"
