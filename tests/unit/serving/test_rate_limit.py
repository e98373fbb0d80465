from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")

from taxi_mlops.serving import rate_limit
from taxi_mlops.serving.keys import ApiKeys, add_key
from taxi_mlops.serving.rate_limit import RateLimit, caller_at


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_holds_a_second_and_is_filled_steadily():
    clock = Clock()
    limit = RateLimit(4.0, clock)
    assert [limit.wait("one") for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 0.25]
    assert limit.wait("other") == 0.0
    clock.now += 0.125
    assert limit.wait("one") == 0.125  # asking too early costs nothing
    clock.now += 0.125
    assert [limit.wait("one") for _ in range(2)] == [0.0, 0.25]
    clock.now += 1000.0
    assert [limit.wait("one") for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 0.25]


def test_a_slow_rate_allows_one_request_at_once():
    clock = Clock()
    limit = RateLimit(0.5, clock)
    assert [limit.wait("one") for _ in range(2)] == [0.0, 2.0]


@given(st.floats(0.1, 100.0), st.lists(st.floats(0.0, 3.0), min_size=1, max_size=60))
def test_no_more_are_answered_than_the_rate_allows(rate, pauses):
    clock = Clock()
    limit, answered = RateLimit(rate, clock), 0
    for pause in pauses:
        clock.now += pause
        answered += limit.wait("one") == 0.0
    assert answered <= max(1.0, rate) + rate * sum(pauses) + 1e-6


def test_the_caller_that_asked_longest_ago_is_forgotten(monkeypatch):
    monkeypatch.setattr(rate_limit, "MAX_CALLERS", 2)
    limit = RateLimit(1.0, Clock())
    assert [limit.wait(caller) for caller in ("a", "b", "c")] == [0.0, 0.0, 0.0]
    assert limit.wait("c") == 1.0
    assert limit.wait("b") == 1.0
    assert limit.wait("a") == 0.0


def test_one_network_of_ipv6_is_one_caller():
    assert caller_at("192.0.2.7") == "192.0.2.7"
    assert caller_at("2001:db8:1:2::7") == caller_at("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert caller_at("fe80::1%eth0") == "fe80::/64"
    assert caller_at("unix:x") == "unix:x"


def test_too_many_requests_are_refused_but_for_health(application, client_of):
    client = client_of(application(limit=RateLimit(2.0, Clock())))
    assert [client.get("/v1/hotspots").status_code for _ in range(3)] == [200, 200, 429]
    refused = client.get("/v1/hotspots")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["detail"] == "Too many requests; send this again in 1 s."
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


def test_a_key_has_a_limit_of_its_own(application, client_of, tmp_path):
    tokens = [add_key(tmp_path / "keys", name) for name in ("lab", "office")]
    client = client_of(application(keys=ApiKeys.read(tmp_path / "keys"), limit=RateLimit(1.0, Clock())))
    headers = [{"Authorization": f"Bearer {token}"} for token in tokens]
    assert [client.get("/v1/hotspots", headers=one).status_code for one in headers] == [200, 200]
    assert [client.get("/v1/hotspots", headers=one).status_code for one in headers] == [429, 429]
    assert [client.get("/v1/hotspots").status_code for _ in range(2)] == [401, 429]  # guesses are few
