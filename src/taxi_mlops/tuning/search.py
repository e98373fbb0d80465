"""Ask Optuna for the next pair of parameters, and tell it what the last one was worth.

The study that proposes is in this process, and is made from the journal: so a tuning continues where it was, whatever
happened to a database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from taxi_mlops.results.tuning import TuningTrial, objective_values
from taxi_mlops.training import Tune
from taxi_mlops.tuning.choice import maximized
from taxi_mlops.tuning.optuna_library import experimental_features, load_optuna
from taxi_mlops.tuning.space import Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

CONSTRAINTS = "constraints"
"""The attribute in which Optuna's samplers find by how much a trial is out of bounds."""
VIOLATION = "violation"
_REDUCTION = 3
_SMALLEST_SAMPLE = 5_000
_RUNGS = 2


class Search:
    """A study in this process."""

    def __init__(self, document: Tune, space: Space, earlier: Sequence[TuningTrial]) -> None:
        """Take up the trials of a journal. Raises LibraryMissingError without Optuna."""
        optuna = load_optuna()
        self._space, self._document = space, document
        self._distributions = distributions_of(space)
        with experimental_features():
            pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=_REDUCTION)
            self._study: Study = optuna.create_study(
                directions=directions_of(document),
                sampler=_sampler(document, len(earlier)),
                pruner=pruner if len(document.objectives) == 1 else optuna.pruners.NopPruner(),
            )
            self._study.add_trials([frozen(trial, document, space) for trial in earlier])
            if document.sampler == "tpe":
                for eps, min_samples in space.start[len(earlier) : document.trials]:
                    self._study.enqueue_trial({"eps": eps, "min_samples": min_samples})
        self._asked: Trial | None = None

    def ask(self) -> tuple[float, int]:
        """Return the next eps and min_samples."""
        with experimental_features():
            self._asked = self._study.ask(self._distributions)
        return self._space.rounded(self._asked.params["eps"]), int(self._asked.params["min_samples"])

    def is_hopeless(self, rung: int, value: float) -> bool:
        """Take the value on the sample of a rung, from 0; return whether Optuna's pruner ends the trial there."""
        trial = self._trial()
        trial.report(value, _REDUCTION**rung)
        return bool(trial.should_prune())

    def tell(self, trial: TuningTrial) -> None:
        """Take the outcome of the pair that was asked for."""
        from optuna.trial import TrialState

        asked = self._trial()
        asked.set_user_attr(VIOLATION, violation_of(trial, self._document))
        values = objective_values(trial, self._document.objectives)
        with experimental_features():
            if values is None:
                self._study.tell(asked, state=TrialState.PRUNED)
            else:
                self._study.tell(asked, values)
        self._asked = None

    def _trial(self) -> Trial:
        if self._asked is None:
            raise ValueError("no pair of parameters was asked for")
        return self._asked


def rungs_of(points: int, objectives: int) -> tuple[int, ...]:
    """Return the sizes of the samples on which a trial is tried first; none with several objectives."""
    if objectives > 1:
        return ()
    sizes = [points // _REDUCTION**power for power in range(_RUNGS, 0, -1)]
    return tuple(size for size in sizes if size >= _SMALLEST_SAMPLE)


def directions_of(document: Tune) -> list[str]:
    """Return in which direction each objective is better."""
    return ["maximize" if maximized(objective) else "minimize" for objective in document.objectives]


def distributions_of(space: Space) -> dict[str, BaseDistribution]:
    """Return the ranges as Optuna has them."""
    from optuna.distributions import FloatDistribution, IntDistribution

    return {
        "eps": FloatDistribution(*space.eps_metres, log=True),
        "min_samples": IntDistribution(*space.min_samples, log=True),
    }


def frozen(trial: TuningTrial, document: Tune, space: Space) -> FrozenTrial:
    """Return a trial of the journal as Optuna has it."""
    from optuna.trial import TrialState, create_trial

    values = objective_values(trial, document.objectives)
    violation = violation_of(trial, document)
    attributes: dict[str, Any] = {
        VIOLATION: violation,
        "number": trial.number,
        "noise_ratio": trial.noise_ratio,
        "n_clusters": trial.n_clusters,
        "state": trial.state,
    }
    return create_trial(
        state=TrialState.PRUNED if values is None else TrialState.COMPLETE,
        values=values,
        params={"eps": trial.eps_metres, "min_samples": trial.min_samples},
        distributions=distributions_of(space),
        user_attrs=attributes,
        system_attrs={CONSTRAINTS: [violation]},
        intermediate_values={_REDUCTION**rung: value for rung, value in enumerate(trial.on_samples.values())},
    )


def violation_of(trial: TuningTrial, document: Tune) -> float:
    """Return by how much the share of noise is out of its bounds; not above 0 within them."""
    low, high = document.noise[0], document.noise[-1]
    return max(low - trial.noise_ratio, trial.noise_ratio - high)


def _sampler(document: Tune, done: int) -> BaseSampler:
    """Return the sampler; a tuning that is resumed has other random numbers than when it began."""
    import optuna

    seed = (document.dataset.seed + done) % 2**32
    if document.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    constraints = _constraints
    if document.sampler == "nsga2":
        return optuna.samplers.NSGAIISampler(population_size=24, seed=seed, constraints_func=constraints)
    return optuna.samplers.TPESampler(multivariate=True, seed=seed, constraints_func=constraints)


def _constraints(trial: FrozenTrial) -> Sequence[float]:
    return (float(trial.user_attrs[VIOLATION]),)
