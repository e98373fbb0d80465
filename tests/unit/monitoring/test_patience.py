from __future__ import annotations

import threading

import pytest

from taxi_mlops.monitoring.patience import NoAnswerError, Patience, patience_of_a_run, patience_or


def test_what_an_action_returns_or_raises_is_what_the_call_does() -> None:
    assert Patience(30.0).call(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        Patience(30.0).call(lambda: 1 // 0)


def test_one_that_gives_no_answer_is_left_alone_and_uses_up_its_share() -> None:
    patience, answer = Patience(0.2), threading.Event()
    with pytest.raises(NoAnswerError, match=r"0\.1 s"):
        patience.call(answer.wait, share=0.5)
    assert patience.left <= 0.1
    with pytest.raises(NoAnswerError):
        patience.call(answer.wait)
    assert patience.left == 0.0
    answer.set()


def test_all_that_watches_a_run_shares_one_patience() -> None:
    assert patience_or(10.0).left == 10.0
    with patience_of_a_run() as patience:
        assert patience_or(10.0) is patience
    assert patience_or(5.0).left == 5.0
