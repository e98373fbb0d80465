"""The time that all monitoring of a run may take together."""

from __future__ import annotations

import threading

import pytest

from taxi_mlops.monitoring.time_budget import DeadlineExceededError, TimeBudget, run_time_budget, time_budget_or


def test_what_an_action_returns_or_raises_is_what_the_call_does() -> None:
    assert TimeBudget(30.0).call(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        TimeBudget(30.0).call(lambda: 1 // 0)


def test_one_that_gives_no_answer_is_left_alone_and_uses_up_its_share() -> None:
    budget, answer = TimeBudget(0.2), threading.Event()
    with pytest.raises(DeadlineExceededError, match=r"0\.1 s"):
        budget.call(answer.wait, share=0.5)
    assert budget.left <= 0.1
    with pytest.raises(DeadlineExceededError):
        budget.call(answer.wait)
    assert budget.left == 0.0
    answer.set()


def test_all_monitoring_of_a_run_shares_one_time_budget() -> None:
    assert time_budget_or(10.0).left == 10.0
    with run_time_budget() as budget:
        assert time_budget_or(10.0) is budget
    assert time_budget_or(5.0).left == 5.0
