"""`taxi doctor` against services that answer, and against every way in which they do not."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from taxi_mlops.health.connections import try_connections
from taxi_mlops.health.diagnosis import Health, diagnose
from taxi_mlops.settings import Settings

SECRET = "s3cr3tw0rd"


@pytest.fixture
def settings(start_services) -> Settings:
    return start_services("postgresql", "redis", "object-store").settings


@pytest.fixture
def nobody() -> Iterator[str]:
    """host:port where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """host:port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def everything_at(place: str, **more: object) -> Settings:
    """Settings that have every service at one place."""
    pytest.importorskip("psycopg")
    pytest.importorskip("redis")
    pytest.importorskip("boto3")
    return Settings(
        experiments_url=SecretStr(f"postgresql://lab:{SECRET}@{place}/taxi"),
        object_store_url=f"http://{place}",
        object_store_access_key="lab",
        object_store_secret_key=SecretStr(SECRET),
        redis_url=SecretStr(f"redis://:{SECRET}@{place}/0"),
        mlflow_uri=SecretStr(f"http://{place}"),
        mlflow_username="lab",
        mlflow_password=SecretStr(SECRET),
        prefect_api_url=f"http://{place}/api",
        prefect_api_auth=SecretStr(f"lab:{SECRET}"),
        pushgateway_url=f"http://{place}",
        otlp_endpoint=f"http://{place}",
        otlp_logs_endpoint=f"http://{place}/otlp",
        **more,
    )


def failures_of(settings: Settings) -> dict[str, tuple[str, str]]:
    """What failed and the advice, by connection."""
    return {answer.connection.name: (answer.failure, answer.advice) for answer in try_connections(settings)}


def test_services_that_answer_are_fine(settings):
    answers = try_connections(settings)
    # Others that the session's stack has by then are asked as well.
    assert {answer.connection.name for answer in answers} >= {"experiment store", "object store", "Redis"}
    assert [answer for answer in answers if answer.failure or not answer.said] == []
    found = [finding for finding in diagnose(settings) if finding.name.startswith("connection")]
    assert [finding.health for finding in found] == [Health.OK] * len(answers)


def test_embedded_services_are_not_asked(tmp_path):
    assert try_connections(Settings(runs_dir=tmp_path)) == ()


def test_nobody_there(nobody):
    answers = failures_of(everything_at(nobody))
    assert len(answers) == 8
    for name, (failure, advice) in answers.items():
        assert nobody.split(":")[1] in failure, name
        assert "Start it" in advice, name
        assert SECRET not in failure, name
        assert "\n" not in failure, name


def test_nothing_is_said(silent):
    answers = failures_of(everything_at(silent, service_timeout_seconds=2))
    assert len(answers) == 8
    for name, (failure, advice) in answers.items():
        assert "TAXI_SERVICE_TIMEOUT_SECONDS" in advice, (name, failure)
        assert SECRET not in failure, name


@pytest.mark.parametrize(
    ("change", "name", "variable"),
    [
        (lambda settings: {"redis_url": _with_password(settings.redis_url)}, "Redis", "TAXI_REDIS_URL"),
        (
            lambda settings: {"experiments_url": _with_password(settings.experiments_url)},
            "experiment store",
            "TAXI_EXPERIMENTS_URL",
        ),
        (
            lambda _: {"object_store_secret_key": SecretStr(SECRET)},
            "object store",
            "TAXI_OBJECT_STORE_ACCESS_KEY and TAXI_OBJECT_STORE_SECRET_KEY",
        ),
    ],
)
def test_a_wrong_password(settings, change, name, variable):
    failure, advice = failures_of(settings.model_copy(update=change(settings)))[name]
    assert advice == f"Correct the user and the password in {variable}."
    assert SECRET not in failure


def test_a_host_that_is_unknown():
    answers = failures_of(everything_at("nosuch.invalid:5", service_timeout_seconds=2))
    # Where names are resolved by a proxy, it answers in the host's stead.
    for name in ("experiment store", "Redis"):
        assert "Correct the host's name" in answers[name][1], answers[name]


def _with_password(url: SecretStr) -> SecretStr:
    scheme, _, rest = url.get_secret_value().partition("://")
    user = rest.partition(":")[0]
    return SecretStr(f"{scheme}://{user}:{SECRET}@{rest.rpartition('@')[2]}")
