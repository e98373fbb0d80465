"""A comparison as a short page of Markdown, for MLflow, issues and chats."""

from __future__ import annotations

from taxi_mlops.reports.markdown_text import code, plain
from taxi_mlops.reports.terminal import sentence
from taxi_mlops.reports.units import UNDEFINED, memory, seconds, speedup
from taxi_mlops.results.comparison import AdapterResult, Comparison, RankingEntry

_HEAD = ("#", "adapter", "fit, median", "speed-up [95 %]", "memory", "clustering")
_RULE = ("--:", ":--", "--:", "--:", "--:", ":--")


def markdown(comparison: Comparison) -> str:
    """Return the verdict, the ranking as a table, the warnings, and how to repeat the run."""
    dataset, parameters = comparison.dataset, comparison.parameters
    results = {result.name: result for result in comparison.adapters}
    rows = [_row(entry, results[entry.name], comparison.reference) for entry in comparison.ranking]
    unranked = [f"{entry.name} is not ranked: {entry.reason}" for entry in comparison.ranking if entry.reason]
    parts = [
        f"**{plain(sentence(comparison))}**",
        "\n".join(_line(cells) for cells in (_HEAD, _RULE, *rows)),
        f"{dataset.points:,} points of {code(dataset.uri)}, eps {parameters.eps_metres:g} m, "
        f"min_samples {parameters.min_samples}, {comparison.threads} threads on {plain(comparison.machine.processor)}.",
        "\n".join(f"- {plain(remark)}" for remark in (*unranked, *comparison.warnings)),
        "`taxi compare --spec specification.toml` runs the same again.",
    ]
    return "\n\n".join(part for part in parts if part)


def ranking_rows(comparison: Comparison) -> list[dict[str, str]]:
    """Return the rows of the ranking, each by the names of its columns."""
    results = {result.name: result for result in comparison.adapters}
    return [
        dict(zip(_HEAD, _row(entry, results[entry.name], comparison.reference), strict=True))
        for entry in comparison.ranking
    ]


def _row(entry: RankingEntry, result: AdapterResult, reference: str | None) -> tuple[str, ...]:
    if result.equivalence is not None:
        clustering = result.equivalence.verdict.value.replace("_", " ")
    else:
        clustering = "reference" if entry.name == reference else result.status.value.replace("_", " ")
    return (
        UNDEFINED if entry.rank is None else f"{'=' if entry.tied_with else ''}{entry.rank}",
        plain(entry.name),
        seconds(result.fit_seconds_median),
        speedup(result.speedup),
        memory(result.peak_memory_bytes),
        clustering,
    )


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(' '.join(cell.replace('|', '¦').split()) for cell in cells)} |"
