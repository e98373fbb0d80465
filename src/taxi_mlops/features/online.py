"""The online store: the last features of every hotspot, in SQLite, or in Redis where the settings name one.

All hotspots of a model are replaced at once, so that no reader sees some of an earlier time. Values are JSON, which
keeps every float64 as it is.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast
from zoneinfo import ZoneInfo

from taxi_mlops.audit.acts import Action
from taxi_mlops.audit.trail import trail_of
from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.features import definitions
from taxi_mlops.features.definitions import chosen
from taxi_mlops.features.frame import latest_rows
from taxi_mlops.features.store import FeatureStore
from taxi_mlops.features.values import FeatureValues, Value, is_stale
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.settings import Settings
from taxi_mlops.storage.redis_client import redis_client

if TYPE_CHECKING:
    from redis import Redis

INSTALL = "pip install 'taxi-mlops[redis]'"
_KEY = "taxi:features:"
_UNFINISHED_SECONDS = 600
"""How long a hash is kept if its writer was killed before it renamed it."""
_BATCH = 1000


class NoFeaturesError(UsageError):
    """There are no features of a hotspot in the online store."""


class OnlineStore(Protocol):
    """Texts by hotspot. Every method raises ServiceError if the store cannot be used."""

    name: str
    """The location, with its password masked."""

    def replace(self, texts: Mapping[int, str]) -> None:
        """Store these in place of all others: all of them, or nothing."""
        ...

    def get(self, hotspot: int) -> str | None:
        """Return the text of a hotspot, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Materialized:
    """What was copied to the online store. at: the time of the features."""

    model: str
    version: str
    at: datetime
    hotspots: int
    store: str


def open_online(settings: Settings, model: str) -> OnlineStore:
    """Return the online store of a model's hotspots. Raises UsageError if Redis is set and not installed."""
    store = FeatureStore(settings, model)
    if settings.redis_url is None:
        return SqliteStore(store.online, settings.service_timeout_seconds)
    try:
        return RedisStore(ServiceUrl(settings.redis_url), model, settings)
    except ImportError:
        raise UsageError(f"online features in Redis need the package redis; install it with: {INSTALL}") from None


def materialize(model: str, settings: Settings, at: datetime | None = None) -> Materialized:
    """Copy the last features at or before a time, or the last of all, from the offline store to the online store.

    Raises UsageError if there are none, ServiceError if the online store cannot be used.
    """
    offline, online = FeatureStore(settings, model), open_online(settings, model)
    contents = offline.contents()
    time, rows = latest_rows(offline, contents, at)
    names = [feature.name for feature in chosen(None, "hotspot")]
    head = {
        "at": time.isoformat(),
        "version": contents.model_version,
        "timezone": contents.timezone,
        "definitions": definitions.versions(),
    }
    texts = {
        row["hotspot"]: json.dumps({**head, "features": {name: row[name] for name in names}}, allow_nan=False)
        for row in rows.iter_rows(named=True)
    }
    with trail_of(settings).acting(Action.FEATURES_MATERIALIZED, f"{model}@{contents.model_version}", time=str(time)):
        online.replace(texts)
    return Materialized(model, contents.model_version, time, len(texts), online.name)


def online_values(
    online: OnlineStore,
    model: str,
    hotspot: int,
    names: Sequence[str] | None = None,
    now: datetime | None = None,
) -> FeatureValues:
    """Return the features of a hotspot from the online store. now: on the trips' clocks; None is the present.

    Raises NoFeaturesError if there are none, ServiceError if the store cannot be used.
    """
    wanted = chosen(names, "hotspot")
    text = online.get(hotspot)
    if text is None:
        raise NoFeaturesError(f"there are no online features of hotspot {hotspot} of model {model!r}")
    found: dict[str, Any] = json.loads(text)
    if found["definitions"] != definitions.versions():
        raise NoFeaturesError("the online features have other definitions by now; build and materialize again")
    at = datetime.fromisoformat(found["at"])
    now = now or datetime.now(ZoneInfo(found["timezone"])).replace(tzinfo=None)
    features = cast(dict[str, Value], found["features"])
    return FeatureValues(
        model=model,
        version=found["version"],
        entity="hotspot",
        key=hotspot,
        at=at,
        stale=is_stale(wanted, now - at),
        features={feature.name: features[feature.name] for feature in wanted},
    )


class SqliteStore:
    """A database of one table. Readers wait while a writer commits, which takes milliseconds."""

    def __init__(self, path: Path, timeout: float) -> None:
        self.name = str(path)
        self._path, self._timeout = path, timeout

    def replace(self, texts: Mapping[int, str]) -> None:
        with self._database() as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("CREATE TABLE IF NOT EXISTS features (hotspot INTEGER PRIMARY KEY, content TEXT NOT NULL)")
            database.execute("DELETE FROM features")
            database.executemany("INSERT INTO features VALUES (?, ?)", texts.items())
            database.execute("COMMIT")

    def get(self, hotspot: int) -> str | None:
        if not self._path.exists():
            return None
        with self._database() as database:
            row = database.execute("SELECT content FROM features WHERE hotspot = ?", (hotspot,)).fetchone()
        return None if row is None else str(row[0])

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """Connect; what was begun and not committed is undone."""
        try:
            with closing(sqlite3.connect(self._path, timeout=self._timeout, isolation_level=None)) as database:
                yield database
        except sqlite3.Error as error:
            raise ServiceError(f"{self.name}: {error}") from None


class RedisStore:
    """A hash for each model, which is filled under another name and then renamed."""

    def __init__(self, url: ServiceUrl, model: str, settings: Settings) -> None:
        """Connect lazily. Raises UsageError for a URL of another kind, ImportError if redis is not installed."""
        self.name = str(url)
        self._url, self._key = url, _KEY + model
        self._redis: Redis = redis_client(url, settings)

    def replace(self, texts: Mapping[int, str]) -> None:
        unfinished = f"{self._key}:{secrets.token_hex(8)}"
        items = list(texts.items())
        with self._errors(), self._redis.pipeline(transaction=False) as pipeline:
            for first in range(0, len(items), _BATCH):
                pipeline.hset(unfinished, mapping=dict(items[first : first + _BATCH]))
                pipeline.expire(unfinished, _UNFINISHED_SECONDS)
                pipeline.execute()
            # In one step: the time to live would go with the name.
            with self._redis.pipeline(transaction=True) as renaming:
                renaming.persist(unfinished)
                renaming.rename(unfinished, self._key)
                renaming.execute()

    def get(self, hotspot: int) -> str | None:
        with self._errors():
            found = self._redis.hget(self._key, str(hotspot))
        return None if found is None else cast(bytes, found).decode()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from redis import exceptions

        try:
            yield
        except (exceptions.RedisError, OSError) as error:
            raise ServiceError(f"{self.name}: {self._url.scrub(' '.join(str(error).split()))}") from None
