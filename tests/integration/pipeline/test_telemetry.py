"""What a run leaves behind for those who watch it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from taxi_mlops.monitoring.tracing import trace_id_of
from taxi_mlops.pipeline.compare import compare, resume
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.recording.recordings import Recordings
from taxi_mlops.results.journal import Journal
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.settings import Settings


def spans_of(folder):
    return [
        span
        for line in folder.trace.read_text(encoding="utf-8").splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def test_a_run_is_traced_from_loading_to_recording(specify, run, tmp_path):
    folder = RunFolder(tmp_path / "run")
    run(specify("light-exact", "light-raising"), folder.path)
    spans = spans_of(folder)
    assert len({span["traceId"] for span in spans}) == 1
    by_id = {span["spanId"]: span for span in spans}
    [root] = [span for span in spans if not span.get("parentSpanId")]
    assert root["name"] == "compare"
    steps = [span["name"] for span in spans if span.get("parentSpanId") == root["spanId"]]
    assert steps[0] == "load"
    assert steps[1:-6] == ["trial"] * 6
    assert steps[-6:] == ["equivalence", "quality", "assemble", "labels", "report", "record"]
    inside = {
        (by_id[span["parentSpanId"]]["name"], span["name"])
        for span in spans
        if span.get("parentSpanId") not in (None, "", root["spanId"])
    }
    assert inside >= {
        ("trial", "trial.cold_start"),
        ("trial", "trial.prepare"),
        ("trial", "trial.fit"),
        ("record", "record.store"),
        ("record.store", "SQL INSERT"),
    }
    assert {parent for parent, name in inside if name.startswith("SQL")} == {"record.store"}
    failed = [span for span in spans if span.get("status", {}).get("code") == 2]
    assert [span["status"]["message"] for span in failed] == ["error: ArithmeticError: one too many"]

    events = [json.loads(line) for line in folder.log.read_text(encoding="utf-8").splitlines()]
    assert {event["trace_id"] for event in events} == {root["traceId"]}
    finished = [event["span_id"] for event in events if event["event"] == "trial_finished"]
    assert [by_id[span_id]["name"] for span_id in finished] == ["trial"] * 6


def test_metrics_of_a_run_agree_with_its_journal_also_after_it_was_stopped(specify, settings, tmp_path):
    class Stopping(Observer):
        def trial_finished(self, outcome):
            if outcome.trial.block == 1:
                raise KeyboardInterrupt

    folder = RunFolder(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        compare(specify("light-exact", "light-raising"), folder, settings, Stopping())
    assert 0 < len(Journal.read(folder.journal).outcomes) < 6
    resume(folder, settings, Observer())
    families = text_string_to_metric_families(folder.metrics.read_text(encoding="utf-8"))
    samples = [sample for family in families for sample in family.samples]
    counted = {
        tuple(sample.labels[name] for name in ("adapter", "kind", "status")): sample.value
        for sample in samples
        if sample.name == "taxi_trials_total"
    }
    wanted: dict[tuple[str, str, str], float] = {}
    for outcome in Journal.read(folder.journal).outcomes:
        key = (outcome.trial.adapter, outcome.trial.kind.value, outcome.status.value)
        wanted[key] = wanted.get(key, 0) + 1
    assert counted == wanted
    assert sum(wanted.values()) == 6
    traces = {span["traceId"] for span in spans_of(folder)}
    assert traces == {trace_id_of(Journal.read(folder.journal).header.run_id)}
    roots = [span for span in spans_of(folder) if not span.get("parentSpanId")]
    assert [root["name"] for root in roots] == ["compare", "compare"]  # one of each process
    by_name = {(sample.name, sample.labels.get("adapter")): sample.value for sample in samples}
    assert by_name["taxi_adapter_rank", "light-exact"] == 1
    assert by_name["taxi_runs_total", None] == 1


def test_the_process_of_a_trial_imports_none_of_it():
    program = (
        "import sys; import taxi_mlops.trials.guardian, taxi_mlops.trials.child; "
        "print([name for name in sys.modules if name.split('.')[0] in "
        "('opentelemetry', 'prometheus_client', 'prefect', 'structlog')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_process_of_a_trial_receives_its_span(specify, run, tmp_path):
    folder = RunFolder(tmp_path / "run")
    run(specify("light-reporting", repeats=1), folder.path)
    spans = {span["spanId"]: span for span in spans_of(folder)}
    reported = [outcome.about["traceparent"].split("-") for outcome in Journal.read(folder.journal).outcomes]
    assert len(reported) == 2
    for version, trace_id, span_id, _flags in reported:
        assert (version, trace_id) == ("00", spans[span_id]["traceId"])
        assert spans[span_id]["name"] == "trial"


@pytest.fixture
def silent():
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_run_whose_collectors_never_answer_ends_and_says_once_what_it_could_not_send(
    specify, settings, silent, tmp_path
):
    said: list[str] = []

    class Listening(Observer):
        def warning(self, text):
            said.append(text)

    addresses = {"otlp_endpoint": silent, "otlp_logs_endpoint": f"{silent}/otlp", "pushgateway_url": silent}
    folder = RunFolder(tmp_path / "run")
    compare(
        specify("light-exact", repeats=1),
        folder,
        Settings.model_validate(settings.model_dump() | addresses),
        Listening(),
    )
    assert len(said) == 2
    assert "log was not sent" in said[0]
    assert "spans were not sent" in said[1]
    [failed] = Recordings.read(folder).failed
    assert failed.recorder == "pushgateway"
