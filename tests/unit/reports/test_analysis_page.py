"""Several workloads as a section of the report, and as a page of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from taxi_mlops.evaluation.statistics import Friedman, friedman
from taxi_mlops.reports.analysis_charts import critical_difference_chart, tied_groups
from taxi_mlops.reports.analysis_page import render_analysis
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.runs.analysis import analyze
from taxi_mlops.testing.sample_runs import make_run


@pytest.fixture
def analysis(tmp_path: Path) -> Callable[..., Comparison]:
    def analysis(*sizes: int, **options: float) -> Comparison:
        return make_run(tmp_path / f"{len(sizes)}-{options}", f"run-{options}", sizes=sizes, **options).comparison

    return analysis


def page_of(*runs: Comparison, points: int | None = None) -> str:
    return render_analysis(analyze(runs, points), runs)


def ranks(mean_ranks: tuple[float, ...], critical_difference: float, p_value: float = 0.001) -> Friedman:
    names = tuple("abcdef"[: len(mean_ranks)])
    return Friedman("a test", names, 9, mean_ranks, 1.0, 1.0, p_value, critical_difference, 0.05)


def test_growth_and_forecast_stand_in_the_section(analysis) -> None:
    page = page_of(analysis(10, 30, 100, 300))
    assert "5 workloads, 10 · 30 · 100 · 300 · 1,000 points" in page
    assert page.count("<svg") == 6
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "swift 1.00 [1.00–1.00] 5.1 s [5.1 s–5.1 s] 1.00" in text
    assert "10,000 points" in text
    assert "swift against steady: faster with probability" in text
    assert "not independent workloads" in text
    assert 'aria-label="Seconds of fit by number of points. steady: 20.4 ms at 10 points' in page


def test_two_sizes_have_no_growth_and_a_reason(analysis) -> None:
    page = page_of(analysis(100))
    assert "time of steady, memory of steady, time of swift, memory of swift" in page
    assert "needs 3 sizes, and there are 2" in page
    assert page.count("<svg") == 2


def test_runs_of_one_size_are_compared_over_all(analysis) -> None:
    page = page_of(analysis(slowness=1.0), analysis(slowness=2.0))
    assert "Growth is fitted to workloads that differ in size alone" in page
    assert "no independent workloads" not in page


@pytest.mark.parametrize(
    ("mean_ranks", "difference", "p_value", "groups"),
    [
        ((1.0, 2.0, 3.0), 0.5, 0.001, ()),
        ((1.0, 2.0, 3.0), 1.5, 0.001, (("a", "b"), ("b", "c"))),
        ((3.0, 1.2, 1.0, 2.9), 0.5, 0.001, (("c", "b"), ("d", "a"))),
        ((1.0, 2.0, 3.0), 0.5, 0.2, (("a", "b", "c"),)),
    ],
)
def test_those_that_do_not_differ_significantly_are_in_one_box(mean_ranks, difference, p_value, groups) -> None:
    assert tied_groups(ranks(mean_ranks, difference, p_value)) == groups


def test_the_plot_is_described_in_words() -> None:
    """Demšar (2006), section 3.2.2: four classifiers on 14 data sets, critical difference 1.25."""
    chart = critical_difference_chart(ranks((3.143, 2.0, 2.893, 1.964), 1.25))
    assert chart.text == (
        "Mean ranks. d: mean rank 1.96; b: mean rank 2.00; c: mean rank 2.89; a: mean rank 3.14. critical difference "
        "1.25. Not significantly different: d and b and c and a."
    )
    assert "critical difference 1.25" in chart.wide
    assert chart.wide.startswith("<svg")


def test_names_are_escaped() -> None:
    found = friedman([[1.0, 2.0], [1.0, 2.0]], ["<script>alert(1)</script>", "b"])
    assert "<script>" not in critical_difference_chart(found).wide
