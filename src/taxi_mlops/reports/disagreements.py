"""Explain where the ranking and the tests of its pairs disagree, and why both are right."""

from __future__ import annotations

from taxi_mlops.evaluation.statistics import PairwiseTest
from taxi_mlops.results.comparison import Comparison

SIGNIFICANT = 0.05


def disagreements(comparison: Comparison) -> tuple[str, ...]:
    """Return a sentence for each way in which they disagree; none if they agree."""
    rank = {entry.name: entry.rank for entry in comparison.ranking}
    apart = [test for test in comparison.pairwise if rank[test.first] != rank[test.second]]
    together = [test for test in comparison.pairwise if rank[test.first] == rank[test.second]]
    weaker = [test for test in apart if test.p_adjusted >= SIGNIFICANT]
    stronger = [test for test in together if test.p_adjusted < SIGNIFICANT]
    sentences = []
    if weaker:
        blocks, pairs = min(test.blocks for test in weaker), len(comparison.pairwise)
        floor = min(1.0, 2.0 ** (1 - blocks) * pairs)
        sentences.append(
            f"The ranking separates {_named(weaker)}, and the test does not at {SIGNIFICANT:g}. The ranking asks by "
            f"how much the times differ, the test only how often one was faster: on {blocks} blocks and {pairs} "
            f"{'pair' if pairs == 1 else 'pairs'} its least adjusted p {'is' if floor >= SIGNIFICANT else 'can be'} "
            f"{floor:.3g}, however large the difference. More repeats lower it."
        )
    if stronger:
        sentences.append(
            f"The test separates {_named(stronger)}, and the ranking ties them: one was faster nearly always, but "
            "the intervals of the ratios, which hold for all pairs at once, still include 1."
        )
    return tuple(sentences)


def _named(tests: list[PairwiseTest]) -> str:
    return ", ".join(f"{test.first} and {test.second}" for test in tests)
