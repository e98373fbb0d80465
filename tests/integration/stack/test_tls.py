"""PostgreSQL, Redis and the object store over TLS, with certificates of a local authority."""

from __future__ import annotations

import os
import socket
import subprocess
import time

import pytest
from pydantic import SecretStr

from taxi_mlops.health.connections import try_connections
from taxi_mlops.recording.store import StoreRecorder
from taxi_mlops.service_urls import experiments_url
from taxi_mlops.settings import Settings
from taxi_mlops.stack.administration import make_buckets, object_store_client
from taxi_mlops.stack.programs import find_program
from taxi_mlops.testing.sample_runs import make_run

KEY = "administrators-key"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A folder with the authority's certificate, that of a stranger, and a server's."""
    trustme = pytest.importorskip("trustme")
    folder = tmp_path_factory.mktemp("certificates")
    ours, stranger = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(folder / "ca.pem")
    stranger.cert_pem.write_to_path(folder / "stranger.pem")
    server = ours.issue_cert("127.0.0.1", "localhost")
    server.private_key_pem.write_to_path(folder / "private.key")
    server.cert_chain_pems[0].write_to_path(folder / "public.crt")
    return folder


def settings_with(authority, ca="ca.pem", **given):
    return Settings(ca_file=authority / ca, service_timeout_seconds=5, mlflow_uri=SecretStr("off"), **given)


def failure(settings):
    (answer,) = try_connections(settings)
    return answer.failure, answer.advice


@pytest.fixture
def database(own_services, authority):
    """An address that asks for TLS, of a server that has it."""
    import psycopg

    services = own_services("postgresql")
    folder, url = services.stack.folder, services.administrator()
    with psycopg.connect(url, autocommit=True) as connection:
        # Files that the server may read, whoever it runs as, and that it keeps for itself.
        for name, setting in (("public.crt", "ssl_cert_file"), ("private.key", "ssl_key_file")):
            target = folder.data("postgresql") / "data" / name
            target.write_bytes((authority / name).read_bytes())
            target.chmod(0o600)
            owner = target.parent.stat()
            os.chown(target, owner.st_uid, owner.st_gid)
            connection.execute(f"ALTER SYSTEM SET {setting} = '{target}'")
        connection.execute("ALTER SYSTEM SET ssl = on")
        connection.execute("SELECT pg_reload_conf()")
    return SecretStr(f"{url}?sslmode=verify-full")


def test_postgresql(database, authority, tmp_path):
    settings = settings_with(authority, experiments_url=database)
    _await(lambda: failure(settings) == (None, None))
    StoreRecorder(experiments_url(settings)).record(make_run(tmp_path / "run"))
    said, advice = failure(settings_with(authority, "stranger.pem", experiments_url=database))
    assert "certificate verify failed" in said
    assert "TAXI_CA_FILE" in advice


def test_redis(own_services, authority):
    import redis

    folder = own_services("redis").stack.folder
    password = folder.secret("redis_password")
    plain = redis.Redis(port=folder.port("redis"), password=password)
    port = folder.port("redis", "tls")
    for name, value in {
        "tls-cert-file": authority / "public.crt",
        "tls-key-file": authority / "private.key",
        "tls-ca-cert-file": authority / "ca.pem",
        "tls-auth-clients": "no",
        "tls-port": port,
    }.items():
        plain.config_set(name, str(value))
    plain.close()
    url = SecretStr(f"rediss://:{password}@127.0.0.1:{port}/0")
    experiments = SecretStr("off")
    assert failure(settings_with(authority, redis_url=url, experiments_url=experiments)) == (None, None)
    said, advice = failure(settings_with(authority, "stranger.pem", redis_url=url, experiments_url=experiments))
    assert "CERTIFICATE_VERIFY_FAILED" in said
    assert "TAXI_CA_FILE" in advice


@pytest.fixture
def object_store(authority, tmp_path):
    """The address of a MinIO with TLS."""
    pytest.importorskip("boto3", reason="boto3 is in the extra s3")
    minio = find_program("minio")
    if minio is None:
        pytest.skip("MinIO is not installed: deploy/native/install.sh")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [minio, "server", "--quiet", "--address", place, "--certs-dir", str(authority), str(tmp_path / "data")]
    environment = {"MINIO_ROOT_USER": "administrator", "MINIO_ROOT_PASSWORD": KEY, "HOME": str(tmp_path)}
    with subprocess.Popen(command, env=environment | {"MINIO_BROWSER": "off", "MINIO_UPDATE": "off"}) as server:
        try:
            yield f"https://{place}"
        finally:
            server.terminate()


def test_object_store(object_store, authority, monkeypatch):
    monkeypatch.setenv("TAXI_CA_FILE", str(authority / "ca.pem"))
    client = object_store_client(object_store, KEY).client
    _await(lambda: client.list_buckets()["Buckets"] == [])
    make_buckets(object_store, KEY)
    given = {
        "object_store_url": object_store,
        "object_store_access_key": "administrator",
        "object_store_secret_key": SecretStr(KEY),
        "experiments_url": SecretStr("off"),
    }
    assert failure(settings_with(authority, **given)) == (None, None)
    said, advice = failure(settings_with(authority, "stranger.pem", **given))
    assert "certificate" in said
    assert "TAXI_CA_FILE" in advice


def _await(holds, seconds=20):
    """Ask until it holds; what it raises meanwhile is that the server is not there yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except Exception:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline
        time.sleep(0.1)
