"""`sweep.json`: the results of a sweep, as one versioned document.

History of the schema:
1 - first version.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import AwareDatetime, Field

from taxi_mlops.domain import TrialStatus
from taxi_mlops.errors import RunFolderError
from taxi_mlops.evaluation.eps_choice import EpsChoice
from taxi_mlops.evaluation.equivalence import Verdict
from taxi_mlops.evaluation.pareto import pareto_front
from taxi_mlops.evaluation.quality.metrics import Estimate, QualityMetrics
from taxi_mlops.results.comparison import AdapterResult, Comparison, Dataset
from taxi_mlops.results.documents import ResultDocument, read_document
from taxi_mlops.results.sweep_folder import SweepHeader
from taxi_mlops.sweep import Cell, Sweep
from taxi_mlops.trials.machine import Machine


class CellAdapter(ResultDocument):
    """One adapter in one cell. All its results are in the cell's own `comparison.json`."""

    name: str
    exact: bool | None = Field(description="Whether the adapter promises the clustering of DBSCAN.")
    status: TrialStatus
    reason: str | None = Field(description="Why it is not ok; null if it is.")
    verdict: Verdict | None = Field(description="Against the cell's reference; null for the reference itself.")
    rank: int | None
    fit_seconds_median: float | None
    fit_seconds_ci: tuple[float, float] | None
    peak_memory_bytes: int | None
    quality: QualityMetrics | None


class CellResult(ResultDocument):
    """The results of one cell, which is a comparison."""

    name: str = Field(description="Of its folder below cells/.")
    run_id: str
    size: int = Field(description="Trips drawn.")
    points: int
    eps_metres: float
    min_samples: int
    reference: str | None
    n_clusters: int | None = Field(description="Of the reference's clustering.")
    noise_ratio: float | None
    quality: QualityMetrics | None = Field(description="Of the reference's clustering.")
    adapters: tuple[CellAdapter, ...]
    warnings: tuple[str, ...]


class Candidate(ResultDocument):
    """A clustering with its cost, from which the Pareto front is computed.

    Adapters with the same clustering whose timings do not differ significantly are one candidate.
    """

    cell: str
    size: int
    eps_metres: float
    min_samples: int
    adapters: tuple[str, ...]
    exact: bool = Field(description="Whether it is the clustering of DBSCAN.")
    quality: float
    fit_seconds: float | None = Field(description="The lowest median among the adapters; null if nothing was timed.")
    on_front: bool


class SweepResult(ResultDocument):
    """All results of a sweep."""

    schema_version: Literal[1] = 1
    sweep_id: str
    created_at: AwareDatetime
    sweep: Sweep
    machine: Machine
    threads: int
    dataset: Dataset = Field(description="Of the largest size.")
    cells: tuple[CellResult, ...]
    rule: str = Field(description="How the best were chosen, as a sentence.")
    candidates: tuple[Candidate, ...] = Field(
        description="The largest size first, then those on the front, then by quality."
    )
    curves: tuple[EpsChoice, ...] = Field(description="The eps that each min_samples suggests, on the largest size.")
    warnings: tuple[str, ...]
    trials_seconds: float = Field(description="Wall-clock time of all trials, start-up included.")


def assemble_sweep(header: SweepHeader, comparisons: Mapping[Cell, Comparison]) -> SweepResult:
    """Compute the document from the comparisons of all cells."""
    cells = tuple(_cell(cell, comparison) for cell, comparison in comparisons.items())
    largest = max(comparisons.values(), key=lambda comparison: comparison.dataset.points)
    timed = header.sweep.trials.repeats > 0
    return SweepResult(
        sweep_id=header.sweep_id,
        created_at=header.created_at,
        sweep=header.sweep,
        machine=header.machine,
        threads=largest.threads,
        dataset=largest.dataset,
        cells=cells,
        rule=_rule(header.sweep.quality, timed),
        candidates=tuple(_candidates(cells, header.sweep.quality)),
        curves=header.curves,
        warnings=(*header.curves_missing, *_common(cells)),
        trials_seconds=sum(comparison.trials_seconds for comparison in comparisons.values()),
    )


def read_sweep(path: Path) -> SweepResult:
    """Read a `sweep.json`. Raises RunFolderError if it is missing, UsageError if it is something else."""
    found = read_document(SweepResult, path)
    if found is None:
        raise RunFolderError(f"{path} is missing: the sweep has not ended; resume it with --resume {path.parent}")
    return found


def index_of(quality: QualityMetrics | None, name: str) -> Estimate | None:
    """Return the index of quality by which the sweep is judged."""
    found: Estimate | None = getattr(quality, name, None)
    return found


def _cell(cell: Cell, comparison: Comparison) -> CellResult:
    ranks = {entry.name: entry.rank for entry in comparison.ranking}
    reference = next((result for result in comparison.adapters if result.name == comparison.reference), None)
    return CellResult(
        name=cell.name,
        run_id=comparison.run_id,
        size=cell.size,
        points=comparison.dataset.points,
        eps_metres=cell.eps_metres,
        min_samples=cell.min_samples,
        reference=comparison.reference,
        n_clusters=reference.n_clusters if reference else None,
        noise_ratio=reference.noise_ratio if reference else None,
        quality=reference.quality if reference else None,
        adapters=tuple(_adapter(result, ranks.get(result.name)) for result in comparison.adapters),
        warnings=comparison.warnings,
    )


def _adapter(result: AdapterResult, rank: int | None) -> CellAdapter:
    return CellAdapter(
        name=result.name,
        exact=result.exact,
        status=result.status,
        reason=result.reason,
        verdict=result.equivalence.verdict if result.equivalence else None,
        rank=rank,
        fit_seconds_median=result.fit_seconds_median,
        fit_seconds_ci=result.fit_seconds_ci,
        peak_memory_bytes=result.peak_memory_bytes,
        quality=result.quality,
    )


def _rule(quality: str, timed: bool) -> str:
    if not timed:
        return f"Nothing was timed: of each size, the clusterings of the highest {quality} are the best."
    return (
        f"Of each size, the Pareto front of {quality} and the median time of fit: those clusterings that no other one "
        "beats in both. The two are not weighed against each other; which end of the front to take is yours to say."
    )


def _candidates(cells: Sequence[CellResult], quality: str) -> Iterator[Candidate]:
    for size in sorted({cell.size for cell in cells}, reverse=True):
        found = [candidate for cell in cells if cell.size == size for candidate in _of_cell(cell, quality)]
        if not found:
            continue
        costs = np.array([(-candidate.quality, candidate.fit_seconds or 0.0) for candidate in found])
        marked = [
            candidate.model_copy(update={"on_front": bool(front)})
            for candidate, front in zip(found, pareto_front(costs), strict=True)
        ]
        yield from sorted(marked, key=lambda candidate: (not candidate.on_front, -candidate.quality))


def _of_cell(cell: CellResult, quality: str) -> Iterator[Candidate]:
    """Return DBSCAN's clustering with the fastest adapters, and each inexact adapter's clustering."""
    equal = [
        adapter
        for adapter in cell.adapters
        if adapter.name == cell.reference or adapter.verdict not in (None, Verdict.DIFFERENT)
    ]
    timed = any(adapter.fit_seconds_median is not None for adapter in cell.adapters)
    fastest = [adapter for adapter in equal if adapter.rank == 1] if timed else equal
    others = [one for one in cell.adapters if one.exact is False and one.verdict is Verdict.DIFFERENT]
    for adapters, exact in ((fastest, True), *(([other], False) for other in others)):
        good = [adapter for adapter in adapters if adapter.status is TrialStatus.OK]
        value = index_of(good[0].quality, quality) if good else None
        if value is None or value.value is None:
            continue
        yield Candidate(
            cell=cell.name,
            size=cell.size,
            eps_metres=cell.eps_metres,
            min_samples=cell.min_samples,
            adapters=tuple(adapter.name for adapter in good),
            exact=exact,
            quality=value.value,
            fit_seconds=min((a.fit_seconds_median for a in good if a.fit_seconds_median is not None), default=None),
            on_front=False,
        )


def _common(cells: Sequence[CellResult]) -> Iterator[str]:
    """Return the warnings of all cells, each once, and those about broken promises and further warnings."""
    counts = Counter(warning for cell in cells for warning in dict.fromkeys(cell.warnings))
    yield from (warning for warning, count in counts.items() if count == len(cells))
    broken = Counter(
        adapter.name
        for cell in cells
        for adapter in cell.adapters
        if adapter.exact and adapter.verdict is Verdict.DIFFERENT
    )
    for name, count in broken.items():
        yield f"{name} promises DBSCAN's clustering and gave another one in {count} of {len(cells)} cells"
    more = sum(any(counts[warning] < len(cells) for warning in cell.warnings) for cell in cells)
    if more:
        yield f"{more} of {len(cells)} cells warn of more, as of unsteady timings: see their reports"
