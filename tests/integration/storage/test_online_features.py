"""The online store in a real Redis: replaced whole, read bit for bit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from taxi_mlops.features.online import open_online

redis = pytest.importorskip("redis", reason="redis is in the extra redis")


@pytest.fixture(scope="session")
def redis_settings(start_services):
    return start_services("redis").settings


def keys(settings, model):
    with redis.Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=10) as client:
        return {name.decode(): client.ttl(name) for name in client.scan_iter(f"taxi:features:{model}*")}


def test_all_hotspots_are_replaced(redis_settings):
    online = open_online(redis_settings, "replaced")
    assert online.get(1) is None
    online.replace({number: f"first {number}" for number in range(2500)})
    assert [online.get(number) for number in (0, 2499, 2500)] == ["first 0", "first 2499", None]
    online.replace({1: "second ½"})
    assert [online.get(number) for number in (0, 1)] == [None, "second ½"]
    assert keys(redis_settings, "replaced") == {"taxi:features:replaced": -1}  # it stays, and nothing else does


def test_a_reader_sees_one_of_two_writes_and_no_mixture(redis_settings):
    online = open_online(redis_settings, "whole")
    online.replace(dict.fromkeys(range(200), "0"))
    stop = threading.Event()

    def read():
        reader, seen = open_online(redis_settings, "whole"), []
        while not stop.is_set():
            seen.append(tuple(int(reader.get(number)) for number in (0, 199)))
        return seen

    with ThreadPoolExecutor(2) as threads:
        readers = [threads.submit(read) for _ in range(2)]
        try:
            for number in range(1, 30):
                online.replace(dict.fromkeys(range(200), str(number)))
        finally:
            stop.set()
    for reader in readers:
        seen = reader.result(timeout=30)
        assert all(first <= last for first, last in seen)
        assert seen == sorted(seen)
