"""Numbers as text: seconds, memory, factors, p-values."""

from __future__ import annotations

import pytest

from taxi_mlops.evaluation.performance import Speedup
from taxi_mlops.reports import units


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (3.2e-6, "3.2 µs"), (0.0123456, "12.3 ms"), (0.9999, "1 s"), (12.345, "12.3 s"), (1234.5, "1,234 s")],
)
def test_seconds(value: float | None, text: str) -> None:
    assert units.seconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (250_871_808, "251 MB"), (3_100_000_000, "3.1 GB")])
def test_memory(value: int | None, text: str) -> None:
    assert units.memory(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (6.4e-07, "<0.001×"),
        (0.0012, "0.0012×"),
        (0.5, "0.5×"),
        (1.0, "1×"),
        (24.44, "24.4×"),
        (1234.4, "1,234×"),
        (3.2e9, ">1,000,000×"),
    ],
)
def test_factor(value: float, text: str) -> None:
    assert units.factor(value) == text


def test_speedup_comes_with_its_interval() -> None:
    assert units.speedup(Speedup(24.4, 10.8, 55.2)) == "24.4× [10.8–55.2]"
    assert units.speedup(None) == "–"


@pytest.mark.parametrize(
    ("value", "text"), [(3e-7, "< 0.0001"), (0.00012, "= 0.00012"), (0.0625, "= 0.0625"), (1.0, "= 1")]
)
def test_p_value(value: float, text: str) -> None:
    assert units.p_value(value) == text
