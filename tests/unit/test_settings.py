"""Settings from the environment, `.env` and TOML, and the messages on wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from taxi_mlops.errors import UsageError
from taxi_mlops.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_environment_goes_before_dotenv_before_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = 'runs_dir = "from-toml"\nlog_level = "error"\nhttp_timeout_seconds = 7\n'
    (tmp_path / "taxi.toml").write_text(toml, encoding="utf-8")
    (tmp_path / ".env").write_text("TAXI_RUNS_DIR=from-dotenv\nTAXI_LOG_LEVEL=warning\n", encoding="utf-8")
    monkeypatch.setenv("TAXI_RUNS_DIR", "from-environment")
    settings = load_settings()
    assert settings.runs_dir == Path("from-environment")
    assert settings.log_level == "warning"
    assert settings.http_timeout_seconds == 7


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAXI_LOG_LEVEL", "loud")
    with pytest.raises(UsageError, match="TAXI_LOG_LEVEL = 'loud'"):
        load_settings()


@pytest.mark.parametrize(
    "name", [name for name, field in Settings.model_fields.items() if "Secret" in str(field.annotation)]
)
def test_a_wrong_secret_is_not_shown(name: str, tmp_path: Path) -> None:
    (tmp_path / "taxi.toml").write_text(f"{name} = ['s3cret']", encoding="utf-8")
    with pytest.raises(UsageError, match=f"TAXI_{name.upper()}: ") as raised:
        load_settings()
    assert "s3cret" not in str(raised.value)


def test_a_password_in_a_wrong_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAXI_PUSHGATEWAY_URL", "http://lab:s3cret@host:port")
    with pytest.raises(UsageError, match="TAXI_PUSHGATEWAY_URL: ") as raised:
        load_settings()
    assert "s3cret" not in str(raised.value)


def test_secrets_are_not_shown_by_the_settings_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "taxi_redis_url").write_text("redis://:s3cret@host/0\n", encoding="utf-8")
    monkeypatch.setenv("TAXI_SECRETS_DIR", str(folder))
    monkeypatch.setenv("TAXI_MLFLOW_PASSWORD", "s3cret")
    settings = load_settings()
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://:s3cret@host/0"
    assert "s3cret" not in f"{settings!r} {settings} {settings.model_dump_json()}"


@pytest.mark.parametrize("variable", ["TAXI_SETTINGS", "TAXI_SECRETS_DIR"])
def test_a_place_that_is_not_there_is_a_mistake(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=f"{variable} = '.*nowhere': there is no such"):
        load_settings()


@pytest.mark.parametrize("content", [b"runs_dir = ", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_a_mistake(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "taxi.toml").write_bytes(content)
    with pytest.raises(UsageError, match=r"taxi\.toml is not TOML: "):
        load_settings()
