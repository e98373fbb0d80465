from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rich.console import Console

from taxi_mlops.reports.tuning_page import by_first, render, sentence
from taxi_mlops.reports.tuning_terminal import render as render_terminal
from taxi_mlops.results.comparison import Dataset
from taxi_mlops.results.tuning import Measured, TuningHeader, TuningResult, TuningTrial
from taxi_mlops.training import Tune
from taxi_mlops.trials.machine import describe_machine
from taxi_mlops.tuning.choice import best_of, front_of, rule_of


def measured(value):
    return None if value is None else Measured(value=value, low=value - 0.02, high=value + 0.02)


def trial(number, unseen, stability, noise=0.2, state="complete"):
    return TuningTrial(
        number=number,
        finished_at=datetime(2026, 1, 2, tzinfo=UTC),
        seconds=0.25,
        eps_metres=50.0 * (number + 1),
        min_samples=10,
        state=state,
        reason="" if state == "complete" else "75.0% of the points are noise; the bounds are 0% and 50%.",
        noise_ratio=noise,
        n_clusters=1200,
        unseen=measured(unseen),
        stability=measured(stability),
    )


def result_of(*trials, **parameters):
    document = Tune().with_parameters({"data": "<trips>.csv", **parameters})
    front = front_of(trials, document.objectives)
    best = best_of(trials, front, document.objectives)
    header = TuningHeader(
        tuning_id="id",
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        document=document,
        dataset=Dataset(
            uri="<trips>.csv",
            data_version="1",
            schema="generic",
            rows_read=1000,
            rows_used=1000,
            points=1000,
            weighted=False,
            dropped={},
            notes=(),
            fingerprint="f",
        ),
        eps_metres=(10.0, 1000.0),
        min_samples=(5, 50),
        start=((100.0, 5),),
        left_for_training=200,
        unseen=160,
        fitted=640,
        time_column="at",
        machine=describe_machine(),
    )
    return TuningResult(
        header=header,
        trials=trials,
        front=front,
        best=best,
        rule=rule_of(document.objectives),
        command=None if best is None else "taxi train '<trips>.csv' --eps 100",
        stopped="The time of 60 s was over.",
        seconds=1.0,
        study="taxi-id",
        storage="sqlite:///tuning.db",
        warnings=("A warning.",),
    )


@pytest.fixture
def result():
    return result_of(
        trial(0, 0.80, 0.50), trial(1, 0.798, 0.90), trial(2, 0.60, 0.95), trial(3, None, None, 0.75, "infeasible")
    )


def test_the_best_is_named_in_a_sentence(result):
    assert sentence(result) == (
        "eps 100 m with min_samples 10 has an unseen-trip score of 0.798, a stability of 0.900 and 20% noise."
    )
    none = result_of(trial(0, None, None, 0.75, "infeasible"))
    assert sentence(none) == "No trial is within the bounds of noise, so none is the best."


def test_the_front_begins_with_the_best(result):
    assert [one.number for one in by_first(result)] == [1, 0, 2]


def test_the_page_has_every_trial_and_escapes_what_comes_from_data(result):
    page = render(result, None, "trials = 4\n")
    assert page.count("<svg") == 6  # three plots, each in two widths
    assert "&lt;trips&gt;.csv" in page
    assert "<trips>" not in page
    assert "75.0% of the points are noise" in page
    assert "<pre><code>taxi train &#39;&lt;trips&gt;.csv&#39; --eps 100</code></pre>" in page
    assert "The time of 60 s was over. 4 of 200 trials had ended." in page
    assert "<script" not in page


def test_one_objective_has_no_plot_of_a_front():
    page = render(result_of(trial(0, 0.8, None), trial(1, 0.7, None), objective="unseen"), None, "")
    assert page.count("<svg") == 4


def test_no_complete_trial_has_a_page_too():
    page = render(result_of(trial(0, None, None, 0.75, "infeasible")), None, "")
    assert page.count("<svg") == 2
    assert "No trial is within the bounds of noise" in page


def test_the_terminal_shows_the_front_and_the_rule(result):
    console = Console(width=200, no_color=True)
    with console.capture() as captured:
        console.print(render_terminal(result))
    shown = captured.get()
    assert "4 trials in 1 s on 640 points of <trips>.csv, eps 10 to 1000 m, min_samples 5 to 50" in shown
    assert "100 m 10 0.7980 ± 0.0200 0.9000 ± 0.0200 20.0% 1,200" in " ".join(shown.split())
    assert "Note: A warning." in shown
    assert result.rule in shown
