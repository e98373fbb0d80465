"""Secrets are masked in whatever is logged."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from pydantic import SecretStr

from taxi_mlops.monitoring.logs import LOGGER, get_logger, run_logs
from taxi_mlops.monitoring.secrets import SecretFilter, secrets_of
from taxi_mlops.settings import Settings


def masked(**event: object) -> dict[str, object]:
    return dict(SecretFilter(["correct horse battery"])(None, "info", event))


def test_fields_named_like_secrets_are_masked() -> None:
    assert masked(password="x", api_key="y", nested={"Authorization": "z", "points": 3}) == {
        "password": "***",
        "api_key": "***",
        "nested": {"Authorization": "***", "points": 3},
    }


def test_passwords_in_addresses_and_headers_are_masked_and_nothing_else() -> None:
    assert masked(event="cannot reach http://lab:hunter2@host/x, giving up", seconds=1.5, ok=None) == {
        "event": "cannot reach http://lab:***@host/x, giving up",
        "seconds": 1.5,
        "ok": None,
    }
    assert masked(event="read https://host/t.csv?expires=1&X-Amz-Signature=hunter2")["event"].endswith("Signature=***")
    assert masked(event="sent Bearer abcdef123456", lines=["s3://bucket/key"]) == {
        "event": "sent Bearer ***",
        "lines": ["s3://bucket/key"],
    }


def test_values_of_the_settings_are_masked_wherever_they_stand(tmp_path: Path) -> None:
    settings = Settings(
        object_store_secret_key=SecretStr("wrong-horse-staple"),
        mlflow_uri=SecretStr("off"),
        prefect_api_auth=SecretStr("taxi:hunter2hunter2"),
        experiments_url=SecretStr("postgresql://lab:sl%2Fash%40t@host/taxi"),
        redis_url=SecretStr("redis://host:6379/2"),
    )
    secrets = secrets_of(settings)
    assert secrets == {
        "wrong-horse-staple",
        "taxi:hunter2hunter2",
        "hunter2hunter2",
        "sl%2Fash%40t",
        "sl/ash@t",
    }
    path = tmp_path / "log.jsonl"
    with run_logs(path, "run", "info", verbose=False, secrets=secrets):
        get_logger().error("refused", said="key wrong-horse-staple is not known")
        logging.getLogger(f"{LOGGER}.other").warning("key %s", "wrong-horse-staple")
    first, second = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    assert (first["said"], second["event"]) == ("key *** is not known", "key ***")
