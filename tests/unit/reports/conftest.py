"""Folders of small runs, written as the comparison writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_mlops.domain import TrialStatus
from taxi_mlops.evaluation.counterexamples import Clause, Example
from taxi_mlops.evaluation.equivalence import Equivalence, Verdict
from taxi_mlops.evaluation.performance import Interval, Speedup
from taxi_mlops.evaluation.quality.metrics import ClusterSizes, Estimate, QualityMetrics
from taxi_mlops.results.comparison import (
    AdapterResult,
    ClusteringParametersUsed,
    Comparison,
    Dataset,
    RankingEntry,
)
from taxi_mlops.results.documents import to_json
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.specification import Specification
from taxi_mlops.trials.machine import describe_machine

HOSTILE = "<script>alert('run')</script>\"><img src=x onerror=alert(1)>"


@pytest.fixture
def hostile() -> str:
    """What a name in somebody's data could be."""
    return HOSTILE


@pytest.fixture
def comparison() -> Comparison:
    """A winner, an answer that differs, a time-out; every piece of text hostile where data can be."""
    example = Example(Clause.NOISE, 7, -33.44, -70.66, -1, 2, 114.5, 95.7, None, 12.5, None, False)
    different = Equivalence(Verdict.DIFFERENT, None, "the candidate does not tell", 0, 3, 0, 0.987, (example,))
    undefined = Estimate(None, reason="fewer than two clusters")
    estimate = Estimate(0.42, Interval(0.40, 0.44, 0.95), 1000)
    quality = QualityMetrics(
        "exact",
        0.1,
        estimate,
        undefined,
        estimate,
        estimate,
        estimate,
        ClusterSizes(3, 5, (5, 6, 7, 8, 9), 9, 7, 0.4, 0.1),
    )
    exact = AdapterResult(
        name="exact",
        version="1.0",
        status=TrialStatus.OK,
        trials={TrialStatus.OK: 3},
        fit_seconds=(0.25, 0.5),
        fit_seconds_median=0.375,
        fit_seconds_ci=(0.25, 0.5),
        fit_seconds_ci_confidence=0.5,
        peak_memory_bytes=123_456_789,
        n_clusters=3,
        n_noise=30,
        noise_ratio=0.1,
        quality=quality,
        labels="labels/exact.parquet",
    )
    other = AdapterResult(
        name=HOSTILE,
        note=HOSTILE,
        status=TrialStatus.OK,
        trials={TrialStatus.OK: 3},
        fit_seconds=(12.0, 14.0),
        fit_seconds_median=13.0,
        fit_seconds_ci=(12.0, 14.0),
        fit_seconds_ci_confidence=0.5,
        equivalence=different,
        speedup=Speedup(0.03, 0.02, 0.04),
    )
    late = AdapterResult(name="late", status=TrialStatus.TIMEOUT, reason=HOSTILE, trials={}, fit_seconds=())
    return Comparison(
        run_id="20260102T030405Z-abc123",
        created_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        dataset=Dataset(
            uri=HOSTILE,
            schema="chicago",
            data_version="v",
            fingerprint="0" * 64,
            rows_read=400,
            rows_used=300,
            points=300,
            weighted=False,
            dropped={"missing": 99, HOSTILE: 1},
            notes=(),
        ),
        parameters=ClusteringParametersUsed(eps_metres=100.0, min_samples=10),
        machine=describe_machine(),
        threads=2,
        reference="exact",
        adapters=(exact, other, late),
        ranking=(
            RankingEntry(rank=1, name="exact", fit_seconds_median=0.375),
            RankingEntry(name=HOSTILE, fit_seconds_median=13.0, reason=HOSTILE),
            RankingEntry(name="late", reason="timeout"),
        ),
        warnings=(HOSTILE,),
        trials_seconds=27.0,
    )


@pytest.fixture
def run_folder(tmp_path: Path, comparison: Comparison) -> Callable[..., RunFolder]:
    """Write a run: its comparison (the hostile one, if no other is given), specification and labels of `exact`."""

    def write(comparison: Comparison = comparison, labels: np.ndarray | None = None) -> RunFolder:
        folder = RunFolder(tmp_path / "run")
        folder.labels.mkdir(parents=True)
        folder.comparison.write_text(to_json(comparison), encoding="utf-8")
        folder.specification.write_text(Specification().to_toml() + f"# {HOSTILE}\n", encoding="utf-8")
        generator = np.random.default_rng(0)
        labels = np.repeat([0, 1, 2, -1], [120, 90, 60, 30]) if labels is None else labels
        n = len(labels)
        centre = np.array([[-33.44, -70.66], [-33.40, -70.60], [-33.45, -70.70], [-33.42, -70.65]])[labels]
        place = centre + generator.normal(0.0, 1e-3, (n, 2))
        table = pa.table(
            {
                "latitude": place[:, 0],
                "longitude": place[:, 1],
                "label": pa.array(labels, pa.int32()),
                "core": pa.nulls(n, pa.bool_()),
            }
        )
        pq.write_table(table, folder.labels / "exact.parquet")
        return folder

    return write
