"""Which addresses `TAXI_REQUIRE_TLS` refuses."""

from __future__ import annotations

import httpx
import pytest
from pydantic import SecretStr

from taxi_mlops.clustering import Cluster
from taxi_mlops.data.download import fetch
from taxi_mlops.errors import UsageError
from taxi_mlops.pipeline.workers import open_workers
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.settings import NO_ADDRESSES, Settings, check_encrypted, load_settings
from taxi_mlops.transport import VARIABLES, UnencryptedError, require_encrypted


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("address", "instead"),
    [
        ("http://mlflow.example:5000", "https://"),
        ("HTTP://mlflow.example", "https://"),
        ("http://10.0.0.7/", "https://"),
        ("http://localhost@mlflow.example/", "https://"),
        ("http://localhost.example/", "https://"),
        ("http://[2001:db8::1]:80/", "https://"),
        ("http://0.0.0.0:80", "https://"),
        ("http://[broken", "https://"),
        ("redis://:password@cache.example:6379/0", "rediss://"),
        ("rediss://cache.example:6379/0?ssl_cert_reqs=none", "it without ssl_cert_reqs"),
        ("postgresql://taxi:password@db.example/taxi", "it with sslmode=verify-full"),
        ("postgresql://taxi:password@db.example/taxi?sslmode=require", "it with sslmode=verify-full"),
        ("postgres://db.example/taxi?sslmode=verify-full&sslmode=disable", "it with sslmode=verify-full"),
        ("postgresql+psycopg://localhost:a/b@db.example/taxi", "it with sslmode=verify-full"),
        ("postgresql://127.0.0.1,db.example:5433/taxi", "it with sslmode=verify-full"),
        ("postgresql:///taxi?host=db.example", "it with sslmode=verify-full"),
        ("postgresql:///taxi?host=/run/postgresql&hostaddr=10.0.0.7", "it with sslmode=verify-full"),
        ("dask://scheduler.example:8786", "tls://"),
        ("ray://head.example:10001", "it with RAY_USE_TLS=1"),
        ("mysql+pymysql://db.example/mlflow", "an address that begins with https://"),
        ("ftp://files.example/trips.csv", "an address that begins with https://"),
    ],
)
def test_plain_connections_to_other_machines_are_refused(address, instead, monkeypatch):
    monkeypatch.delenv("RAY_USE_TLS", raising=False)
    with pytest.raises(UnencryptedError) as raised:
        require_encrypted(address, "TAXI_ADDRESS")
    said = str(raised.value)
    assert said.startswith("TAXI_ADDRESS is ")
    assert "TAXI_REQUIRE_TLS" in said
    assert f"; write {instead}" in said
    assert "password" not in said


@pytest.mark.parametrize(
    "address",
    [
        "off",
        "runs/mlflow",
        "",
        "synthetic:rows=100",
        "https://mlflow.example",
        "http://127.0.0.1:5000",
        "http://127.8.9.10:5000",
        "http://localhost:5000/path",
        "http://[::1]:5000/",
        "rediss://:password@cache.example:6379/0",
        "redis://localhost:6379/0",
        "unix:///run/redis.sock",
        "postgresql://taxi:password@db.example/taxi?sslmode=verify-full",
        "postgresql://taxi:password@db.example/taxi?sslmode=verify-ca",
        "postgresql://taxi:pass@127.0.0.1:5432/taxi",
        "postgresql://[::1]:5432/taxi",
        "postgresql://localhost:5432,127.0.0.1:5433/taxi",
        "postgresql:///taxi",
        "postgresql:///taxi?host=/run/postgresql",
        "sqlite:////home/lab/experiments.db",
        "s3://trips/2016-06.parquet",
        "delta:s3://trips/table@3",
        "tls://scheduler.example:8786",
        "dask://127.0.0.1:8786",
        "ray://localhost:10001",
        "file:///srv/mlruns",
    ],
)
def test_encrypted_and_local_ones_are_not(address):
    require_encrypted(address, "TAXI_ADDRESS")


def test_ray_with_certificates(monkeypatch):
    monkeypatch.setenv("RAY_USE_TLS", "1")
    require_encrypted("ray://head.example:10001", "--on")


def plain_values(field) -> tuple[object, ...]:
    """Plain addresses of the kinds that a setting takes; none if it takes no text."""
    kind = str(field.annotation)
    if "HttpUrl" in kind:
        return ("http://other.example/",)
    if "SecretStr" in kind:
        return ("http://other.example", "redis://other.example", "postgresql://other.example/taxi")
    return ("http://other.example/trips",) if "str" in kind and "Literal" not in kind else ()


def test_no_setting_is_forgotten(monkeypatch):
    """Every setting that holds text is refused with a plain address, but for those that are no addresses."""
    settings, checked = Settings(), set()
    for name, field in Settings.model_fields.items():
        for value in plain_values(field):
            given = SecretStr(value) if "SecretStr" in str(field.annotation) else value
            changed = settings.model_copy(update={name: given})
            if name in NO_ADDRESSES:
                check_encrypted(changed)
                continue
            with pytest.raises(UnencryptedError, match=f"^TAXI_{name.upper()} is "):
                check_encrypted(changed)
            checked.add(name)
    assert checked >= {name for name, field in Settings.model_fields.items() if "HttpUrl" in str(field.annotation)}
    assert {"experiments_url", "redis_url", "mlflow_uri", "features_trips", "monthly_trips", "trips_table"} <= checked
    assert all("SecretStr" in str(Settings.model_fields[name].annotation) for name in NO_ADDRESSES)
    assert not any(name.endswith(("url", "uri", "endpoint")) for name in NO_ADDRESSES)


def test_settings_are_refused_only_if_that_is_asked_for(monkeypatch):
    monkeypatch.setenv("TAXI_REDIS_URL", "redis://:password@cache.example:6379/0")
    assert load_settings().require_tls is False
    monkeypatch.setenv("TAXI_REQUIRE_TLS", "true")
    with pytest.raises(UsageError) as raised:
        load_settings()
    assert str(raised.value) == (
        "TAXI_REDIS_URL is redis://…, without TLS, which TAXI_REQUIRE_TLS refuses; write rediss://"
    )
    monkeypatch.setenv("TAXI_REDIS_URL", "rediss://:password@cache.example:6379/0")
    assert load_settings().require_tls is True


@pytest.mark.parametrize("name", VARIABLES)
def test_variables_of_other_libraries_are_refused(name, monkeypatch):
    monkeypatch.setenv("TAXI_REQUIRE_TLS", "true")
    monkeypatch.setenv(name, "http://other.example:4200/api")
    with pytest.raises(UnencryptedError, match=rf"^{name} is http://"):
        load_settings()


@pytest.mark.parametrize("text", ["env:ADDRESS", "redis://:${env:PASSWORD}@cache.example:6379/0"])
def test_a_reference_is_refused_when_it_is_fetched(text, monkeypatch):
    monkeypatch.setenv("ADDRESS", "redis://:swordfish@cache.example:6379/0")
    monkeypatch.setenv("PASSWORD", "swordfish")
    monkeypatch.setenv("TAXI_REDIS_URL", text)
    monkeypatch.setenv("TAXI_REQUIRE_TLS", "true")
    url = ServiceUrl(load_settings().redis_url)
    with pytest.raises(UnencryptedError, match=r"^TAXI_REDIS_URL is redis://…") as raised:
        url.reveal()
    assert "swordfish" not in str(raised.value)
    monkeypatch.setenv("TAXI_REQUIRE_TLS", "false")
    assert ServiceUrl(load_settings().redis_url).reveal().startswith("redis://:swordfish@")


def test_a_download_is_refused_before_it_connects(tmp_path, monkeypatch):
    def connect(*_given, **_named):
        raise AssertionError("it connects")

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", connect)
    settings = Settings(require_tls=True, cache_dir=tmp_path)
    with pytest.raises(UnencryptedError, match=r"^the address of the trips is http://"):
        fetch("http://files.example/trips.csv", settings)


def test_a_cluster_is_refused_before_it_connects():
    document = Cluster().with_parameters({"on": "dask://scheduler.example:8786"})
    with (
        pytest.raises(UnencryptedError, match=r"^--on is dask://…, without TLS"),
        open_workers(document, 1 << 34, True),
    ):
        pass
