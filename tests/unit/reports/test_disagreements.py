"""Sentences on a ranking and a significance test that disagree."""

from __future__ import annotations

from taxi_mlops.evaluation.statistics import PairwiseTest
from taxi_mlops.reports.disagreements import disagreements
from taxi_mlops.results.comparison import Comparison, RankingEntry


def found(comparison: Comparison, ranks: tuple[int, int], p_adjusted: float) -> tuple[str, ...]:
    test = PairwiseTest("a", "b", "a test", 5, p_adjusted, p_adjusted, 0.9, "large")
    ranking = tuple(RankingEntry(rank=rank, name=name) for rank, name in zip(ranks, "ab", strict=True))
    return disagreements(comparison.model_copy(update={"ranking": ranking, "pairwise": (test,)}))


def test_agreement_needs_no_words(comparison: Comparison) -> None:
    assert found(comparison, (1, 2), 0.03) == found(comparison, (1, 1), 0.3) == ()


def test_a_ranking_that_is_surer_than_the_test_is_explained(comparison: Comparison) -> None:
    (sentence,) = found(comparison, (1, 2), 0.0625)
    assert sentence.startswith("The ranking separates a and b, and the test does not at 0.05.")
    assert "on 5 blocks and 1 pair its least adjusted p is 0.0625, however large the difference" in sentence


def test_a_test_that_is_surer_than_the_ranking_is_explained(comparison: Comparison) -> None:
    (sentence,) = found(comparison, (1, 1), 0.01)
    assert sentence.startswith("The test separates a and b, and the ranking ties them")
