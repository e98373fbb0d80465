"""All settings, read from environment variables `TAXI_*`, a `.env` file, and a TOML file.

The file is `taxi.toml` in the working folder, or the one that `TAXI_SETTINGS` names. A folder of secrets, one file
each named like its variable in lower case (`taxi_redis_url`), is read if `TAXI_SECRETS_DIR` names it. A secret may
be a reference (`vault:secret/data/taxi#password`): see `secrets.references`.
"""

from __future__ import annotations

import os
import tomllib
import zoneinfo
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, HttpUrl, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from taxi_mlops.errors import UsageError
from taxi_mlops.secrets.references import ReferencedSecret, SecretsAccess, secret_setting
from taxi_mlops.secrets.vault import VaultAccess
from taxi_mlops.transport import require_encrypted, require_encrypted_variables

DEPLOYMENT_NAME = "^[a-z0-9][a-z0-9-]{0,39}$"

NO_ADDRESSES = frozenset(
    {"mlflow_password", "prefect_api_auth", "object_store_secret_key", "backup_key", "vault_token", "vault_secret_id"}
)
"""Settings whose values are no addresses, whatever they look like."""

SettingSecret = Annotated[SecretStr, AfterValidator(secret_setting)]
"""A secret, or a reference to one, which is fetched when it is needed."""


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "taxi-mlops"


class Settings(BaseSettings):
    """Addresses of services, folders and timeouts. What belongs to an experiment is in its specification."""

    model_config = SettingsConfigDict(
        env_prefix="TAXI_", env_file=".env", toml_file="taxi.toml", extra="ignore", frozen=True
    )

    cache_dir: Path = Field(default_factory=_default_cache, description="Downloads and locks. [~/.cache/taxi-mlops]")
    runs_dir: Path = Field(default=Path("runs"), description="Folder of runs that name no output folder.")
    features_dir: Path = Field(default=Path("features"), description="Folder of the features of hotspots.")
    trips_table: str | None = Field(
        default=None, description="Delta table of the monthly commit: folder or s3://bucket/key; none without it."
    )
    monthly_trips: str | None = Field(
        default=None, description="Trips of the monthly commit; `{month}` in it becomes the month before, as 2016-06."
    )
    monthly_training: Path | None = Field(
        default=None, description="Document of the monthly training of a hotspot model, TOML or YAML; none without it."
    )
    features_trips: str | None = Field(
        default=None, description="Trips of the hourly features, as DATA of the commands; none without them."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Level of a run's log.")
    tlc_base_url: HttpUrl = Field(
        default=HttpUrl("https://d37ci6vzurychx.cloudfront.net/trip-data/"),
        description="Base URL that `tlc:` data sets are downloaded from.",
    )
    http_timeout_seconds: float = Field(default=30.0, gt=0, description="Timeout of a server that sends nothing.")
    http_max_bytes: int = Field(default=20 * 1024**3, gt=0, description="Largest file that is downloaded.")
    host_lock_timeout_seconds: float = Field(
        default=3600.0, gt=0, description="How long to wait for another run's timed trials on this host."
    )

    experiments_url: SettingSecret | None = Field(
        default=None, description="Database of the experiment store; `off` for none. [SQLite in the runs folder]"
    )
    mlflow_uri: SettingSecret | None = Field(
        default=None, description="MLflow's tracking URI; `off` for none. [SQLite in the runs folder, if installed]"
    )
    mlflow_experiment: str = Field(
        default="dbscan-comparisons", min_length=1, description="MLflow's experiment that runs are recorded under."
    )
    mlflow_username: str | None = Field(default=None, description="User at an MLflow server with basic authentication.")
    mlflow_password: SettingSecret | None = Field(
        default=None, description="Password at an MLflow server with basic authentication."
    )

    prefect_api_url: HttpUrl | None = Field(default=None, description="URL of Prefect's API. [PREFECT_API_URL]")
    prefect_api_auth: SettingSecret | None = Field(
        default=None, description="user:password at Prefect's server. [PREFECT_API_AUTH_STRING]"
    )
    prefect_work_pool: str = Field(
        default="taxi", min_length=1, description="Prefect work pool, of type process, of the deployments."
    )
    schedule_timezone: str = Field(
        default="UTC", description="Time zone of the schedules, as America/Santiago: daily 02:00, Monday 03:00."
    )
    daily_specification: Path | None = Field(
        default=None, description="Specification of the daily comparison, TOML or YAML. [the synthetic city]"
    )
    weekly_sweep: Path | None = Field(
        default=None, description="Document of the weekly sweep, TOML or YAML. [the synthetic city]"
    )

    object_store_url: HttpUrl | None = Field(
        default=None, description="URL of the object store for `s3://` addresses: MinIO or any S3-compatible store."
    )
    object_store_access_key: str | None = Field(default=None, description="Access key at the object store.")
    object_store_secret_key: SettingSecret | None = Field(default=None, description="Secret key at the object store.")
    object_store_region: str = Field(default="us-east-1", description="Region of the object store.")

    points_cache: bool = Field(
        default=True, description="Cache prepared points: in Redis if its URL is set, else in the cache folder."
    )
    redis_url: SettingSecret | None = Field(
        default=None, description="Redis for the shared cache of points and the online features, as redis://…."
    )
    points_cache_ttl_seconds: float = Field(
        default=7 * 86_400.0, gt=0, description="How long prepared points are cached."
    )
    points_cache_max_bytes: int = Field(
        default=1024**3,
        gt=0,
        description="Largest entry of the cache of points; in the cache folder, all entries together.",
    )

    ab_retention_days: float = Field(
        default=90.0, gt=0, description="Days after which answers and outcomes of an A/B test that ended are deleted."
    )
    serve_requests_per_second: float | None = Field(
        default=None,
        gt=0,
        description="Requests a second that `taxi serve` answers to a key, or an address without one; none: no limit.",
    )
    serve_traces_ratio: float = Field(
        default=0.01, ge=0, le=1, description="Share of the requests to `taxi serve` that are traced, with a collector."
    )

    pushgateway_url: HttpUrl | None = Field(default=None, description="Prometheus Pushgateway that runs push to.")
    deployment: str = Field(
        default="none",
        pattern=DEPLOYMENT_NAME,
        description="Name of the deployment of the runs; a label of pushed metrics.",
    )
    service_timeout_seconds: float = Field(default=10.0, gt=0, description="Timeout of a service's answer.")
    require_tls: bool = Field(
        default=False,
        description="Refuse every address of another machine without TLS: services, stores of secrets, downloads, "
        "clusters.",
    )
    ca_file: Path | None = Field(
        default=None, description="Certificates of the authority that signed the services' TLS certificates."
    )

    otlp_endpoint: HttpUrl | None = Field(
        default=None, description="OpenTelemetry collector, as http://host:4318. [OTEL_EXPORTER_OTLP_ENDPOINT]"
    )
    otlp_logs_endpoint: HttpUrl | None = Field(
        default=None, description="OTLP endpoint for log records, as Loki's http://host:3100/otlp."
    )

    backup_dir: Path | None = Field(default=None, description="Folder of the backups of a stack: another disk.")
    backup_key: SettingSecret | None = Field(
        default=None, description="Key of the backups. [the file backup_key among the stack's secrets]"
    )

    secrets_cache_seconds: float = Field(
        default=300.0, ge=0, description="How long a secret that a setting refers to is kept in memory."
    )
    vault_url: HttpUrl | None = Field(default=None, description="Vault or OpenBao, for `vault:…`. [VAULT_ADDR]")
    vault_namespace: str | None = Field(default=None, description="Namespace at Vault. [VAULT_NAMESPACE]")
    vault_auth: Literal["token", "approle", "kubernetes"] = Field(
        default="token", description="How to log in at Vault: token, approle or kubernetes."
    )
    vault_auth_mount: str | None = Field(
        default=None, description="Path of the login method at Vault. [approle or kubernetes]"
    )
    vault_token: SettingSecret | None = Field(
        default=None, description="Token for Vault. [VAULT_TOKEN, or ~/.vault-token]"
    )
    vault_role: str | None = Field(default=None, description="ID of the AppRole at Vault, or the role for Kubernetes.")
    vault_secret_id: SettingSecret | None = Field(default=None, description="Secret ID of the AppRole at Vault.")
    vault_service_account: Path = Field(
        default=VaultAccess().service_account, description="Token of the service account, for Kubernetes."
    )

    @field_validator("schedule_timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        if value not in zoneinfo.available_timezones():
            raise ValueError("Input should be a time zone, as Europe/Berlin")
        return value

    @field_validator("vault_token", "vault_secret_id")
    @classmethod
    def _not_from_vault(cls, value: SecretStr | None) -> SecretStr | None:
        if isinstance(value, ReferencedSecret) and value.text.startswith("vault:"):
            raise ValueError("Vault cannot give what the login at Vault needs")
        return value

    def model_post_init(self, context: object, /) -> None:  # noqa: ARG002 - pydantic's signature
        """Let references to secrets be fetched as these settings say."""
        access = SecretsAccess(
            VaultAccess(
                url=str(self.vault_url) if self.vault_url else None,
                namespace=self.vault_namespace,
                method=self.vault_auth,
                mount=self.vault_auth_mount,
                token=self.vault_token,
                role=self.vault_role,
                secret_id=self.vault_secret_id,
                service_account=self.vault_service_account,
                ca_file=self.ca_file,
                timeout_seconds=self.service_timeout_seconds,
            ),
            self.secrets_cache_seconds,
            self.require_tls,
        )
        for name, value in self:
            if isinstance(value, ReferencedSecret):
                value.use(f"TAXI_{name.upper()}", access)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - replaced by one whose folder can be named
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, _settings_file())
        secrets = SecretsSettingsSource(settings_cls, os.environ.get("TAXI_SECRETS_DIR"))
        return init_settings, env_settings, dotenv_settings, toml, secrets


def load_settings() -> Settings:
    """Read the settings.

    Raises UsageError naming the variable, and the value unless it is secret, if one is wrong, or is an address without
    TLS though that is required; or the file or folder that cannot be read.
    """
    _check_named_places()
    try:
        settings = Settings()
    except ValidationError as error:
        raise UsageError(_complaint(error)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{_settings_file()} is not TOML: {error}") from None
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot be read: {error.strerror}") from None
    if settings.require_tls:
        check_encrypted(settings)
        require_encrypted_variables()
    return settings


def check_encrypted(settings: Settings) -> None:
    """Raise UnencryptedError if a setting is an address whose connections leave this machine without TLS.

    What is a reference to a secret is checked when it is fetched.
    """
    for name, value in settings:
        if name in NO_ADDRESSES or isinstance(value, ReferencedSecret | Path):
            continue
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        require_encrypted(text, f"TAXI_{name.upper()}")


def _settings_file() -> Path:
    return Path(os.environ.get("TAXI_SETTINGS", "taxi.toml"))


def _check_named_places() -> None:
    """Raise UsageError if a variable names a file or folder that does not exist, instead of ignoring it."""
    if "TAXI_SETTINGS" in os.environ and not _settings_file().is_file():
        raise UsageError(f"TAXI_SETTINGS = {str(_settings_file())!r}: there is no such file")
    folder = os.environ.get("TAXI_SECRETS_DIR")
    if folder is not None and not Path(folder).is_dir():
        raise UsageError(f"TAXI_SECRETS_DIR = {folder!r}: there is no such folder")


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name = "_".join(str(part) for part in first["loc"])
    field, value = Settings.model_fields.get(name), first.get("input")
    # A URL may contain a password too.
    secret = field is None or "SecretStr" in str(field.annotation) or "@" in str(value)
    return f"setting TAXI_{name.upper()}{'' if secret else f' = {value!r}'}: {first['msg']}"
