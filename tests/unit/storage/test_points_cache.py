"""Points kept in the cache folder: taken from there only where they are the ones that are asked for."""

from __future__ import annotations

import os
import sys
import time

import pytest
from pydantic import SecretStr

from taxi_mlops.data.load import LoadRequest, load_points, load_samples
from taxi_mlops.data.synthetic import write_parquet
from taxi_mlops.errors import UsageError
from taxi_mlops.settings import Settings
from taxi_mlops.storage.cache_backend import FolderCache
from taxi_mlops.storage.points_cache import points_cache

ROWS = 2_000


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setattr(FolderCache, "min_points", 1)
    return Settings(cache_dir=tmp_path / "cache")


@pytest.fixture
def trips(tmp_path):
    path = tmp_path / "trips.parquet"
    write_parquet(path, ROWS)
    return path


def refuse(line):
    pytest.fail(f"the cache failed: {line}")


def load(settings, warn=refuse, **request):
    return load_points(LoadRequest(**request), settings, None, points_cache(settings, warn))


def kept(settings):
    return sorted((settings.cache_dir / "points").glob("*"))


def test_the_second_load_takes_the_points_of_the_first(settings, trips):
    first, second = (load(settings, source=str(trips)) for _ in range(2))
    assert (first.provenance.from_cache, second.provenance.from_cache) == (False, True)
    assert first.fingerprint == second.fingerprint
    assert [path.suffix for path in kept(settings)] == [".arrow"]


def test_samples_of_any_size_and_seed_share_an_entry(settings, trips):
    drawn = load(settings, source=str(trips), sample=100, seed=1)
    cached = load(settings, source=str(trips), sample=100, seed=1)
    other = load(settings, source=str(trips), sample=50, seed=2)
    assert (drawn.provenance.from_cache, cached.provenance.from_cache, other.provenance.from_cache) == (
        False,
        True,
        True,
    )
    assert drawn.fingerprint == cached.fingerprint != other.fingerprint
    assert cached.provenance.dropped == drawn.provenance.dropped
    assert cached.provenance.notes == drawn.provenance.notes
    whole, part = load_samples(
        LoadRequest(source=str(trips), seed=2), (None, 50), settings, None, points_cache(settings, refuse)
    )
    assert part.fingerprint == other.fingerprint
    assert len(whole) > len(part)
    assert len(kept(settings)) == 1


@pytest.mark.parametrize(
    "request_",
    [{"points": "dropoff"}, {"bbox": (-89.0, -179.0, 89.0, 179.0)}, {"source": None, "synthetic_rows": ROWS}],
)
def test_another_request_is_another_entry(settings, trips, request_):
    load(settings, source=str(trips))
    assert not load(settings, **{"source": str(trips)} | request_).provenance.from_cache
    assert load(settings, **{"source": str(trips)} | request_).provenance.from_cache


def test_a_file_that_was_changed_is_read_again(settings, trips):
    load(settings, source=str(trips))
    write_parquet(trips, ROWS, seed=5)
    assert not load(settings, source=str(trips)).provenance.from_cache
    os.utime(trips, (1, 1))
    assert not load(settings, source=str(trips)).provenance.from_cache


def test_points_of_a_file_that_changes_while_it_is_read_are_not_kept(settings, trips):
    def touch(*_):
        os.utime(trips, (1, 1))

    load_points(LoadRequest(source=str(trips)), settings, touch, points_cache(settings, refuse))
    assert kept(settings) == []


def test_a_damaged_entry_is_replaced(settings, trips):
    whole = load(settings, source=str(trips))
    (entry,) = kept(settings)
    content = bytearray(entry.read_bytes())
    content[len(content) // 2] ^= 0xFF
    entry.write_bytes(content)
    again = load(settings, source=str(trips))
    assert (again.provenance.from_cache, again.fingerprint) == (False, whole.fingerprint)
    assert load(settings, source=str(trips)).provenance.from_cache


def test_old_entries_and_those_unused_for_longest_make_room(settings, trips):
    load(settings, source=str(trips))
    (entry,) = kept(settings)
    size = entry.stat().st_size
    narrow = settings.model_copy(update={"points_cache_max_bytes": int(2.5 * size)})
    load(narrow, source=str(trips), points="dropoff")
    os.utime(entry, (time.time() + 1, time.time() + 1))
    load(narrow, source=str(trips), bbox=(-90.0, -180.0, 90.0, 180.0))
    assert len(kept(settings)) == 2
    assert entry in kept(settings)
    brief = settings.model_copy(update={"points_cache_ttl_seconds": 60.0})
    os.utime(entry, (1, 1))
    assert not load(brief, source=str(trips)).provenance.from_cache


def test_what_is_too_large_is_not_kept(settings, trips):
    small = settings.model_copy(update={"points_cache_max_bytes": 1000})
    load(small, source=str(trips))
    assert kept(settings) == []


def test_few_points_are_not_worth_a_file(tmp_path, trips):
    settings = Settings(cache_dir=tmp_path / "cache")
    load(settings, source=str(trips))
    assert kept(settings) == []


def test_a_folder_that_cannot_be_written_costs_the_cache_alone(settings, trips):
    settings.cache_dir.write_text("a file where the folder should be")
    warned = []
    points = load(settings, warned.append, source=str(trips))
    assert len(points)
    (line,) = warned
    assert "the run goes on without it" in line
    assert "\n" not in line


def test_the_cache_can_be_turned_off(settings):
    assert points_cache(settings.model_copy(update={"points_cache": False}), refuse) is None


def test_a_wrong_url_is_a_wrong_setting(settings):
    pytest.importorskip("redis", reason="redis is in the extra redis")
    wrong = settings.model_copy(update={"redis_url": SecretStr("http://:secret@host/0")})
    with pytest.raises(UsageError, match="is not the URL of a Redis") as caught:
        points_cache(wrong, refuse)
    assert "secret" not in str(caught.value)


def test_a_missing_package_costs_the_cache_alone(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    warned = []
    there = settings.model_copy(update={"redis_url": SecretStr("redis://:secret@host/0")})
    assert points_cache(there, warned.append) is None
    assert "pip install 'taxi-mlops[redis]'" in warned[0]
