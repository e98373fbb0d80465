from __future__ import annotations

from pathlib import Path

import pytest

from taxi_mlops.monitoring.catalogue import METRICS, Kind, Metric, updated

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
UNITS = ("_seconds", "_bytes", "_ratio", "_per_second", "_points", "_rank", "_clusters", "_runs", "_workers", "_up")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_name_ends_in_its_unit_or_kind(metric: Metric) -> None:
    assert metric.name.startswith("taxi_")
    assert metric.help.endswith(".")
    ending = {Kind.COUNTER: ("_total",), Kind.INFO: ("_info",), Kind.HISTOGRAM: ("_seconds",), Kind.GAUGE: UNITS}
    assert metric.name.endswith(ending[metric.kind])
    assert sorted(metric.buckets) == list(metric.buckets)


def test_names_are_unique() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS) > 25


def test_the_table_of_the_documentation_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert updated(page) == page, "make it anew: python -m taxi_mlops.monitoring.catalogue docs/metrics.md"
