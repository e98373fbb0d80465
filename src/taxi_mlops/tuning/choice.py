"""Which of the trials is the best: the front of all objectives, and one of it by a rule that is written out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taxi_mlops.evaluation.pareto import pareto_front
from taxi_mlops.results.tuning import TuningTrial, objective_values
from taxi_mlops.training import Objective

NAMES: dict[Objective, str] = {
    "unseen": "score on unseen trips",
    "stability": "stability",
    "noise": "share of noise",
}


TOLERANCES: dict[Objective, float] = {"unseen": 0.005, "stability": 0.02, "noise": 0.01}
"""How much of an objective is given up for the next one; of the first, as much as a promotion allows by default."""


def maximized(objective: Objective) -> bool:
    """Return whether more of it is better."""
    return objective != "noise"


def front_of(trials: Sequence[TuningTrial], objectives: Sequence[Objective]) -> tuple[int, ...]:
    """Return the numbers of the complete trials than which none is as good in every objective and better in one."""
    found = [(trial.number, values) for trial in trials if (values := objective_values(trial, objectives)) is not None]
    if not found:
        return ()
    signs = np.array([-1.0 if maximized(objective) else 1.0 for objective in objectives])
    on_front = pareto_front(np.array([values for _, values in found]) * signs)
    return tuple(number for (number, _), front in zip(found, on_front, strict=True) if front)


def best_of(trials: Sequence[TuningTrial], front: Sequence[int], objectives: Sequence[Objective]) -> int | None:
    """Return the number of the best trial by `rule_of`; None where no trial is complete.

    Objectives are taken in order: of the trials that are left, those that are nearly as good as the best of them stay.
    """
    left = [trials[number] for number in front]
    for objective in objectives[:-1]:
        if left:
            most = _cost(_first(left, objective), objective) + TOLERANCES[objective]
            left = [trial for trial in left if _cost(trial, objective) <= most]
    return _first(left, objectives[-1]).number if left else None


def rule_of(objectives: Sequence[Objective]) -> str:
    """Return how the best is chosen, in a sentence."""
    *before, last = objectives
    if not before:
        return f"The best has the {_most(last)} {NAMES[last]}."
    kept = "; of these, ".join(
        f"those stay whose {NAMES[one]} is at most {TOLERANCES[one]:g} {_worse(one)} the best" for one in before
    )
    return f"Of the trials on the front, {kept}. The best of them has the {_most(last)} {NAMES[last]}."


def _worse(objective: Objective) -> str:
    return "below" if maximized(objective) else "above"


def _most(objective: Objective) -> str:
    return "highest" if maximized(objective) else "least"


def _first(trials: Sequence[TuningTrial], objective: Objective) -> TuningTrial:
    return min(trials, key=lambda trial: (_cost(trial, objective), trial.number))


def _cost(trial: TuningTrial, objective: Objective) -> float:
    value = trial.value_of(objective)
    if value is None:
        raise ValueError(f"trial {trial.number} has no {objective}")
    return -value if maximized(objective) else value
