"""Times of `taxi audit --since`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from taxi_mlops.audit.listing import moment
from taxi_mlops.errors import UsageError

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7d", NOW - timedelta(days=7)),
        ("12h", NOW - timedelta(hours=12)),
        ("30m", NOW - timedelta(minutes=30)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T10:00:00+02:00", datetime(2026, 11, 1, 8, tzinfo=UTC)),
    ],
)
def test_times(text, expected):
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "7", "d", "7w", "-7d", "999999999d", "yesterday"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UsageError, match="--since = "):
        moment(text, NOW)
