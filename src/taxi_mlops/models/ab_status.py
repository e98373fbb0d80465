"""What an A/B test has shown so far: rates, intervals, verdict."""

from __future__ import annotations

import numpy as np

from taxi_mlops.evaluation.sequential import (
    ERROR,
    RATIO_ERROR,
    Interval,
    difference_interval,
    p_value,
    sample_ratio_p_value,
    terms_of,
)
from taxi_mlops.models.ab_test import AbTest, Evidence, ShadowCounts
from taxi_mlops.results.ab_status import AbStatus, ArmStatus, DifferenceStatus, ShadowStatus, Verdict


def status_of(test: AbTest, evidence: Evidence) -> AbStatus:
    """Return the state of a test.

    The area-corrected hit rate is the hit rate less the share of the area that the hotspots cover (Peirce's skill score
    of a forecast by area). Areas are constants, so the interval of the difference of the hit rates, shifted by the
    difference of the areas, is that of the corrected difference.
    """
    terms = terms_of(evidence.challenger, evidence.hit, test.share)
    interval = difference_interval(terms, test.share, ERROR)
    more_area = test.challenger_area - test.champion_area
    corrected = Interval(interval.value - more_area, interval.low - more_area, interval.high - more_area)
    challengers = int(np.count_nonzero(evidence.challenger))
    ratio = min(  # of two tests, by Bonferroni: outcomes may be lost where answers are not
        1.0,
        2.0 * sample_ratio_p_value(evidence.keys[True], evidence.keys[False], test.share),
        2.0 * sample_ratio_p_value(challengers, len(evidence.challenger) - challengers, test.share),
    )
    return AbStatus(
        name=test.model,
        share=test.share,
        started_at=test.started_at,
        ended_at=test.ended_at,
        decision=test.decision,
        reason=test.reason,
        guard_rail=test.guard_rail,
        champion=_arm(test, evidence, False),
        challenger=_arm(test, evidence, True),
        repeated=evidence.repeated,
        difference=_shown(interval),
        corrected_difference=_shown(corrected),
        p_value=p_value(terms, test.share, more_area),
        sample_ratio_p_value=ratio,
        shadow=_shadow(test.shadow_counts) if test.shadow else None,
        verdict=_verdict(test, corrected, ratio),
    )


def _shadow(counts: ShadowCounts) -> ShadowStatus:
    requests = max(counts.requests, 1)
    return ShadowStatus(
        requests=counts.requests,
        points=counts.points,
        agreed=counts.agreed,
        seconds_per_request=counts.seconds / requests,
        champion_seconds_per_request=counts.champion_seconds / requests,
    )


def _arm(test: AbTest, evidence: Evidence, challenger: bool) -> ArmStatus:
    mine = evidence.challenger == challenger
    outcomes, hits = int(np.count_nonzero(mine)), int(np.count_nonzero(mine & evidence.hit))
    area = test.challenger_area if challenger else test.champion_area
    return ArmStatus(
        role="challenger" if challenger else "champion",
        version=test.challenger if challenger else test.champion,
        keys=evidence.keys[challenger],
        answers=evidence.answers[challenger],
        noise_share=evidence.noise[challenger],
        outcomes=outcomes,
        hits=hits,
        hit_rate=hits / outcomes if outcomes else None,
        area_share=area,
        corrected_hit_rate=hits / outcomes - area if outcomes else None,
    )


def _shown(interval: Interval) -> DifferenceStatus:
    return DifferenceStatus(value=interval.value, low=interval.low, high=interval.high)


def _verdict(test: AbTest, corrected: Interval, ratio: float) -> Verdict:
    if test.guard_rail is not None:
        return "guard_rail"
    if ratio < RATIO_ERROR:
        return "wrong_sample_ratio"
    if corrected.low > 0.0:
        return "challenger_better"
    return "champion_better" if corrected.high < 0.0 else "undecided"
