"""Runs recorded over HTTP by a user who is no administrator, with artifacts in the object store."""

from __future__ import annotations

import os
from dataclasses import replace

import httpx
import pytest
from pydantic import SecretStr

from taxi_mlops.errors import ServiceError
from taxi_mlops.recording.mlflow_recorder import MlflowAccess, MlflowRecorder, temporary_environment
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.testing.recorders import RecorderContract
from taxi_mlops.testing.sample_runs import make_run


@pytest.fixture(scope="module")
def services(start_services):
    return start_services("mlflow")


@pytest.fixture
def access(services):
    return MlflowAccess.chosen_by(services.settings)


@pytest.fixture
def url(services):
    return ServiceUrl(services.settings.mlflow_uri.get_secret_value())


@pytest.fixture
def experiment(request):
    """One for each test: the server serves them all."""
    return request.node.name


class TestMlflowServer(RecorderContract):
    @pytest.fixture
    def recorder(self, url, access, experiment, tmp_path):
        return MlflowRecorder(url, experiment, tmp_path, lambda comparison: comparison.run_id, access)

    @pytest.fixture
    def contents(self, url, access, experiment):
        from mlflow import MlflowClient

        def contents():
            with temporary_environment(access.variables()):
                client = MlflowClient(tracking_uri=url.reveal())
                found = client.get_experiment_by_name(experiment)
                runs = {}
                for run in client.search_runs([found.experiment_id], order_by=["attributes.run_id"]):
                    files = [entry.path for entry in client.list_artifacts(run.info.run_id)]
                    runs.setdefault(run.data.tags["run_id"], []).append({**run.to_dictionary(), "artifacts": files})
                return runs

        return contents

    @pytest.fixture
    def broken(self, url, access, tmp_path):
        wrong = replace(access, password=SecretStr("p4ss/w@rd"))
        address = ServiceUrl(url.reveal().replace("://", "://lab:p4ss%2Fw%40rd@"))
        return MlflowRecorder(address, "broken", tmp_path, lambda comparison: comparison.run_id, wrong)

    def test_pushes_the_page_of_the_comparison(self, recorder, contents, tmp_path):
        run = make_run(tmp_path / "run")
        run.folder.report.write_text("<html></html>", encoding="utf-8")
        pages = {recorder.record(run) for _ in range(2)}
        [parent] = [one for one in contents()[run.run_id] if "mlflow.parentRunId" not in one["data"]["tags"]]
        assert pages == {f"#/experiments/{parent['info']['experiment_id']}/runs/{parent['info']['run_id']}"}
        assert run.folder.report.name in parent["artifacts"]


def test_artifacts_lie_in_the_bucket_of_mlflow_alone(services, url, access, tmp_path):
    from botocore.exceptions import ClientError

    from taxi_mlops.data.objects import ObjectStore

    run = make_run(tmp_path / "run")
    MlflowRecorder(url, "artifacts", tmp_path, lambda comparison: comparison.run_id, access).record(run)
    stored = {entry.address.key.rsplit("/", 1)[-1] for entry in _artifacts(services)}
    assert {"comparison.json", "trials.jsonl"} <= stored
    with pytest.raises(ClientError, match=r"403|Denied"):
        ObjectStore(services.settings).client.list_objects_v2(Bucket="mlflow-artifacts")


def test_without_the_password_nothing_is_recorded(url, access, tmp_path):
    anonymous = replace(access, username=None, password=None)
    recorder = MlflowRecorder(url, "anonymous", tmp_path, lambda comparison: comparison.run_id, anonymous)
    with pytest.raises(ServiceError, match=r"(?i)not authenticated|401"):
        recorder.record(make_run(tmp_path / "run"))


def test_the_password_does_not_stay_in_the_environment(url, access, tmp_path):
    MlflowRecorder(url, "environment", tmp_path, lambda comparison: comparison.run_id, access).record(
        make_run(tmp_path / "run")
    )
    assert access.password.get_secret_value() not in os.environ.values()


def test_its_metrics_are_shown_without_a_password_and_beside_its_pages_to_nobody_but_its_administrator(services, url):
    metrics = httpx.get(f"http://{services.stack.folder.listens_at('mlflow', 'metrics')}/metrics").text
    assert 'mlflow_http_request_total{method="GET",status="200"}' in metrics
    user = (services.settings.mlflow_username, services.settings.mlflow_password.get_secret_value())
    assert httpx.get(f"{url.reveal()}/metrics", auth=user).status_code == 403
    assert httpx.get(f"{url.reveal()}/metrics").status_code == 401


def _artifacts(services):
    from taxi_mlops.data.objects import ObjectAddress, ObjectStore
    from taxi_mlops.stack.services.object_store import secret_key

    keys = {"object_store_access_key": "mlflow", "object_store_secret_key": secret_key(services.stack.folder, "mlflow")}
    settings = services.settings.model_copy(
        update={**keys, "object_store_secret_key": SecretStr(keys["object_store_secret_key"])}
    )
    return tuple(ObjectStore(settings).entries(ObjectAddress("mlflow-artifacts", "")))
