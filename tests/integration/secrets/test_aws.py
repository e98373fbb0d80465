"""Secrets in AWS Secrets Manager, against moto's server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taxi_mlops.errors import SecretError, SecretsUnavailableError
from taxi_mlops.secrets.aws import from_secrets_manager

SECRET = "correct-horse-battery"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    for library in ("boto3", "moto", "flask", "flask_cors"):
        pytest.importorskip(library, reason=f"{library} is not installed")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def client(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    import boto3

    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return boto3.client("secretsmanager")


def test_a_secret_or_a_key_of_it_by_name_or_arn(client: Any) -> None:
    arn = client.create_secret(Name="taxi/one", SecretString=json.dumps({"password": SECRET, "port": 1}))["ARN"]
    client.create_secret(Name="taxi/two", SecretString=SECRET)
    assert from_secrets_manager("taxi/one", "password") == SECRET
    assert from_secrets_manager(arn, "password") == SECRET
    assert from_secrets_manager("taxi/two", None) == SECRET
    for name, key, reason in (
        ("taxi/one", "user", "the secret has no key 'user'"),
        ("taxi/one", "port", "the value of key 'port' is not text, or empty"),
        ("taxi/two", "user", "the secret has no keys, since it is no JSON object; leave out what follows #"),
        ("taxi/three", "user", "there is no such secret in this account and region"),
    ):
        with pytest.raises(SecretError) as raised:
            from_secrets_manager(name, key)
        assert str(raised.value) == reason


def test_a_secret_that_is_binary_or_marked_for_deletion(client: Any) -> None:
    client.create_secret(Name="taxi/binary", SecretBinary=b"\x00")
    with pytest.raises(SecretError, match="the secret is binary or empty, not text"):
        from_secrets_manager("taxi/binary", None)
    client.create_secret(Name="taxi/deleted", SecretString=SECRET)
    client.delete_secret(SecretId="taxi/deleted")
    with pytest.raises(SecretError, match="the secret is marked for deletion; restore it, or name another"):
        from_secrets_manager("taxi/deleted", None)


def test_no_server_no_credentials_no_region(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")
    with pytest.raises(SecretsUnavailableError, match=r"AWS Secrets Manager does not answer \(EndpointConnectionError"):
        from_secrets_manager("taxi/one", None)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SecretError, match="there are no AWS credentials"):
        from_secrets_manager("taxi/one", None)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(SecretError, match="there is no AWS region; set AWS_DEFAULT_REGION"):
        from_secrets_manager("taxi/one", None)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("AccessDeniedException", "permission denied; the credentials need secretsmanager:GetSecretValue for it"),
        ("ExpiredTokenException", "the credentials have expired; sign in again"),
        ("UnrecognizedClientException", "the credentials are not valid"),
        ("ThrottledForEver", "AWS Secrets Manager refuses (ThrottledForEver)"),
    ],
)
def test_what_the_server_refuses_is_one_line(
    code: str, reason: str, refusing: Callable[[str], None], client: Any
) -> None:
    refusing(code)
    with pytest.raises(SecretError) as raised:
        from_secrets_manager("taxi/one", None)
    assert str(raised.value) == reason


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch, client: Any) -> Iterator[Callable[[str], None]]:
    """`refusing(code)` is a server that answers with this error, and with a secret in its message."""
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    codes: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"__type": codes[-1], "message": f"for {SECRET}"}).encode()
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{http.server_port}")
    yield codes.append
    http.shutdown()
    thread.join()
    http.server_close()


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(SecretError, match=r"boto3 is not installed; install it with: pip install 'taxi-mlops\[s3\]'"):
        from_secrets_manager("taxi/one", None)
