"""Points shared through a real Redis; what goes wrong with it costs the cache, and one line."""

from __future__ import annotations

import threading
import time

import pytest
from pydantic import SecretStr

from taxi_mlops.data.load import LoadRequest, load_points
from taxi_mlops.data.synthetic import write_parquet
from taxi_mlops.storage import redis_cache
from taxi_mlops.storage.points_cache import points_cache

redis = pytest.importorskip("redis", reason="redis is in the extra redis")
ROWS = 20_000


@pytest.fixture
def trips(tmp_path):
    path = tmp_path / "trips.parquet"
    write_parquet(path, ROWS)
    return path


@pytest.fixture(scope="session")
def redis_settings(start_services):
    return start_services("redis").settings


def client_of(settings):
    return redis.Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=10)


def pointed(settings, url):
    return settings.model_copy(update={"redis_url": SecretStr(url), "service_timeout_seconds": 0.5})


def load(settings, trips, warned):
    return load_points(LoadRequest(source=str(trips)), settings, None, points_cache(settings, warned.append))


def names(client):
    return {name.decode() for name in client.scan_iter("taxi:points:*")}


def test_commands_are_spans_of_the_run(redis_settings, trips, traced):
    with traced() as spans:
        for _ in range(2):
            load(redis_settings, trips, [])
    assert [span["name"] for span in spans[:-1]] == ["Redis GET", "Redis SET", "Redis GET", "Redis GET"]
    assert {span["attributes"]["db.system.name"] for span in spans[:-1]} == {"redis"}


def test_one_worker_prepares_and_the_others_take(redis_settings, trips, monkeypatch):
    monkeypatch.setattr(redis_cache, "_CHUNK_BYTES", 1 << 14)
    with client_of(redis_settings) as client:
        before = names(client)
        warned = []
        first, second = (load(redis_settings, trips, warned) for _ in range(2))
        assert (first.provenance.from_cache, second.provenance.from_cache) == (False, True)
        assert first.fingerprint == second.fingerprint
        mine = names(client) - before
        assert len(mine) > 3
        for name in mine:
            assert 0 < client.ttl(name) <= redis_settings.points_cache_ttl_seconds
            assert client.ttl(name) > redis_cache._UNFINISHED_SECONDS
    assert warned == []


def test_an_entry_of_which_a_piece_is_gone_is_made_again(redis_settings, trips, monkeypatch):
    monkeypatch.setattr(redis_cache, "_CHUNK_BYTES", 1 << 14)
    warned = []
    with client_of(redis_settings) as client:
        before = names(client)
        load(redis_settings, trips, warned)
        client.delete(max(names(client) - before, key=len))
        assert not load(redis_settings, trips, warned).provenance.from_cache
        assert load(redis_settings, trips, warned).provenance.from_cache
        chunks = len(names(client) - before)
        (entry,) = [name for name in names(client) - before if name.count(":") == 2]
        client.set(entry, b'{"token": "../../etc", "chunks": 1}')
        assert not load(redis_settings, trips, warned).provenance.from_cache
        assert len(names(client) - before) <= 2 * chunks
    assert warned == []


def test_of_workers_that_store_at_once_one_is_heard(redis_settings, trips):
    with client_of(redis_settings) as client:
        before = names(client)
        warned = []
        workers = [threading.Thread(target=load, args=(redis_settings, trips, warned)) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert warned == []
        assert load(redis_settings, trips, warned).provenance.from_cache
        assert len(names(client) - before) == 2


def test_an_entry_has_a_bound(redis_settings, trips):
    narrow = redis_settings.model_copy(update={"points_cache_max_bytes": 10_000})
    with client_of(redis_settings) as client:
        before = names(client)
        warned = []
        load(narrow, trips, warned)
        assert names(client) == before
    assert warned == []


def test_a_redis_that_never_answers_is_asked_once(redis_settings, trips, silent_port):
    warned = []
    begun = time.monotonic()
    points = load(pointed(redis_settings, f"redis://:s3cret@127.0.0.1:{silent_port}"), trips, warned)
    assert len(points)
    assert time.monotonic() - begun < 30
    (line,) = warned
    assert "no answer for 0.5 s (TAXI_SERVICE_TIMEOUT_SECONDS)" in line
    assert "s3cret" not in line


def test_a_wrong_password_is_reported_without_showing_it(redis_settings, trips):
    port = redis_settings.redis_url.get_secret_value().rpartition(":")[2]
    warned = []
    load(pointed(redis_settings, f"redis://:s3cret@127.0.0.1:{port}"), trips, warned)
    (line,) = warned
    assert "s3cret" not in line
    assert "the run goes on without it" in line


def test_a_full_redis_and_one_that_is_gone_cost_the_cache_alone(own_services, trips, monkeypatch):
    monkeypatch.setattr(redis_cache, "_CHUNK_BYTES", 1 << 14)
    services = own_services("redis")
    settings = services.settings
    warned = []
    with client_of(settings) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 50_000)
        assert not load(settings, trips, warned).provenance.from_cache
        (line,) = warned
        assert "Redis is full (its maxmemory)" in line
        assert names(client) == set()
        client.config_set("maxmemory", 0)
        load(settings, trips, warned)
        assert load(settings, trips, warned).provenance.from_cache
        assert len(warned) == 1
    services.kill("redis")
    assert not load(settings, trips, warned).provenance.from_cache
    (_, line) = warned
    assert "Connection refused" in line
    assert "\n" not in line
    services.up("redis")
    load(services.settings, trips, warned)
    assert load(services.settings, trips, warned).provenance.from_cache
    assert len(warned) == 2
