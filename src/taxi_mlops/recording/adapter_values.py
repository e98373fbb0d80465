"""Flatten the results of an adapter to numbers by name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from taxi_mlops.results.comparison import AdapterResult


def values_of(result: AdapterResult) -> dict[str, float]:
    """Return the single numbers of an adapter's entry by their dotted path, as `speedup.low`.

    Of intervals written as pairs, both ends (`fit_seconds_ci.low`). Other lists and nulls are left out.
    """
    return dict(_numbers("", result.model_dump(mode="json")))


def _numbers(path: str, value: object) -> Iterator[tuple[str, float]]:
    match value:
        case bool() | str() | None:
            return
        case int() | float():
            if math.isfinite(value):
                yield path, float(value)
        case Mapping():
            for name, inner in value.items():
                yield from _numbers(f"{path}.{name}" if path else name, inner)
        case [low, high] if path.endswith("_ci"):
            yield from _numbers(f"{path}.low", low)
            yield from _numbers(f"{path}.high", high)
