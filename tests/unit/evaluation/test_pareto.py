"""The Pareto front: the choices that no other beats in both values."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from taxi_mlops.evaluation.pareto import pareto_front

COSTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20)


def test_what_another_beats_in_both_is_not_on_the_front():
    costs = np.array([[1.0, 4.0], [2.0, 2.0], [2.0, 3.0], [4.0, 1.0], [4.0, 4.0]])
    assert pareto_front(costs).tolist() == [True, True, False, True, False]


def test_equals_are_on_the_front_together():
    assert pareto_front(np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 3.0]])).tolist() == [True, True, False]


@given(COSTS)
def test_the_front_is_what_the_definition_says(rows):
    front = pareto_front(np.array(rows, dtype=np.float64))

    def dominated(row):
        return any(all(a <= b for a, b in zip(other, row, strict=True)) and other != row for other in rows)

    assert front.tolist() == [not dominated(row) for row in rows]
    assert front.any()
