"""Check the equivalence of each adapter's answer with the reference's, and write the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from taxi_mlops.domain import AdapterInfo, Points, TrialOutcome, Workload
from taxi_mlops.evaluation.equivalence import Equivalence, Verdict, check_equivalence
from taxi_mlops.results.assembly import Verdicts
from taxi_mlops.results.label_table import clustering_table
from taxi_mlops.trials.clusterings import open_clustering

_SEVERITY = (Verdict.EQUAL, Verdict.EQUAL_WITHIN_ROUNDING, Verdict.DIFFERENT)


@dataclass(frozen=True, slots=True)
class Answers:
    """The digests of an adapter's answers, in order of trials; more than one if repeats differ."""

    adapter: str
    digests: tuple[str, ...]


def answers_of(outcomes: Sequence[TrialOutcome]) -> dict[str, Answers]:
    """Return the answers of each adapter that gave any, in order of first appearance."""
    digests: dict[str, dict[str, None]] = {}
    for outcome in sorted(outcomes, key=lambda outcome: outcome.trial.block):
        if outcome.labels_digest is not None:
            digests.setdefault(outcome.trial.adapter, {})[outcome.labels_digest] = None
    return {name: Answers(name, tuple(found)) for name, found in digests.items()}


def judge(
    workload: Workload, answers: Mapping[str, Answers], infos: Mapping[str, AdapterInfo], wanted: str, folder: Path
) -> Verdicts:
    """Compare all answers with the reference's.

    wanted: the requested reference; if it gave no answer, the first exact adapter that did replaces it.
    folder: where the answers are stored.
    """
    reference = _reference(answers, infos, wanted)
    if reference is None:
        return Verdicts(
            None, {}, (f"the reference {wanted} gave no answer and no exact adapter did: nothing is proved",)
        )
    warnings = []
    if reference != wanted:
        warnings.append(f"the reference {wanted} gave no answer; {reference} was taken in its place")
    warnings += [
        f"{name}: repeats gave {len(found.digests)} different answers; the worst verdict is shown"
        for name, found in answers.items()
        if len(found.digests) > 1
    ]
    first = answers[reference].digests[0]
    others = {name: found for name, found in answers.items() if name != reference}
    verdicts = {name: _worst(workload, first, found, folder) for name, found in others.items()}
    return Verdicts(reference, verdicts, tuple(warnings))


def _reference(answers: Mapping[str, Answers], infos: Mapping[str, AdapterInfo], wanted: str) -> str | None:
    exact = [name for name, info in infos.items() if info.exact]
    return next((name for name in (wanted, *exact) if name in answers), None)


def _worst(workload: Workload, reference: str, answers: Answers, folder: Path) -> Equivalence:
    found = [
        check_equivalence(
            workload.points, workload.parameters, open_clustering(folder, reference), open_clustering(folder, digest)
        )
        for digest in answers.digests
    ]
    return max(found, key=lambda equivalence: _SEVERITY.index(equivalence.verdict))


def write_labels(points: Points, answers: Answers, folder: Path, target: Path) -> None:
    """Write `<adapter>.parquet`, the table that `clustering_table` returns."""
    import pyarrow.parquet as pq

    clustering = open_clustering(folder, answers.digests[0])
    table = clustering_table(points, clustering)
    table = table.replace_schema_metadata({"adapter": answers.adapter, "points_fingerprint": points.fingerprint})
    partial = target / f".{answers.adapter}.parquet.partial"
    pq.write_table(table, partial, compression="zstd")
    partial.replace(target / f"{answers.adapter}.parquet")
