"""The catalogue of metrics: names, units, labels, and its table in the documentation."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from taxi_mlops.monitoring.catalogue import FIT_BUCKETS_SECONDS, LABELS, METRICS, updated
from taxi_mlops.monitoring.metric import Kind, Metric

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
UNITS = (
    *("_seconds", "_bytes", "_ratio", "_per_second", "_points", "_rank", "_clusters", "_runs", "_workers", "_up"),
    *("_rows", "_tiles", "_commits", "_index"),
)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_name_ends_in_its_unit_or_kind(metric: Metric) -> None:
    assert metric.name.startswith("taxi_")
    assert metric.help.endswith(".")
    ending = {Kind.COUNTER: ("_total",), Kind.INFO: ("_info",), Kind.HISTOGRAM: ("_seconds",), Kind.GAUGE: UNITS}
    assert metric.name.endswith(ending[metric.kind])
    assert sorted(metric.buckets) == list(metric.buckets)


def test_names_are_unique() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS) > 25


def test_the_table_says_what_bounds_each_label() -> None:
    assert {label for metric in METRICS for label in metric.labels} == set(LABELS)


def test_the_buckets_of_fit_range_from_a_millisecond_to_an_hour() -> None:
    assert FIT_BUCKETS_SECONDS[0] <= 0.001
    assert FIT_BUCKETS_SECONDS[-2] <= 3600 <= FIT_BUCKETS_SECONDS[-1]
    steps = [after / before for before, after in pairwise(FIT_BUCKETS_SECONDS)]
    assert max(steps) == pytest.approx(10 / 3)


def exposed(metric: Metric) -> str:
    kind = Kind.GAUGE if metric.kind is Kind.INFO else metric.kind
    values = {
        sample: f'{sample}{{le="+Inf"}} 1' if sample.endswith("_bucket") else f"{sample} 1" for sample in metric.samples
    }
    return "\n".join([f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {kind}", *values.values(), ""])


def test_names_are_as_prometheus_own_checker_likes_them() -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed; deploy/native/install.sh gets it")
    text = "".join(map(exposed, METRICS))
    done = subprocess.run([program, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_table_of_the_documentation_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert updated(page) == page, "make it again: python -m taxi_mlops.monitoring.catalogue docs/reference/metrics.md"
