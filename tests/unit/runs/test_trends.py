"""Trends over many runs: regressions, improvements, and too few runs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from taxi_mlops.recording.store import StoreRecorder
from taxi_mlops.reports.trends import markdown, page, render, rows
from taxi_mlops.runs.listing import RunFilter
from taxi_mlops.runs.trends import Verdict, read_trends
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.testing.sample_runs import BEGUN, DIFFERENT, EQUAL, REFERENCE, make_run

TIME = "fit_seconds_median"


@pytest.fixture
def record(tmp_path: Path):
    """Fill a store with runs a day apart, of these factors on all timings."""
    url = ServiceUrl(f"sqlite:///{tmp_path}/store.db")

    def record(slowness: Sequence[float], uri: str = "/data/santiago.parquet") -> ServiceUrl:
        for day, factor in enumerate(slowness):
            run_id = f"{Path(uri).stem}-{day:02}"
            begun = BEGUN + timedelta(days=day)
            StoreRecorder(url).record(make_run(tmp_path / run_id, run_id, slowness=factor, begun=begun, uri=uri))
        return url

    return record


def time_of(trends, adapter):
    [series] = [series for series in trends.series if series.key.adapter == adapter]
    return next(figure for figure in series.figures if figure.measure == TIME)  # codespell:ignore figures


STEADY = (1.0, 1.01, 0.99, 1.02, 0.98, 1.0)


def test_a_lasting_slowdown_is_a_regression_since_the_run_that_began_it(record):
    trends = read_trends(record([*STEADY, 1.5, 1.52, 1.49, 1.51, 1.5]), RunFilter())
    for adapter in (REFERENCE, EQUAL, DIFFERENT):
        figure = time_of(trends, adapter)
        assert figure.verdict is Verdict.REGRESSION
        assert figure.said == "time a point: +50% since santiago-06"
        assert figure.p_adjusted is not None
        assert figure.p_adjusted < 0.05
    assert len(trends.regressions) == 3


def test_getting_faster_is_an_improvement(record):
    trends = read_trends(record([1.5, 1.52, 1.49, 1.51, 1.5, *STEADY]), RunFilter())
    assert time_of(trends, EQUAL).verdict is Verdict.IMPROVEMENT
    assert trends.regressions == ()


def test_the_last_run_is_compared_with_those_before_it(record):
    trends = read_trends(record([*STEADY, 2.0]), RunFilter())
    figure = time_of(trends, EQUAL)
    assert figure.verdict is Verdict.REGRESSION
    assert "in the last run, santiago-06" in figure.said


def test_a_difference_too_small_to_matter_is_steady(record):
    trends = read_trends(record([1.0] * 5 + [1.01] * 4), RunFilter())
    assert time_of(trends, EQUAL).verdict is Verdict.STEADY


def test_few_runs_have_no_verdict_and_other_data_are_another_series(record):
    record([1.0, 5.0])
    trends = read_trends(record([1.0], uri="/data/chicago.csv"), RunFilter())
    assert {series.key.data for series in trends.series} == {"/data/santiago.parquet", "/data/chicago.csv"}
    found = [figure.verdict for series in trends.series for figure in series.figures]  # codespell:ignore figures
    assert set(found) == {Verdict.TOO_FEW}


def test_a_filter_takes_what_it_says(record):
    url = record([1.0, 1.0, 1.0])
    record([1.0], uri="/data/chicago.csv")
    only = read_trends(url, RunFilter(adapter=EQUAL, data="SANTIAGO", since=BEGUN + timedelta(days=1)))
    [series] = only.series
    assert (series.key.adapter, series.runs) == (EQUAL, ("santiago-01", "santiago-02"))


def test_an_empty_store_is_said_to_be_empty(tmp_path):
    trends = read_trends(ServiceUrl(f"sqlite:///{tmp_path}/none.db"), RunFilter())
    assert trends.series == ()
    assert "no runs" in markdown(trends)


def test_every_way_of_showing_them_names_what_got_worse(record):
    trends = read_trends(record([*STEADY, 2.0]), RunFilter())
    html = page(trends)
    assert html.count("<svg") > 0
    console = Console(width=300, file=io.StringIO())
    console.print(render(trends))
    for text in (html, markdown(trends), console.file.getvalue()):
        assert "3 regressions in" in text
        assert "swift on santiago.parquet" in text
    assert rows(trends)[0]["verdict"] == "regression"
    assert "http" not in html.replace("http-equiv", "").replace("http://www.w3.org", "")
