"""Measure the quality of each distinct clustering, once."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from taxi_mlops.domain import Workload
from taxi_mlops.evaluation.equivalence import Verdict
from taxi_mlops.evaluation.quality.metrics import Estimate, QualityMetrics
from taxi_mlops.limits import usable_cpus
from taxi_mlops.pipeline.verdicts import Answers
from taxi_mlops.results.assembly import Verdicts
from taxi_mlops.trials.clusterings import open_clustering


def assess(
    workload: Workload, answers: Mapping[str, Answers], verdicts: Verdicts, folder: Path, seed: int
) -> dict[str, QualityMetrics]:
    """Return the quality of each adapter's clustering.

    Clusterings that are proven equal to the reference's get its quality: they differ at most in the clusters of border
    points. Of the others, those with the same digest are measured once, several in parallel: the kernels release the
    GIL. folder: where the answers are stored.
    """
    from taxi_mlops.evaluation.quality.measure import measure_quality
    from taxi_mlops.evaluation.quality.stability import stability

    of_dbscan = stability(workload.points, workload.parameters, seed) if verdicts.reference else _NOT_DBSCAN
    digests: dict[str, str] = {}
    shown_as: dict[str, str] = {}
    for name in sorted(answers, key=lambda name: name != verdicts.reference):
        digests[name] = answers[str(verdicts.reference) if _is_equal(name, verdicts) else name].digests[0]
        shown_as.setdefault(digests[name], name)

    def measure(digest: str) -> QualityMetrics:
        name = shown_as[digest]
        stable = of_dbscan if _is_equal(name, verdicts) else _NOT_DBSCAN
        return measure_quality(workload.points, open_clustering(folder, digest), name, stable, seed)

    with ThreadPoolExecutor(len(usable_cpus())) as pool:
        measured = dict(zip(shown_as, pool.map(measure, shown_as), strict=True))
    return {name: measured[digest] for name, digest in digests.items()}


_NOT_DBSCAN = Estimate(None, reason="measured by refits of exact DBSCAN, which this clustering is not proven to be")


def _is_equal(name: str, verdicts: Verdicts) -> bool:
    if name == verdicts.reference:
        return True
    equivalence = verdicts.by_adapter.get(name)
    return equivalence is not None and equivalence.verdict is not Verdict.DIFFERENT
