from __future__ import annotations

from pathlib import Path

import pytest

from taxi_mlops.errors import UsageError
from taxi_mlops.settings import load_settings


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
