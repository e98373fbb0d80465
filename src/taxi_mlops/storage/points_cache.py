"""Cache prepared points, so that they are not read and cleaned again: in Redis for all workers, else in a folder.

An error here costs the time to prepare the points again, and is reported in one line.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from taxi_mlops.data.load import PointsCache
from taxi_mlops.domain import Points
from taxi_mlops.errors import SecretError
from taxi_mlops.monitoring.logs import get_logger
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.settings import Settings
from taxi_mlops.storage.cache_backend import (
    CacheBackend,
    CacheBackendError,
    DamagedEntryError,
    EntryTooLargeError,
    FolderCache,
)
from taxi_mlops.storage.points_codec import read_points, write_points
from taxi_mlops.storage.redis_cache import RedisCache

INSTALL = "pip install 'taxi-mlops[redis]'"


def points_cache(settings: Settings, warn: Callable[[str], None]) -> PointsCache | None:
    """Return the cache that the settings choose, or None. `warn` gets one line at its first failure.

    Raises UsageError if the setting for Redis is not a Redis URL.
    """
    if not settings.points_cache:
        return None
    if settings.redis_url is None:
        return BackendPointsCache(FolderCache(settings), warn)
    try:
        return BackendPointsCache(RedisCache(ServiceUrl(settings.redis_url), settings), warn)
    except ImportError:
        warn(f"points are not cached: that needs the package redis; install it with: {INSTALL}")
        return None
    except SecretError as error:
        warn(f"points are not cached: {error}")
        return None


class BackendPointsCache:
    """A cache of points over a backend. After its first failure the backend is not used again."""

    def __init__(self, backend: CacheBackend, warn: Callable[[str], None]) -> None:
        self._backend = backend
        self._warn = warn
        self._works = True

    def get(self, key: str) -> Points | None:
        started = time.perf_counter()
        try:
            points = self._read(key)
        except CacheBackendError as error:
            self._give_up(error)
            return None
        if points is not None:
            get_logger().info("points_from_cache", cache=self._backend.name, seconds=_since(started))
        return points

    def put(self, key: str, points: Points) -> None:
        if not self._works or len(points) < self._backend.min_points:
            return
        started = time.perf_counter()
        try:
            self._backend.store(key, lambda sink: write_points(points, key, sink))
        except EntryTooLargeError as error:
            get_logger().info("points_not_cached", cache=self._backend.name, reason=str(error))
        except CacheBackendError as error:
            self._give_up(error)
        else:
            get_logger().info("points_cached", cache=self._backend.name, seconds=_since(started))

    def _read(self, key: str) -> Points | None:
        """Return the points, or None if there are none or they are damaged; damaged ones are removed."""
        try:
            with self._backend.open(key) as stream:
                return None if stream is None else read_points(stream, key)
        except DamagedEntryError as error:
            get_logger().warning("cached_points_damaged", cache=self._backend.name, reason=str(error))
            self._backend.remove(key)
            return None

    def _give_up(self, error: CacheBackendError) -> None:
        self._works = False
        get_logger().warning("points_cache_failed", cache=self._backend.name, reason=str(error))
        self._warn(f"the cache of points at {self._backend.name} failed: {error}; the run goes on without it")


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)
