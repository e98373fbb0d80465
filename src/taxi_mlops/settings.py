"""Every knob in one place: environment variables `TAXI_*`, a `.env` file, and `taxi.toml` in the working folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, HttpUrl, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from taxi_mlops.errors import UsageError


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "taxi-mlops"


class Settings(BaseSettings):
    """Where things are and how long to wait for them. What belongs to an experiment stands in its specification."""

    model_config = SettingsConfigDict(
        env_prefix="TAXI_", env_file=".env", toml_file="taxi.toml", extra="ignore", frozen=True
    )

    cache_dir: Path = Field(default_factory=_default_cache, description="Downloads and locks.")
    runs_dir: Path = Field(default=Path("runs"), description="Where runs go that name no output folder.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Of a run's log file.")
    tlc_base_url: HttpUrl = Field(
        default=HttpUrl("https://d37ci6vzurychx.cloudfront.net/trip-data/"),
        description="Where `tlc:` data sets are downloaded from.",
    )
    http_timeout_seconds: float = Field(default=30.0, gt=0, description="Longest silence of a server.")
    http_max_bytes: int = Field(default=20 * 1024**3, gt=0, description="Largest file that is downloaded.")
    host_lock_timeout_seconds: float = Field(
        default=3600.0, gt=0, description="How long to wait for another run's timed trials on this host."
    )

    experiments_url: SecretStr | None = Field(
        default=None, description="Database of the experiment store; `off` for none. [SQLite in the runs folder]"
    )
    mlflow_uri: SecretStr | None = Field(
        default=None, description="MLflow's tracking URI; `off` for none. [SQLite in the runs folder, if installed]"
    )
    mlflow_experiment: str = Field(
        default="dbscan-comparisons", min_length=1, description="MLflow's experiment that runs are recorded under."
    )

    otlp_endpoint: HttpUrl | None = Field(
        default=None, description="OpenTelemetry collector, as http://host:4318. [OTEL_EXPORTER_OTLP_ENDPOINT]"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, dotenv_settings, toml, file_secret_settings


def load_settings() -> Settings:
    """Read the settings.

    Raises UsageError naming the variable and the value where one is wrong.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise UsageError(f"setting TAXI_{name} = {first.get('input')!r}: {first['msg']}") from None
