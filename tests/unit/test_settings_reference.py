"""The page and the list of settings."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from taxi_mlops.settings import Settings
from taxi_mlops.settings_reference import markdown, setting_lines

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_the_page_has_every_setting() -> None:
    page = markdown()
    assert PAGE.read_text(encoding="utf-8") == page, (
        "make it again: taxi settings --markdown > docs/reference/settings.md"
    )
    assert all(f"| `TAXI_{name.upper()}` | " in page for name in Settings.model_fields)


def test_every_setting_says_what_it_is() -> None:
    assert all(line.meaning.endswith((".", ".)")) for line in setting_lines(Settings.model_construct()))


def test_secrets_are_masked() -> None:
    settings = Settings.model_construct(
        redis_url=SecretStr("redis://:s3cret@host/0"), mlflow_password=SecretStr("s3cret"), runs_dir=Path("here")
    )
    shown = {line.variable: line.value for line in setting_lines(settings)}
    assert shown["TAXI_REDIS_URL"] == "redis://:***@host/0"
    assert shown["TAXI_MLFLOW_PASSWORD"] == "***"
    assert shown["TAXI_RUNS_DIR"] == "here"
