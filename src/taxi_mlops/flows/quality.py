"""Measure the quality of each distinct clustering once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from taxi_mlops.domain import Workload
from taxi_mlops.evaluation.equivalence import Verdict
from taxi_mlops.evaluation.quality.metrics import Estimate, QualityMetrics
from taxi_mlops.flows.verdicts import Answers
from taxi_mlops.recording.assembly import Verdicts
from taxi_mlops.trials.clusterings import open_clustering


def assess(
    workload: Workload, answers: Mapping[str, Answers], verdicts: Verdicts, folder: Path, seed: int
) -> dict[str, QualityMetrics]:
    """Return the quality of each adapter's clustering.

    Clusterings that are proven equal to the reference's bear its figures: they differ in the choice of a cluster for
    border points at most. Of the others, those of the same digest are measured once. folder: where the answers lie.
    """
    from taxi_mlops.evaluation.quality.measure import measure_quality
    from taxi_mlops.evaluation.quality.stability import stability

    measured: dict[str, QualityMetrics] = {}
    quality: dict[str, QualityMetrics] = {}
    of_dbscan = stability(workload.points, workload.parameters, seed) if verdicts.reference else None
    for name in sorted(answers, key=lambda name: name != verdicts.reference):
        equal = _is_equal(name, verdicts)
        digest = answers[str(verdicts.reference) if equal else name].digests[0]
        if digest not in measured:
            clustering = open_clustering(folder, digest)
            stable = of_dbscan if equal and of_dbscan else _NOT_DBSCAN
            measured[digest] = measure_quality(workload.points, clustering, name, stable, seed)
        quality[name] = measured[digest]
    return quality


_NOT_DBSCAN = Estimate(None, reason="measured by refits of exact DBSCAN, which this clustering is not proven to be")


def _is_equal(name: str, verdicts: Verdicts) -> bool:
    if name == verdicts.reference:
        return True
    equivalence = verdicts.by_adapter.get(name)
    return equivalence is not None and equivalence.verdict is not Verdict.DIFFERENT
