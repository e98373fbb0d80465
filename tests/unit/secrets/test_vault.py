"""Vault's protocol, against answers as the server gives them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from taxi_mlops.errors import SecretError, SecretsUnavailableError
from taxi_mlops.secrets import vault
from taxi_mlops.secrets.vault import VaultAccess, VaultSession

SECRET = "correct-horse-battery"
PATH = "secret/data/taxi"


class Server:
    """Answers as Vault does. `tokens` are those that it accepts, with the seconds that each lives."""

    def __init__(self) -> None:
        self.tokens: dict[str, int] = {"given": 0}
        self.answers: dict[str, tuple[int, Any]] = {
            PATH: (200, {"lease_duration": 0, "data": {"data": {"password": SECRET}, "metadata": {"version": 1}}})
        }
        self.logins = 0
        self.renewals = 0
        self.renewable = True
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path.removeprefix("/v1/")
        token = request.headers.get("X-Vault-Token")
        if path in self.answers and self.answers[path][0] == 503:
            return httpx.Response(*self.answers[path][:1], json=self.answers[path][1])
        if path.endswith("/login"):
            return self._login(path, json.loads(request.content))
        if token not in self.tokens:
            return httpx.Response(403, json={"errors": ["permission denied"]})
        if path == "auth/token/lookup-self":
            return httpx.Response(200, json={"data": {"ttl": self.tokens[token], "renewable": self.renewable}})
        if path == "auth/token/renew-self":
            self.renewals += 1
            return self._gives(token, self.tokens[token])
        status, body = self.answers.get(path, (404, {"errors": []}))
        return httpx.Response(status, json=body)

    def _login(self, path: str, given: dict[str, str]) -> httpx.Response:
        right = {
            "auth/approle/login": {"role_id": "role", "secret_id": "secret-id"},
            "auth/cluster/login": {"role": "role", "jwt": "service-account"},
        }
        if given != right.get(path):
            return httpx.Response(400, json={"errors": [f"invalid role or secret ID {given}"]})
        self.logins += 1
        self.tokens[f"login-{self.logins}"] = 60
        return self._gives(f"login-{self.logins}", 60)

    def _gives(self, token: str, seconds: int) -> httpx.Response:
        auth = {"client_token": token, "lease_duration": seconds, "renewable": self.renewable}
        return httpx.Response(200, json={"auth": auth})


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def session(server: Server) -> Callable[..., VaultSession]:
    """`session(method="approle")` is a session at the server."""

    def make(**options: Any) -> VaultSession:
        access = VaultAccess(**{"url": "http://vault:8200/", "token": SecretStr("given"), **options})
        return VaultSession(access, httpx.MockTransport(server))

    return make


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(vault.time, "monotonic", lambda: now[0])
    return now


def approle(session: Callable[..., VaultSession]) -> VaultSession:
    return session(method="approle", role="role", secret_id=SecretStr("secret-id"))


def test_a_key_of_version_2_of_the_engine(server: Server, session: Callable[..., VaultSession]) -> None:
    assert session(namespace="team").read(PATH, "password") == (SECRET, float("inf"))
    last = server.requests[-1]
    assert last.headers["X-Vault-Token"] == "given"
    assert last.headers["X-Vault-Namespace"] == "team"
    assert str(last.url) == f"http://vault:8200/v1/{PATH}"


def test_a_leased_secret_is_used_for_two_thirds_of_its_lease(
    server: Server, session: Callable[..., VaultSession]
) -> None:
    server.answers["database/creds/taxi"] = (200, {"lease_duration": 3600, "data": {"password": SECRET}})
    assert session().read("database/creds/taxi", "password") == (SECRET, 2400.0)


def test_an_approle_logs_in_and_renews_its_token(
    server: Server, session: Callable[..., VaultSession], clock: list[float]
) -> None:
    ours = approle(session)
    ours.read(PATH, "password")
    clock[0] = 39.0
    ours.read(PATH, "password")
    assert (server.logins, server.renewals) == (1, 0)
    clock[0] = 40.0
    ours.read(PATH, "password")
    assert (server.logins, server.renewals) == (1, 1)


def test_a_token_that_cannot_be_renewed_or_ended_is_replaced(
    server: Server, session: Callable[..., VaultSession], clock: list[float]
) -> None:
    server.renewable = False
    ours = approle(session)
    ours.read(PATH, "password")
    clock[0] = 40.0
    ours.read(PATH, "password")
    assert (server.logins, server.renewals) == (2, 0)
    server.tokens.clear()
    assert ours.read(PATH, "password")[0] == SECRET
    assert server.logins == 3


def test_kubernetes_logs_in_with_the_service_account(
    server: Server, session: Callable[..., VaultSession], tmp_path: Path
) -> None:
    account = tmp_path / "token"
    ours = session(method="kubernetes", mount="cluster", role="role", service_account=account)
    with pytest.raises(SecretError, match=f"the token of the service account, {account}, cannot be read"):
        ours.read(PATH, "password")
    account.write_text("service-account\n", encoding="utf-8")
    assert ours.read(PATH, "password")[0] == SECRET


def test_the_token_is_that_of_the_environment_or_of_the_file(
    server: Server, session: Callable[..., VaultSession], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SecretError, match="there is no token for Vault; set TAXI_VAULT_TOKEN"):
        session(token=None).read(PATH, "password")
    (tmp_path / ".vault-token").write_text("of-the-file", encoding="utf-8")
    server.tokens = {"of-the-file": 0, "of-the-environment": 0}
    assert session(token=None).read(PATH, "password")[0] == SECRET
    monkeypatch.setenv("VAULT_TOKEN", "of-the-environment")
    session(token=None).read(PATH, "password")
    assert server.requests[-1].headers["X-Vault-Token"] == "of-the-environment"


DELETED = {"data": {"data": None, "metadata": {"deletion_time": "2026-01-01T00:00:00Z", "destroyed": False}}}


def with_value(value: object) -> dict[str, Any]:
    return {"data": {"data": {"password": value}, "metadata": {}}}


def without(key: str) -> dict[str, Any]:
    return {"data": {"data": {f"not-{key}": SECRET}, "metadata": {}}}


AT = "Vault at http://vault:8200"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (403, {"errors": [SECRET]}, f"permission denied; the token of {AT} needs a policy that reads {PATH}"),
        (404, {"errors": []}, f"{AT} has no secret at {PATH}; with version 2 of the engine it is secret/data/…"),
        (
            404,
            DELETED,
            f"the secret's latest version was deleted; restore it, or write it again: vault kv put … ({PATH})",
        ),
        (200, without("password"), f"the secret at {PATH} has no key 'password'"),
        (200, [SECRET], f"the secret at {PATH} has no key 'password'"),
        (200, with_value({"a": SECRET}), f"the value of key 'password' at {PATH} is not text, or empty"),
        (200, with_value(""), f"the value of key 'password' at {PATH} is not text, or empty"),
        (503, {"errors": ["Vault is sealed"]}, f"{AT} is sealed; unseal it with: vault operator unseal"),
        (429, {}, f"{AT} has had too many requests"),
        (307, {}, f"{AT} answers 307"),
        (200, {"data": "x" * 2_000_000}, f"{AT} does not answer (ValueError)"),
    ],
)
def test_each_failure_is_one_line_without_a_secret(
    status: int, body: Any, reason: str, server: Server, session: Callable[..., VaultSession]
) -> None:
    server.answers[PATH] = (status, body)
    with pytest.raises(SecretError) as raised:
        session().read(PATH, "password")
    assert str(raised.value) == reason
    assert isinstance(raised.value, SecretsUnavailableError) == (status in (503, 429) or "ValueError" in reason)


def test_a_token_that_has_expired(server: Server, session: Callable[..., VaultSession]) -> None:
    server.tokens.clear()
    with pytest.raises(SecretError, match="the token of Vault at http://vault:8200 has expired or was revoked"):
        session().read(PATH, "password")


def test_a_login_that_is_refused_does_not_repeat_what_was_sent(session: Callable[..., VaultSession]) -> None:
    with pytest.raises(SecretError) as raised:
        session(method="approle", role="role", secret_id=SecretStr("wrong-one")).read(PATH, "password")
    assert str(raised.value) == (
        "Vault at http://vault:8200 refuses the login by approle (400); check TAXI_VAULT_ROLE and TAXI_VAULT_SECRET_ID"
    )


def test_no_server_and_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    with pytest.raises(SecretError, match="the address of Vault is not known; set TAXI_VAULT_URL"):
        vault.read(VaultAccess(token=SecretStr("given")), PATH, "password")
    monkeypatch.setenv("VAULT_ADDR", "http://user:hunter2@127.0.0.1:1")
    with pytest.raises(SecretsUnavailableError) as raised:
        vault.read(VaultAccess(token=SecretStr("given")), PATH, "password")
    assert str(raised.value) == "Vault at http://127.0.0.1:1 does not answer (ConnectError)"
