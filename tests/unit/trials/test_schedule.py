"""The order of trials: memory first, then shuffled blocks."""

from __future__ import annotations

from taxi_mlops.domain import MAIN, Trial, TrialKind
from taxi_mlops.trials.schedule import plan_trials

ADAPTERS = ("a", "b", "c", "d", "e")


def test_memory_first_then_blocks_of_each_adapter_once():
    plan = plan_trials(ADAPTERS, repeats=4, seed=1)
    assert plan[:5] == tuple(Trial(adapter, TrialKind.MEMORY, 0) for adapter in ADAPTERS)
    for block in range(1, 5):
        trials = plan[5 * block : 5 * block + 5]
        assert {trial.adapter for trial in trials} == set(ADAPTERS)
        assert {(trial.kind, trial.block) for trial in trials} == {(TrialKind.TIMING, block)}
    assert len({trial.key for trial in plan}) == len(plan) == 25


def test_the_seed_decides_the_order():
    assert plan_trials(ADAPTERS, 5, 7) == plan_trials(ADAPTERS, 5, 7)
    assert plan_trials(ADAPTERS, 5, 7) != plan_trials(ADAPTERS, 5, 8)


def test_blocks_are_shuffled_apart_from_each_other():
    plan = plan_trials(ADAPTERS, 6, 0)[5:]
    orders = {tuple(trial.adapter for trial in plan[start : start + 5]) for start in range(0, 30, 5)}
    assert len(orders) > 1


def test_more_repeats_continue_the_same_plan():
    assert plan_trials(ADAPTERS, 5, 3)[: 5 * 3] == plan_trials(ADAPTERS, 2, 3)


def test_several_workloads_share_each_block_and_the_small_ones_are_tried_first():
    workloads = ("n10", "n100", MAIN)
    plan = plan_trials(ADAPTERS, 3, 0, workloads)
    assert [trial.workload for trial in plan[:15]] == [key for key in workloads for _ in ADAPTERS]
    orders = set()
    for block in range(1, 4):
        trials = plan[15 * block : 15 * block + 15]
        assert {(trial.workload, trial.adapter) for trial in trials} == {(w, a) for w in workloads for a in ADAPTERS}
        groups = [{trial.workload for trial in trials[start : start + 5]} for start in (0, 5, 10)]
        assert all(len(group) == 1 for group in groups)
        orders.add(tuple(group.pop() for group in groups))
    assert len(orders) > 1
    assert len({trial.key for trial in plan}) == len(plan) == 60
