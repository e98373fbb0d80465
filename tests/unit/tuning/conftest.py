"""Trials of a tuning, as a journal has them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from taxi_mlops.results.tuning import Measured, TuningTrial


@pytest.fixture
def trial_of():
    def made(number, unseen=None, stability=None, noise=0.2, state="complete", eps=100.0, min_samples=10):
        def measured(value):
            return None if value is None else Measured(value=value, low=value - 0.01, high=value + 0.01)

        return TuningTrial(
            number=number,
            finished_at=datetime(2026, 1, 2, tzinfo=UTC),
            seconds=0.5,
            eps_metres=eps,
            min_samples=min_samples,
            state=state,
            noise_ratio=noise,
            n_clusters=3,
            unseen=measured(unseen),
            stability=measured(stability),
        )

    return made
