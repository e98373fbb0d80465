"""What flows of deployments refuse, as functions: how a run that failed is shown is tested on a server."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from taxi_mlops.data.synthetic import write_parquet
from taxi_mlops.errors import UsageError
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.versions import AlreadyCommittedError

pytest.importorskip("prefect", reason="Prefect is in the extra flow")


@pytest.fixture
def flow_run():
    """What Prefect says of the run."""
    return SimpleNamespace(parameters={}, run_count=1)


@pytest.fixture
def flows(settings, flow_run, monkeypatch):
    from taxi_mlops.flows import deployed

    monkeypatch.setattr(deployed, "flow_run", flow_run)
    monkeypatch.setattr(deployed, "begin_run", lambda: None)
    monkeypatch.setattr(deployed, "RunLogObserver", Observer)
    monkeypatch.setattr(deployed, "load_settings", lambda: settings)
    return deployed


def test_the_trips_of_a_month_are_committed_once(flows, flow_run, tmp_path):
    pytest.importorskip("deltalake", reason="deltalake is in the extra delta")
    write_parquet(tmp_path / "2024-01.parquet", 500)
    asked = {"data": f"{tmp_path}/{{month}}.parquet", "table": str(tmp_path / "table"), "month": "2024-01"}
    assert flows.commit_month.fn(**asked)["version"] == 0
    with pytest.raises(AlreadyCommittedError, match="was committed as version 0"):
        flows.commit_month.fn(**asked)
    flow_run.run_count = 2  # this run has committed them, and its process was killed then
    assert flows.commit_month.fn(**asked)["version"] == 0


def test_features_need_trips_and_the_registry(flows):
    for asked, said in (({}, "TAXI_FEATURES_TRIPS"), ({"data": "synthetic:rows=100"}, "turned off by the settings")):
        with pytest.raises(UsageError, match=said):
            flows.materialize_features.fn(**asked)
