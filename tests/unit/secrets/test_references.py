"""References to secrets: how they are written, fetched, cached and shown."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from taxi_mlops.errors import SecretError, SecretsUnavailableError, UsageError
from taxi_mlops.monitoring.secrets import SecretFilter, secrets_of
from taxi_mlops.secrets import references
from taxi_mlops.secrets.references import Reference, ReferencedSecret, SecretsAccess, secret_setting
from taxi_mlops.service_urls import ServiceUrl, experiments_url, mlflow_url
from taxi_mlops.settings import Settings, load_settings
from taxi_mlops.settings_reference import setting_lines

SECRET = "correct-horse-battery"


@pytest.fixture(autouse=True)
def _forget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    references.forget()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "scheme", "place"),
    [
        ("file:/run/secrets/x", "file", "/run/secrets/x"),
        ("file:~/secret", "file", "~/secret"),
        ("env:X_1", "env", "X_1"),
        ("vault:secret/data/taxi#password", "vault", "secret/data/taxi#password"),
        ("aws-sm:taxi/production", "aws-sm", "taxi/production"),
        ("aws-sm:arn:aws:secretsmanager:eu:1:secret:a#k", "aws-sm", "arn:aws:secretsmanager:eu:1:secret:a#k"),
        ("keyring:taxi/admin", "keyring", "taxi/admin"),
    ],
)  # fmt: skip
def test_references_are_recognised(text: str, scheme: str, place: str) -> None:
    reference = Reference.parse(text)
    assert reference == Reference(scheme, place)
    assert str(reference) == text


@pytest.mark.parametrize("text", ["hunter2", "", "postgresql://lab:x@host/taxi", "file:///var/mlruns", "environment:x"])
def test_other_texts_are_plain_secrets(text: str) -> None:
    assert Reference.parse(text) is None
    assert secret_setting(SecretStr(text)).get_secret_value() == text


@pytest.mark.parametrize(
    "text", ["file:relative", "env:not a name", "env:", "vault:secret/data/taxi", "vault:taxi#", "keyring:taxi"]
)
def test_a_malformed_reference_is_a_wrong_setting(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (text, f"postgresql://lab:${{{text}}}@host/taxi"):
        monkeypatch.setenv("TAXI_EXPERIMENTS_URL", value)
        with pytest.raises(UsageError, match=r"TAXI_EXPERIMENTS_URL: .* is written ") as raised:
            load_settings()
        assert "\n" not in str(raised.value)


def test_a_plain_secret_may_look_like_a_reference() -> None:
    assert Settings(mlflow_password=SecretStr("plain:env:X")).mlflow_password == SecretStr("env:X")


def test_a_secret_is_read_from_a_file_when_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "password"
    settings = Settings(mlflow_password=SecretStr(f"file:{path}"))  # nothing is read here: there is no file yet
    path.write_text(f"{SECRET}\n", encoding="utf-8")
    assert settings.mlflow_password is not None
    assert settings.mlflow_password.get_secret_value() == SECRET


def test_a_variable_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAXI_REDIS_URL", "env:REDIS")
    monkeypatch.setenv("REDIS", f"redis://:{SECRET}@host/0")
    settings = load_settings()
    assert settings.redis_url is not None
    url = ServiceUrl(settings.redis_url)
    assert url.reveal() == f"redis://:{SECRET}@host/0"
    assert str(url) == "env:REDIS"
    assert url.scrub(f"no server at redis://:{SECRET}@host/0 ({SECRET})") == "no server at redis://:***@host/0 (***)"


def test_a_part_of_a_url_may_be_a_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "sl/ash@t")
    settings = Settings(experiments_url=SecretStr("postgresql://lab:${env:PASSWORD}@host/taxi"))
    url = experiments_url(settings)
    assert url is not None
    assert str(url) == "postgresql://lab:***@host/taxi"
    assert url.reveal() == "postgresql://lab:sl%2Fash%40t@host/taxi"
    assert url.options == {"connect_timeout": 10}
    assert url.scrub("sl%2Fash%40t and sl/ash@t") == "*** and ***"


def test_an_address_that_is_a_secret_is_not_fetched_before_it_is_used() -> None:
    settings = Settings(mlflow_uri=SecretStr("env:NOT_SET"), experiments_url=SecretStr("env:NOT_SET"))
    for url in (mlflow_url(settings), experiments_url(settings)):
        assert str(url) == "env:NOT_SET"
        assert url is not None
        with pytest.raises(SecretError, match=r"^TAXI_\w+ \(env:NOT_SET\): the variable is not set$"):
            url.reveal()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "the file cannot be read: No such file or directory"),
        (b"", "the file is empty"),
        (b"\xff\xfe\xfa", "the file is not UTF-8 text"),
        (b"x" * (64 * 1024 + 1), "the file has more than 64 KiB, so it is no secret"),
    ],
)
def test_a_file_that_cannot_be_used(content: bytes | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    settings = Settings(mlflow_password=SecretStr(f"file:{path}"))
    assert settings.mlflow_password is not None
    with pytest.raises(SecretError) as raised:
        settings.mlflow_password.get_secret_value()
    assert str(raised.value) == f"TAXI_MLFLOW_PASSWORD (file:{path}): {reason}"


def test_values_are_cached_for_a_while_and_survive_a_store_that_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    now, answers = [0.0], iter([("one", 1e9), ("two", 10.0), SecretsUnavailableError("sealed"), SecretError("gone")])

    def fetch(_reference: Reference, _access: SecretsAccess) -> tuple[str, float]:
        answer = next(answers)
        if isinstance(answer, SecretError):
            raise answer
        return answer

    monkeypatch.setattr(references, "_fetch", fetch)
    cache = references._Cache(lambda: now[0])
    ask = (Reference("vault", "secret/data/taxi#password"), SecretsAccess(cache_seconds=300))
    assert cache.value(*ask) == "one"
    now[0] = 299.0
    assert cache.value(*ask) == "one"
    now[0] = 300.0
    assert cache.value(*ask) == "two"
    now[0] = 309.0
    assert cache.value(*ask) == "two"
    now[0] = 310.0  # its store lets it be used for 10 seconds; then the store is sealed
    assert cache.value(*ask) == "two"
    with pytest.raises(SecretError, match="gone"):
        cache.value(*ask)
    assert cache.seen() == {"one", "two"}


def test_nothing_that_is_shown_or_pickled_has_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", SECRET)
    settings = Settings(mlflow_password=SecretStr("env:WHERE"), vault_token=SecretStr("env:WHERE"))
    password = settings.mlflow_password
    assert isinstance(password, ReferencedSecret)
    assert password.get_secret_value() == SECRET
    shown = [f"{settings!r}", str(settings), settings.model_dump_json(), f"{password!r}", str(password)]
    shown += [line.value for line in setting_lines(settings)]
    shown.append(pickle.dumps(password).decode("latin-1"))
    assert all(SECRET not in text for text in shown)
    assert {line.variable: line.value for line in setting_lines(settings)}["TAXI_MLFLOW_PASSWORD"] == "env:WHERE"
    assert pickle.loads(pickle.dumps(password)).get_secret_value() == SECRET


def test_a_fetched_secret_is_masked_in_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", SECRET)
    settings = Settings(mlflow_password=SecretStr("env:WHERE"))
    assert secrets_of(settings) == frozenset()
    masked = SecretFilter(secrets_of(settings)).text
    assert settings.mlflow_password is not None
    settings.mlflow_password.get_secret_value()
    assert masked(f"refused: {SECRET}") == "refused: ***"


def test_the_login_at_vault_cannot_come_from_vault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAXI_VAULT_TOKEN", "vault:secret/data/taxi#token")
    with pytest.raises(UsageError, match=r"TAXI_VAULT_TOKEN: .*Vault cannot give what the login at Vault needs"):
        load_settings()


def test_settings_import_no_library_of_a_store() -> None:
    program = (
        "import sys, taxi_mlops.settings as s; s.load_settings();"
        "print(sorted({'httpx', 'boto3', 'keyring'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
