"""Addresses of services as they are shown, without passwords."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from taxi_mlops.service_urls import ServiceUrl, experiments_url, mlflow_url
from taxi_mlops.settings import Settings


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("sqlite:////var/runs/experiments.db", "sqlite:////var/runs/experiments.db"),
        ("postgresql://lab:hunter2@host:5432/taxi", "postgresql://lab:***@host:5432/taxi"),
        ("postgresql://lab@host/taxi", "postgresql://lab@host/taxi"),
        ("https://lab:hunter2@host/mlflow", "https://lab:***@host/mlflow"),
        ("https://:hunter2@host/mlflow", "https://:***@host/mlflow"),
        ("postgresql://lab:hun@ter/2@host/taxi", "postgresql://lab:***@host/taxi"),
        ("postgresql:///taxi?user=lab&password=hunter2&host=h", "postgresql:///taxi?user=lab&password=***&host=h"),
        ("http://host/mlflow?access_token=hunter2", "http://host/mlflow?access_token=***"),
        ("http://host/x?se=1&sig=hun%2Fter2&design=a", "http://host/x?se=1&sig=***&design=a"),
        ("http://host/x?X-Amz-Signature=hunter2&X-Amz-Date=1", "http://host/x?X-Amz-Signature=***&X-Amz-Date=1"),
    ],
)
def test_what_is_shown_has_no_password(given: str, shown: str) -> None:
    url = ServiceUrl(given)
    assert str(url) == shown
    assert repr(url) == f"ServiceUrl({shown!r})"
    assert url.reveal() == given


def test_a_message_is_scrubbed_of_the_password_however_it_is_written() -> None:
    url = ServiceUrl("postgresql://lab:hun%40ter2@host/taxi")
    said = "no such server: postgresql://lab:hun%40ter2@host/taxi (password hun@ter2, quoted hun%40ter2)"
    assert url.scrub(said) == "no such server: postgresql://lab:***@host/taxi (password ***, quoted ***)"


def test_services_are_in_the_runs_folder_unless_set_or_turned_off(tmp_path: Path) -> None:
    embedded = Settings(runs_dir=tmp_path)
    assert str(experiments_url(embedded)) == f"sqlite:///{tmp_path}/experiments.db"
    assert str(mlflow_url(embedded)) == f"sqlite:///{tmp_path}/mlflow.db"
    chosen = Settings(experiments_url=SecretStr("postgresql://lab:hunter2@host/taxi"), mlflow_uri=SecretStr("off"))
    assert str(experiments_url(chosen)) == "postgresql://lab:***@host/taxi"
    assert mlflow_url(chosen) is None
    assert "hunter2" not in repr(chosen)
