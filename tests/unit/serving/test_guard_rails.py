from __future__ import annotations

import pytest

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")

from taxi_mlops.models.ab_test import Limits
from taxi_mlops.serving.guard_rails import LEAST, WINDOW, GuardRails


def noted(guards: GuardRails, n: int, champion=(0.001, 1), challenger=(0.001, 1)) -> str | None:
    """Note n answers of each version, of seconds and points inside of ten; return the first rail that is hit."""
    for _ in range(n):
        for arm, (seconds, inside) in enumerate((champion, challenger)):
            hit = guards.note(bool(arm), seconds, 10, inside)
            if hit is not None:
                return hit.rail
    return None


@pytest.mark.parametrize(
    ("challenger", "rail"),
    [
        ((0.001, 1), None),
        ((0.029, 1), None),  # below three times the champion's 10 ms
        ((0.031, 1), "latency"),
        ((0.001, 0), None),  # 100 % outside against 90 %: ten points more
    ],
)
def test_answers_of_both_are_compared(challenger, rail):
    assert noted(GuardRails(Limits(0.01, 3.0, 0.2)), 1000, (0.010, 1), challenger) == rail


def test_noise_is_compared_with_the_champions():
    assert noted(GuardRails(Limits(0.01, 3.0, 0.2)), 1000, (0.001, 10), (0.001, 7)) == "noise"
    assert noted(GuardRails(Limits(0.01, 3.0, 0.2)), 1000, (0.001, 7), (0.001, 10)) is None


def test_a_few_answers_decide_nothing_and_a_quick_challenger_is_not_slow():
    guards = GuardRails(Limits(0.01, 3.0, 0.2))
    assert noted(guards, LEAST - 1, (0.001, 10), (1.0, 0)) is None
    assert noted(GuardRails(Limits(0.01, 3.0, 0.2)), 1000, (0.0001, 1), (0.0019, 1)) is None


def test_only_the_last_answers_count():
    guards = GuardRails(Limits(0.01, 3.0, 0.2))
    assert noted(guards, WINDOW) is None
    assert noted(guards, WINDOW // 2, (0.001, 1), (0.5, 1)) == "latency"


def test_errors_stop_the_challenger_soon_but_not_at_the_first():
    guards = GuardRails(Limits(0.01, 3.0, 0.2))
    assert [guards.note_failure() for _ in range(19)] == [None] * 19
    hit = guards.note_failure()
    assert (hit.rail, hit.reason) == (
        "errors", "20 of the last 20 answers of the challenger failed (100.0%); at most 1.0% may",
    )  # fmt: skip
    guards = GuardRails(Limits(0.01, 3.0, 0.2))
    noted(guards, 500)
    assert [guards.note_failure() for _ in range(5)] == [None] * 5
    assert guards.note_failure().rail == "errors"
