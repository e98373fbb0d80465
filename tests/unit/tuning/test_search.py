from __future__ import annotations

import pytest

from taxi_mlops.training import Tune
from taxi_mlops.tuning.search import Search, frozen, rungs_of, violation_of
from taxi_mlops.tuning.space import Space

optuna = pytest.importorskip("optuna", reason="Optuna is in the extra tune")
SPACE = Space((10.0, 1000.0), (5, 500))


def run(search, trial_of, count, first=0, **document):
    """Answer with a score that is best at eps 100 and min_samples 50, without noise bounds being left."""
    found = []
    for number in range(first, first + count):
        eps, min_samples = search.ask()
        unseen = 1.0 - abs(eps - 100.0) / 1000.0 - abs(min_samples - 50) / 500.0
        trial = trial_of(number, unseen, 0.5, eps=eps, min_samples=min_samples)
        search.tell(trial)
        found.append(trial)
    return found


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_pairs_are_within_the_ranges_and_get_better(trial_of, sampler):
    document = Tune().with_parameters({"sampler": sampler})
    trials = run(Search(document, SPACE, []), trial_of, 60)
    assert all(10.0 <= trial.eps_metres <= 1000.0 and 5 <= trial.min_samples <= 500 for trial in trials)
    if sampler == "tpe":
        early, late = trials[:20], trials[-20:]
        assert sum(one.unseen.value for one in late) > sum(one.unseen.value for one in early)


def test_the_same_seed_asks_the_same(trial_of):
    document = Tune().with_parameters({"seed": 3})
    once, again = (run(Search(document, SPACE, []), trial_of, 15) for _ in range(2))
    assert once == again
    assert run(Search(Tune(), SPACE, []), trial_of, 15) != once


def test_pairs_that_the_points_suggest_are_tried_first(trial_of):
    space = Space(SPACE.eps_metres, SPACE.min_samples, ((50.0, 5), (80.0, 20), (200.0, 100)))
    trials = run(Search(Tune(), space, []), trial_of, 4)
    assert [(one.eps_metres, one.min_samples) for one in trials[:3]] == list(space.start)
    later = run(Search(Tune(), space, trials[:2]), trial_of, 1, first=2)
    assert (later[0].eps_metres, later[0].min_samples) == (200.0, 100)
    at_random = run(Search(Tune().with_parameters({"sampler": "random"}), space, []), trial_of, 1)
    assert (at_random[0].eps_metres, at_random[0].min_samples) != space.start[0]


def test_a_search_takes_up_a_journal(trial_of):
    document = Tune()
    earlier = run(Search(document, SPACE, []), trial_of, 20)
    later = run(Search(document, SPACE, earlier), trial_of, 5, first=20)
    assert [trial.number for trial in later] == [20, 21, 22, 23, 24]
    assert not {(one.eps_metres, one.min_samples) for one in later} & {
        (one.eps_metres, one.min_samples) for one in earlier
    }


def test_trials_out_of_bounds_are_taken_as_such(trial_of):
    document = Tune()
    search = Search(document, SPACE, [])
    for number in range(25):
        eps, _ = search.ask()
        bad = eps < 200.0
        state = "infeasible" if bad else "complete"
        search.tell(
            trial_of(number, *((None, None) if bad else (0.5, 0.5)), noise=0.9 if bad else 0.2, state=state, eps=eps)
        )
    assert search.ask()


def test_one_objective_ends_trials_that_are_hopeless_on_a_sample(trial_of):
    document = Tune().with_parameters({"objective": "unseen"})
    search = Search(document, SPACE, [])
    pruned = 0
    for number, value in enumerate([0.9, 0.8, 0.9, 0.1, 0.2, 0.1, 0.3, 0.2]):
        search.ask()
        hopeless = search.is_hopeless(0, value)
        pruned += hopeless
        search.tell(trial_of(number, value, state="pruned" if hopeless else "complete"))
    assert pruned >= 3


def test_samples_are_tried_first_with_one_objective_only():
    assert rungs_of(90_000, 1) == (10_000, 30_000)
    assert rungs_of(20_000, 1) == (6666,)
    assert rungs_of(9_000, 1) == rungs_of(90_000, 2) == ()


def test_a_trial_as_optuna_has_it(trial_of):
    document = Tune()
    found = frozen(trial_of(7, 0.8, 0.6), document, SPACE)
    assert found.values == [0.8, 0.6]
    assert found.params == {"eps": 100.0, "min_samples": 10}
    assert found.user_attrs["number"] == 7
    noisy = trial_of(8, noise=0.75, state="infeasible")
    assert violation_of(noisy, document) == pytest.approx(0.25)
    assert frozen(noisy, document, SPACE).state == optuna.trial.TrialState.PRUNED
