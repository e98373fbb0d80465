"""`taxi setup` on a real database and object store. Its deployments are tested with those of Prefect."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from taxi_mlops.data.objects import ObjectStore
from taxi_mlops.errors import UsageError
from taxi_mlops.flows.setup import Part, set_up
from taxi_mlops.service_urls import experiments_url
from taxi_mlops.storage.database import Database, scripts


@pytest.fixture
def services_settings(start_services):
    return start_services("postgresql", "object-store").settings


def test_tables_and_bucket_are_made_once(services_settings):
    first = list(set_up(services_settings, (Part.EXPERIMENTS, Part.BUCKETS)))
    assert [(done.part, done.failed) for done in first] == [(Part.EXPERIMENTS, False), (Part.BUCKETS, False)]
    assert scripts().get_current_head() in first[0].said
    assert "***" in first[0].said
    assert list(set_up(services_settings, (Part.EXPERIMENTS, Part.BUCKETS))) == first
    with Database(experiments_url(services_settings)).transaction() as connection:
        owner = connection.exec_driver_sql("SELECT tableowner FROM pg_tables WHERE tablename = 'trials'").scalar()
    assert owner == "experiments"
    versioning = ObjectStore(services_settings).client.get_bucket_versioning(Bucket="taxi-data")
    assert versioning["Status"] == "Enabled"


def test_a_part_that_fails_costs_itself_alone(services_settings, monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    # Another module may have started Prefect's server beside these services.
    wrong = services_settings.model_copy(
        update={"object_store_secret_key": SecretStr("not-the-secret"), "prefect_api_url": None}
    )
    experiments, buckets, deployments = set_up(wrong)
    assert not experiments.failed
    assert buckets.failed
    assert "refuses" in buckets.said
    assert "not-the-secret" not in buckets.said
    assert not deployments.failed
    assert "TAXI_PREFECT_API_URL" in deployments.said


def test_an_unknown_part_is_a_mistake():
    from taxi_mlops.cli.setup import setup

    with pytest.raises(UsageError, match="'tables' is not a valid Part; there are experiments, buckets, deployments"):
        setup(["tables"])
