"""The contract of recorders, over all that we have, each in a real place."""

from __future__ import annotations

import shutil
import socket

import pytest
from sqlalchemy import select

from taxi_mlops.recording.mlflow_recorder import MlflowRecorder
from taxi_mlops.recording.store import StoreRecorder
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.storage.database import Database
from taxi_mlops.storage.experiments import Base
from taxi_mlops.testing.recorders import RecorderContract
from taxi_mlops.testing.sample_runs import make_run


@pytest.fixture
def nobody():
    """`host:port` where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


class TestStore(RecorderContract):
    @pytest.fixture
    def recorder(self, store_url):
        return StoreRecorder(store_url)

    @pytest.fixture
    def contents(self, store_url):
        def contents():
            rows = {}
            with Database(store_url).transaction() as connection:
                for name, table in Base.metadata.tables.items():
                    for row in connection.execute(select(table).order_by(*table.primary_key)).mappings():
                        if "run_id" in row:
                            rows.setdefault(row["run_id"], []).append((name, dict(row)))
                sets = connection.execute(select(Base.metadata.tables["data_sets"].c.id)).all()
            assert len(sets) == 1, "runs on the same points share their data set"
            return rows

        return contents

    @pytest.fixture
    def broken(self, nobody):
        pytest.importorskip("psycopg")
        return StoreRecorder(ServiceUrl(f"postgresql://lab:p4ss%2Fw%40rd@{nobody}/taxi"))


@pytest.fixture(scope="module")
def empty_mlflow(tmp_path_factory):
    """A database with MLflow's tables, which take it seconds to create."""
    mlflow = pytest.importorskip("mlflow")
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


class TestMlflow(RecorderContract):
    @pytest.fixture(autouse=True)
    def mlflow(self, monkeypatch):
        pytest.importorskip("mlflow")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    @pytest.fixture
    def url(self, tmp_path, empty_mlflow):
        return ServiceUrl(f"sqlite:///{shutil.copy(empty_mlflow, tmp_path)}")

    @pytest.fixture
    def recorder(self, url, tmp_path):
        return MlflowRecorder(url, "tests", tmp_path / "artifacts", lambda comparison: comparison.run_id)

    @pytest.fixture
    def contents(self, url):
        from mlflow import MlflowClient

        def contents():
            client = MlflowClient(tracking_uri=url.reveal())
            experiment = client.get_experiment_by_name("tests")
            runs = {}
            for run in client.search_runs([experiment.experiment_id], order_by=["attributes.run_id"]):
                recorded = {**run.to_dictionary(), "artifacts": _artifacts(client, run.info.run_id)}
                runs.setdefault(run.data.tags["run_id"], []).append(recorded)
            return runs

        return contents

    @pytest.fixture
    def broken(self, nobody, tmp_path):
        url = ServiceUrl(f"http://lab:p4ss%2Fw%40rd@{nobody}")
        return MlflowRecorder(url, "tests", tmp_path / "artifacts", lambda comparison: comparison.run_id)

    def test_one_that_was_made_without_an_answer_and_asked_for_again_stands_once(self, url, contents, tmp_path):
        from mlflow import MlflowClient

        run = make_run(tmp_path / "run")

        def describe(comparison):
            """While the run is recorded, a server makes its entry and is cut off before it can say so."""
            client = MlflowClient(tracking_uri=url.reveal())
            experiment = client.get_experiment_by_name("tests")
            client.create_run(experiment.experiment_id, tags={"run_id": comparison.run_id})
            return comparison.run_id

        MlflowRecorder(url, "tests", tmp_path / "artifacts", describe).record(run)
        entries = contents()[run.run_id]
        assert len(entries) == 5  # the comparison, and four adapters
        assert "RUNNING" not in {entry["info"]["status"] for entry in entries}


def _artifacts(client, run_id, folder=None):
    files = []
    for entry in client.list_artifacts(run_id, folder):
        files += _artifacts(client, run_id, entry.path) if entry.is_dir else [(entry.path, entry.file_size)]
    return files
