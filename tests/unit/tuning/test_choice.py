from __future__ import annotations

from taxi_mlops.tuning.choice import best_of, front_of, rule_of

BOTH = ("unseen", "stability")


def test_the_front_leaves_out_what_another_trial_beats(trial_of):
    trials = [
        trial_of(0, 0.80, 0.50),
        trial_of(1, 0.70, 0.60),
        trial_of(2, 0.70, 0.55),  # as good as trial 1 in one, worse in the other
        trial_of(3, None, None, noise=0.9, state="infeasible"),
        trial_of(4, 0.80, 0.50),  # equal to trial 0
    ]
    assert front_of(trials, BOTH) == (0, 1, 4)
    assert front_of(trials, ("unseen",)) == (0, 4)
    assert front_of(trials[3:4], BOTH) == ()


def test_of_noise_less_is_better(trial_of):
    trials = [trial_of(0, 0.8, noise=0.4), trial_of(1, 0.7, noise=0.1), trial_of(2, 0.7, noise=0.2)]
    assert front_of(trials, ("unseen", "noise")) == (0, 1)
    assert best_of(trials, (0, 1), ("noise", "unseen")) == 1


def test_the_best_is_the_most_stable_of_those_that_predict_nearly_as_well(trial_of):
    trials = [trial_of(0, 0.800, 0.50), trial_of(1, 0.796, 0.70), trial_of(2, 0.79, 0.99)]
    front = front_of(trials, BOTH)
    assert front == (0, 1, 2)
    assert best_of(trials, front, BOTH) == 1
    assert best_of(trials, front, ("unseen",)) == 0
    assert best_of(trials, (), BOTH) is None


def test_the_rule_says_what_is_given_up():
    assert rule_of(("unseen",)) == "The best has the highest score on unseen trips."
    assert rule_of(BOTH) == (
        "Of the trials on the front, those stay whose score on unseen trips is at most 0.005 below the best. "
        "The best of them has the highest stability."
    )
    assert rule_of(("noise", "unseen")).endswith(
        "at most 0.01 above the best. The best of them has the highest score on unseen trips."
    )
