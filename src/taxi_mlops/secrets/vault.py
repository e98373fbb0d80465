"""Secrets in HashiCorp Vault or OpenBao, by its HTTP API: version 2 of the key-value engine, and engines with leases.

Source: https://developer.hashicorp.com/vault/api-docs (auth/token, auth/approle, auth/kubernetes, secret/kv/kv-v2).
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from taxi_mlops.errors import SecretError, SecretsUnavailableError

if TYPE_CHECKING:
    import httpx

Method = Literal["token", "approle", "kubernetes"]

_MAX_BYTES = 1024 * 1024
_USED_SHARE = 2 / 3
"""Part of its life after which a token is renewed and a leased secret is fetched again."""
_FOREVER = float("inf")
_OK, _BAD, _FORBIDDEN, _ABSENT, _LIMITED, _SEALED = 200, 400, 403, 404, 429, 503


@dataclass(frozen=True, slots=True)
class VaultAccess:
    """Where the server is and how to log in.

    role: the role's ID of AppRole, or the role of Kubernetes. mount: path of the login method, by default its name.
    """

    url: str | None = None
    namespace: str | None = None
    method: Method = "token"
    mount: str | None = None
    token: SecretStr | None = None
    role: str | None = None
    secret_id: SecretStr | None = None
    service_account: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
    ca_file: Path | None = None
    timeout_seconds: float = 10.0


def read(access: VaultAccess, path: str, key: str) -> tuple[str, float]:
    """Return the value of a key at a path, as secret/data/taxi, and for how many seconds it may be used.

    Raises SecretError, in one line with no secret in it; SecretsUnavailableError if waiting may help.
    """
    with _LOCK:
        if access not in _SESSIONS:
            _SESSIONS[access] = VaultSession(access)
        session = _SESSIONS[access]
    return session.read(path, key)


class VaultSession:
    """A session at a server. The token is kept in memory, renewed in time, and replaced by logging in again."""

    def __init__(self, access: VaultAccess, transport: httpx.BaseTransport | None = None) -> None:
        """transport: for tests."""
        self._access = access
        self._transport = transport
        self._lock = threading.Lock()
        self._token: str | None = None
        self._renew_at = _FOREVER
        self._renewable = False

    def read(self, path: str, key: str) -> tuple[str, float]:
        """As the function of this name."""
        with self._lock:
            self._ensure_token()
            status, body = self._request("GET", path)
            if status == _FORBIDDEN and self._token_ended():
                self._log_in()
                status, body = self._request("GET", path)
        if status == _FORBIDDEN:
            raise SecretError(f"permission denied; the token of {self._server} needs a policy that reads {path}")
        if status == _ABSENT:
            raise SecretError(self._why_absent(path, body))
        if status != _OK:
            raise SecretError(f"{self._server} answers {status}")
        return _value(path, key, body)

    @property
    def _server(self) -> str:
        parts = urlsplit(self._url)
        return f"Vault at {parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    @property
    def _url(self) -> str:
        url = self._access.url or os.environ.get("VAULT_ADDR")
        if not url:
            raise SecretError("the address of Vault is not known; set TAXI_VAULT_URL")
        return url.rstrip("/")

    def _ensure_token(self) -> None:
        ended = time.monotonic() >= self._renew_at
        if self._token is None or (ended and not (self._renewable and self._renewed())):
            self._log_in()

    def _log_in(self) -> None:
        self._token = None
        if self._access.method == "token":
            self._token = self._given_token()
            status, body = self._request("GET", "auth/token/lookup-self")
            if status == _FORBIDDEN:
                self._token = None
                raise SecretError(f"the token of {self._server} has expired or was revoked; get a new one")
            found = _object(body, "data") if status == _OK else {}
            self._note_life(found.get("ttl"), found.get("renewable"))
            return
        status, body = self._request("POST", f"auth/{self._mount}/login", self._credentials())
        if status != _OK:
            raise SecretError(
                f"{self._server} refuses the login by {self._access.method} ({status}); check TAXI_VAULT_ROLE"
                + (" and TAXI_VAULT_SECRET_ID" if self._access.method == "approle" else "")
            )
        self._take(_object(body, "auth"))

    @property
    def _mount(self) -> str:
        return (self._access.mount or self._access.method).strip("/")

    def _credentials(self) -> dict[str, str]:
        role, secret_id = self._access.role, self._access.secret_id
        if not role:
            raise SecretError(f"the login at Vault by {self._access.method} needs TAXI_VAULT_ROLE")
        if self._access.method == "approle":
            return {"role_id": role, **({"secret_id": secret_id.get_secret_value()} if secret_id else {})}
        try:
            return {"role": role, "jwt": self._access.service_account.read_text(encoding="utf-8").strip()}
        except (OSError, UnicodeDecodeError):
            raise SecretError(
                f"the token of the service account, {self._access.service_account}, cannot be read"
            ) from None

    def _given_token(self) -> str:
        if self._access.token is not None:
            return self._access.token.get_secret_value()
        if from_environment := os.environ.get("VAULT_TOKEN"):
            return from_environment
        try:
            found = (Path.home() / ".vault-token").read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            found = ""
        if not found:
            raise SecretError("there is no token for Vault; set TAXI_VAULT_TOKEN, or log in with: vault login")
        return found

    def _renewed(self) -> bool:
        status, body = self._request("POST", "auth/token/renew-self", {})
        if status != _OK:
            return False
        self._take(_object(body, "auth"))
        return True

    def _token_ended(self) -> bool:
        return self._request("GET", "auth/token/lookup-self")[0] == _FORBIDDEN

    def _take(self, auth: dict[str, Any]) -> None:
        token = auth.get("client_token")
        if not isinstance(token, str) or not token:
            raise SecretError(f"{self._server} gives no token; is it Vault?")
        self._token = token
        self._note_life(auth.get("lease_duration"), auth.get("renewable"))

    def _note_life(self, seconds: object, renewable: object) -> None:
        lives = isinstance(seconds, int | float) and seconds > 0  # 0: for ever
        self._renew_at = time.monotonic() + float(seconds) * _USED_SHARE if lives else _FOREVER  # type: ignore[arg-type]
        self._renewable = renewable is True

    def _why_absent(self, path: str, body: dict[str, Any]) -> str:
        metadata = _object(_object(body, "data"), "metadata")
        if metadata.get("destroyed") or metadata.get("deletion_time"):
            return f"the secret's latest version was deleted; restore it, or write it again: vault kv put … ({path})"
        engine = path.partition("/")[0]
        return f"{self._server} has no secret at {path}; with version 2 of the engine it is {engine}/data/…"

    def _request(self, method: str, path: str, content: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        """Return the status and the JSON object of an answer. Raises SecretsUnavailableError."""
        import ssl

        import httpx

        headers = {"X-Vault-Request": "true"}
        if self._token is not None:
            headers["X-Vault-Token"] = self._token
        if namespace := self._access.namespace or os.environ.get("VAULT_NAMESPACE"):
            headers["X-Vault-Namespace"] = namespace
        try:
            ca_file = self._access.ca_file or os.environ.get("VAULT_CACERT")
            trusted = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
            with (
                httpx.Client(verify=trusted, timeout=self._access.timeout_seconds, transport=self._transport) as client,
                # No redirects: the token would go with them.
                client.stream(method, f"{self._url}/v1/{path}", json=content, headers=headers) as answer,
            ):
                status, text = answer.status_code, _bounded(answer)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise SecretsUnavailableError(f"{self._server} does not answer ({type(error).__name__})") from None
        if status == _SEALED:
            raise SecretsUnavailableError(f"{self._server} is sealed; unseal it with: vault operator unseal")
        if status == _LIMITED:
            raise SecretsUnavailableError(f"{self._server} has had too many requests")
        return status, _json_object(text)


_LOCK = threading.Lock()
_SESSIONS: dict[VaultAccess, VaultSession] = {}


def _bounded(answer: httpx.Response) -> bytes:
    content = bytearray()
    for piece in answer.iter_bytes():
        content += piece
        if len(content) > _MAX_BYTES:
            raise ValueError("the answer is too long")
    return bytes(content)


def _json_object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _object(body: dict[str, Any], name: str) -> dict[str, Any]:
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def _value(path: str, key: str, body: dict[str, Any]) -> tuple[str, float]:
    fields = _object(body, "data")
    if isinstance(fields.get("data"), dict) and isinstance(fields.get("metadata"), dict):
        fields = fields["data"]  # version 2 of the key-value engine
    if key not in fields:
        raise SecretError(f"the secret at {path} has no key {key!r}")
    if not isinstance(fields[key], str) or not fields[key]:
        raise SecretError(f"the value of key {key!r} at {path} is not text, or empty")
    lease = body.get("lease_duration")
    seconds = float(lease) * _USED_SHARE if isinstance(lease, int) and lease > 0 else _FOREVER
    return str(fields[key]), seconds
