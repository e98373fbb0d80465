"""Load the points of a run through the cache that the settings choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from taxi_mlops.data.load import load_samples
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.domain import Points
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.settings import Settings
from taxi_mlops.storage.points_cache import points_cache

Load = Callable[[LoadRequest, Settings, Observer], Points]
"""How a run gets its points: `cached_points`, unless they are shared with other runs."""


def cached_points(request: LoadRequest, settings: Settings, observer: Observer) -> Points:
    """Return the requested points. Raises what `data.load.load_points` raises."""
    (points,) = cached_samples(request, (request.sample,), settings, observer)
    return points


def cached_samples(
    request: LoadRequest, samples: Sequence[int | None], settings: Settings, observer: Observer
) -> tuple[Points, ...]:
    """Return several samples of the same trips, read once. Raises what `data.load.load_samples` raises."""
    cache = points_cache(settings, observer.warning)
    return load_samples(request, samples, settings, observer.loading, cache)
