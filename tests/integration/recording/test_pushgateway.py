"""The recorder of the Pushgateway, on a real one."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from taxi_mlops.errors import ServiceError
from taxi_mlops.monitoring.time_budget import run_time_budget
from taxi_mlops.monitoring.totals import Totals
from taxi_mlops.recording import gateway as gateways
from taxi_mlops.recording import pushgateway
from taxi_mlops.recording.pushgateway import PushgatewayRecorder
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.testing.recorders import RecorderContract
from taxi_mlops.testing.sample_runs import BEGUN, make_run

OTHER = {"adapter": "other"}


@pytest.fixture(scope="session")
def gateway(start_services):
    return str(start_services("pushgateway").settings.pushgateway_url).rstrip("/")


@pytest.fixture
def deployment(request):
    """A group of this test's own."""
    return request.node.name.replace("_", "-").lower()[:60]


@pytest.fixture
def make_recorder(gateway, deployment, tmp_path):
    def make(host="here", url=gateway):
        return PushgatewayRecorder(ServiceUrl(url), tmp_path / f"ledgers-{host}", deployment, host, 20.0, None)

    return make


@pytest.fixture
def scraped(gateway, deployment):
    """The value of a series of this test's groups, by its labels without those of the group; None if none is."""

    def scraped(name, host="here", **labels):
        wanted = {**labels, "job": "taxi-mlops", "deployment": deployment, "host": host, "instance": ""}
        families = text_string_to_metric_families(httpx.get(f"{gateway}/metrics").text)
        found = [s.value for family in families for s in family.samples if (s.name, s.labels) == (name, wanted)]
        assert len(found) < 2
        return found[0] if found else None

    return scraped


class TestPushgateway(RecorderContract):
    @pytest.fixture
    def recorder(self, make_recorder):
        return make_recorder()

    @pytest.fixture
    def contents(self, tmp_path, deployment, scraped):
        """The runs that are counted; that they are, once each, in the gateway too is looked at on the way."""

        def contents():
            counted = Totals.read(tmp_path / "ledgers-here" / f"{deployment}@here.json").counted
            assert scraped("taxi_runs_total", outcome="completed") == len(counted)
            return counted

        return contents

    @pytest.fixture
    def broken(self, tmp_path, unused_address):
        url = ServiceUrl(f"http://lab:p4ss%2Fw%40rd@{unused_address}")
        return PushgatewayRecorder(url, tmp_path / "broken", "tests", "here", 20.0, None)


@pytest.fixture
def unused_address():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


class Hesitant(ThreadingHTTPServer):
    """A gateway that refuses what it is asked first. methods: of all that it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), HesitantHandler)
        self.methods = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class HesitantHandler(BaseHTTPRequestHandler):
    server: Hesitant

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.methods.append(self.command)
        self.send_response(503 if len(self.server.methods) == 1 else 200)
        self.end_headers()

    def do_GET(self):
        self.server.methods.append(self.command)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "success", "data": []}')

    def log_message(self, *_):
        """Say nothing on standard error."""


@pytest.fixture
def hesitant():
    with Hesitant() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def later(tmp_path, number=2, **changes):
    begun = BEGUN + timedelta(days=number)
    return make_run(tmp_path / f"run-{number}", f"{begun:%Y%m%dT%H%M%SZ}-00000{number}", begun=begun, **changes)


def test_counters_add_up_over_runs_and_gauges_are_the_newest_runs(make_recorder, scraped, tmp_path):
    newer, older = later(tmp_path, 2, slowness=2.0), later(tmp_path, 1)
    recorder = make_recorder()
    recorder.record(newer)
    assert scraped("taxi_trials_total", **OTHER, kind="timing", status="ok") == 9
    assert scraped("taxi_trial_fit_seconds_count", **OTHER) == 9
    median = scraped("taxi_adapter_median_fit_seconds", **OTHER)
    recorder.record(older)  # was waiting
    assert scraped("taxi_trials_total", **OTHER, kind="timing", status="ok") == 18
    assert scraped("taxi_trials_total", **OTHER, kind="memory", status="timeout") == 2
    assert scraped("taxi_trial_fit_seconds_bucket", **OTHER, le="+Inf") == 18
    assert scraped("taxi_rows_dropped_total", rule="missing") == 20
    assert scraped("taxi_equivalence_verdicts_total", **OTHER, exact="true", verdict="different") == 2
    assert scraped("taxi_adapter_median_fit_seconds", **OTHER) == median
    run_id, trace_id = newer.run_id, pushgateway.trace_id_of(newer.run_id)
    assert scraped("taxi_last_run_info", run_id=run_id, trace_id=trace_id, mlflow_page="") == 1


def test_a_push_that_failed_is_made_up_for_by_the_next(make_recorder, scraped, unused_address, tmp_path):
    with pytest.raises(ServiceError, match="refused"):
        make_recorder(url=f"http://{unused_address}").record(later(tmp_path, 1))
    make_recorder().record(later(tmp_path, 2))
    assert scraped("taxi_runs_total", outcome="completed") == 2


def test_a_push_that_is_refused_is_tried_again(make_recorder, hesitant, tmp_path):
    make_recorder(url=hesitant.url).record(later(tmp_path, 1))
    assert hesitant.methods == ["PUT", "PUT", "GET"]  # the last one looks for old groups


def test_hosts_do_not_overwrite_each_other_and_old_groups_go(make_recorder, scraped, tmp_path, monkeypatch):
    run = later(tmp_path, 1)
    for host in ("gone", "here"):
        make_recorder(host).record(run)
        assert scraped("taxi_runs_total", host=host, outcome="completed") == 1
    monkeypatch.setattr(gateways, "KEEP_SECONDS", 0.0)
    # What was pushed just now is older than that too, and is there again with the next push.
    make_recorder("here").record(run)
    assert scraped("taxi_runs_total", host="gone", outcome="completed") is None
    monkeypatch.undo()
    make_recorder("here").record(run)
    assert scraped("taxi_runs_total", host="here", outcome="completed") == 1


def test_a_gateway_that_never_answers_takes_a_share_of_the_time_budget(make_recorder, tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent, run_time_budget() as budget:
        recorder = make_recorder(url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ServiceError, match=r"timed out|no answer"):
            recorder.record(later(tmp_path, 1))
        assert 0 < budget.left <= 1.1


def test_unreadable_totals_start_at_zero(make_recorder, deployment, scraped, tmp_path):
    (tmp_path / "ledgers-here").mkdir()
    (tmp_path / "ledgers-here" / f"{deployment}@here.json").write_text("{", encoding="utf-8")
    make_recorder().record(later(tmp_path, 1))
    assert scraped("taxi_runs_total", outcome="completed") == 1
    document = json.loads((tmp_path / "ledgers-here" / f"{deployment}@here.json").read_text(encoding="utf-8"))
    assert len(document["counted"]) == 1
