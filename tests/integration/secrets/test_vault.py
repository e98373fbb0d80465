"""Secrets in a real Vault or OpenBao server, where its program is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from taxi_mlops.errors import SecretError, SecretsUnavailableError
from taxi_mlops.secrets import references
from taxi_mlops.settings import Settings
from taxi_mlops.stack.folder import _free_port

SECRET = "correct-horse-battery"
ROOT = "root-token-of-the-tests"
POLICY = 'path "secret/data/taxi" { capabilities = ["read"] }'


class Vault:
    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=f"{url}/v1", headers={"X-Vault-Token": ROOT}, trust_env=False, timeout=60)

    def ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        answer = self._client.request(method, path, json=content or None)
        answer.raise_for_status()
        return dict(answer.json()) if answer.content else {}

    def answers(self) -> bool:
        try:
            return self._client.get("/sys/health").status_code == 200
        except httpx.HTTPError:
            return False

    def settings(self, reference: str, **options: Any) -> Settings:
        return Settings(vault_url=self.url, mlflow_password=SecretStr(reference), secrets_cache_seconds=0, **options)

    def token(self, **options: Any) -> SecretStr:
        created = self.ask("POST", "/auth/token/create", policies=["taxi"], **options)
        return SecretStr(created["auth"]["client_token"])


def value_of(settings: Settings) -> str:
    assert settings.mlflow_password is not None
    return settings.mlflow_password.get_secret_value()


@contextmanager
def running(program: str, folder: Path, wait_until: Callable[..., Any]) -> Iterator[Vault]:
    port = _free_port(set())
    command = [program, "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={ROOT}"]
    with (folder / "vault.log").open("w") as log:
        process = subprocess.Popen(
            [*command, f"-dev-listen-address=127.0.0.1:{port}"],
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "VAULT_DISABLE_MLOCK": "true"},
            stdout=log,
            stderr=log,
        )
    try:
        server = Vault(f"http://127.0.0.1:{port}")
        wait_until(server.answers, "Vault answers", within_seconds=120)
        yield server
    finally:
        process.kill()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, wait_until: Callable[..., Any]) -> Iterator[Vault]:
    program = shutil.which("vault") or shutil.which("bao")
    if program is None:
        pytest.skip("neither vault nor bao is installed (https://openbao.org)")
    with running(program, tmp_path_factory.mktemp("vault"), wait_until) as server:
        server.ask("POST", "/secret/data/taxi", data={"password": SECRET})
        server.ask("PUT", "/sys/policies/acl/taxi", policy=POLICY)
        server.ask("POST", "/sys/auth/approle", type="approle")
        server.ask("POST", "/auth/approle/role/taxi", token_policies=["taxi"], token_ttl="10m")
        yield server


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    references.forget()
    for name in ("VAULT_ADDR", "VAULT_TOKEN", "VAULT_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)


def test_a_token_reads_a_secret_and_what_it_becomes(server: Vault) -> None:
    settings = server.settings("vault:secret/data/taxi#password", vault_token=server.token())
    assert value_of(settings) == SECRET
    server.ask("POST", "/secret/data/taxi", data={"password": "rotated"})
    assert value_of(settings) == "rotated"
    server.ask("POST", "/secret/data/taxi", data={"password": SECRET})


def test_an_approle_logs_in_and_again_after_its_token_was_revoked(server: Vault) -> None:
    role = server.ask("GET", "/auth/approle/role/taxi/role-id")["data"]["role_id"]
    secret_id = server.ask("POST", "/auth/approle/role/taxi/secret-id")["data"]["secret_id"]
    settings = server.settings(
        "vault:secret/data/taxi#password", vault_auth="approle", vault_role=role, vault_secret_id=SecretStr(secret_id)
    )
    assert value_of(settings) == SECRET
    for accessor in server.ask("LIST", "/auth/token/accessors")["data"]["keys"]:
        if server.ask("POST", "/auth/token/lookup-accessor", accessor=accessor)["data"]["path"] == "auth/approle/login":
            server.ask("POST", "/auth/token/revoke-accessor", accessor=accessor)
    assert value_of(settings) == SECRET


def test_permission_denied_expired_and_gone(server: Vault) -> None:
    server.ask("POST", "/secret/data/other", data={"password": SECRET})
    server.ask("POST", "/secret/data/gone", data={"password": SECRET})
    server.ask("DELETE", "/secret/data/gone")
    token, root = server.token(), SecretStr(ROOT)
    expired = server.token()
    server.ask("POST", "/auth/token/revoke", token=expired.get_secret_value())
    for reference, given, reason in (
        ("vault:secret/data/other#password", token, "permission denied; the token of Vault at .* needs a policy"),
        ("vault:secret/data/taxi#password", expired, "the token of Vault at .* has expired or was revoked"),
        ("vault:secret/data/gone#password", root, "the secret's latest version was deleted"),
        ("vault:secret/data/never#password", root, "has no secret at secret/data/never"),
        ("vault:secret/taxi#password", root, "is secret/data/…|answers 40"),
        ("vault:secret/data/taxi#user", root, "has no key 'user'"),
    ):
        with pytest.raises(SecretError, match=rf"^TAXI_MLFLOW_PASSWORD \({reference}\): .*{reason}") as raised:
            value_of(server.settings(reference, vault_token=given))
        assert SECRET not in str(raised.value)
        assert given.get_secret_value() not in str(raised.value)


def test_a_sealed_server_lets_a_value_be_used_that_was_fetched(server: Vault) -> None:
    settings = server.settings("vault:secret/data/taxi#password", vault_token=server.token())
    assert value_of(settings) == SECRET
    server.ask("PUT", "/sys/seal")  # the last test: nothing unseals it
    assert value_of(settings) == SECRET
    references.forget()
    with pytest.raises(SecretsUnavailableError, match="is sealed; unseal it with: vault operator unseal"):
        value_of(settings)
