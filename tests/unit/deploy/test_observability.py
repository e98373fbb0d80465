"""What stands in deploy/ for those who watch: in step with the code, and checked by each program's own checker."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from taxi_mlops.monitoring.catalogue import LAST_RUN, METRICS

MetricsIn = Callable[[str], set[str]]

REPOSITORY = Path(__file__).parents[3]
DEPLOY = REPOSITORY / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))

OTHERS = {
    "ALERTS": "Prometheus",
    "up": "Prometheus",
    "prometheus_tsdb_head_samples_appended_total": "Prometheus",
    "push_time_seconds": "the Pushgateway",
    "node_cpu_seconds_total": "the node exporter",
    "node_filesystem_avail_bytes": "the node exporter",
    "node_filesystem_size_bytes": "the node exporter",
    "node_load1": "the node exporter",
    "namedprocess_namegroup_memory_bytes": "the process exporter",
    "node_memory_MemAvailable_bytes": "the node exporter",
    "node_memory_MemTotal_bytes": "the node exporter",
    "pg_up": "the PostgreSQL exporter",
    "pg_stat_activity_count": "the PostgreSQL exporter",
    "pg_database_size_bytes": "the PostgreSQL exporter",
    "redis_up": "the Redis exporter",
    "redis_memory_used_bytes": "the Redis exporter",
    "minio_s3_requests_total": "MinIO",
    "SeaweedFS_s3_request_total": "SeaweedFS",
    "loki_distributor_lines_received_total": "Loki",
    "otelcol_receiver_accepted_spans_total": "Jaeger",
}
"""Metrics of others that panels and rules ask for."""


def rules() -> list[dict[str, Any]]:
    return [
        rule
        for path in RULES
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]


def panels(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["panels"]


ALERTS = [rule for rule in rules() if "alert" in rule]
PANELS = [(path.stem, panel) for path in DASHBOARDS for panel in panels(path)]
KNOWN = (
    {name for metric in METRICS for name in metric.samples}
    | set(OTHERS)
    | {r["record"] for r in rules() if "record" in r}
)


def test_names_of_metrics_are_found_in_expressions(metrics_in: MetricsIn) -> None:
    expression = 'sum by (le) (increase(a_total{b="c"}[1d])) / on (x) d:e:f > bool 2 * time() or vector(0) unless g'
    assert metrics_in(expression) == {"a_total", "d:e:f", "g"}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_metric_of_a_rule_exists(rule: dict[str, Any], metrics_in: MetricsIn) -> None:
    names = metrics_in(rule["expr"])
    assert names
    assert names <= KNOWN


@pytest.mark.parametrize("panel", [panel for _, panel in PANELS], ids=lambda panel: panel["title"])
def test_every_panel_says_what_it_is_and_asks_for_metrics_that_exist(
    panel: dict[str, Any], metrics_in: MetricsIn
) -> None:
    assert panel["title"]
    assert len(panel["description"]) > 5
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    for target in panel["targets"]:
        if panel["type"] != "logs":
            names = metrics_in(target["expr"])
            assert names
            assert names <= KNOWN
            assert panel["fieldConfig"]["defaults"]["links"]


def test_the_table_of_runs_leads_to_all_that_is_known_of_a_run() -> None:
    [table] = [panel for _, panel in PANELS if panel["type"] == "table"]
    links = {link["title"]: link["url"] for link in table["fieldConfig"]["defaults"]["links"]}
    assert set(links) == {"Trace", "Log", "MLflow", "Report", "Prefect"}
    fields = re.findall(r"\$\{__data\.fields\.(\w+)\}", " ".join(links.values()))
    assert set(fields) == set(LAST_RUN.labels)


@pytest.mark.parametrize("page", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_leads_to_the_runs_of_the_time_and_deployment_that_it_shows(page: Path) -> None:
    document = json.loads(page.read_text(encoding="utf-8"))
    variables = {variable["name"] for variable in document["templating"]["list"]}
    wanted = "/d/taxi-comparisons?${__url_time_range}" + "&${deployment:queryparam}" * ("deployment" in variables)
    for panel in document["panels"]:
        if panel["type"] not in ("logs", "table"):
            links = {link["title"]: link["url"] for link in panel["fieldConfig"]["defaults"]["links"]}
            assert links["Last comparisons"] == wanted, panel["title"]


def test_pages_about_tiles_and_hosts_lead_to_the_dashboards_of_the_clusters() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    for stem in ("taxi-tiles", "taxi-system"):
        document = json.loads((DEPLOY / "grafana" / "dashboards" / f"{stem}.json").read_text(encoding="utf-8"))
        links = {link["title"]: link["url"] for link in document["links"]}
        values = {one["name"]: one["query"] for one in document["templating"]["list"]}
        for title, variable, service in (("Dask", "dask_url", "dask-scheduler"), ("Ray", "ray_url", "ray")):
            assert links[title] == f"${{{variable}:raw}}"
            port = str(compose[service]["ports"][0]).rsplit(":", 1)[1]
            assert f"//localhost:{port}" in values[variable]


def test_every_metric_of_a_run_is_shown_somewhere(metrics_in: MetricsIn) -> None:
    asked = {name for _, panel in PANELS for target in panel["targets"] for name in metrics_in(target["expr"])}
    asked |= {name for rule in rules() for name in metrics_in(rule["expr"])}
    unseen = [metric.name for metric in METRICS if not asked & set(metric.samples)]
    assert unseen == ["taxi_exporter_build_info"]


def test_the_dashboards_are_those_of_the_code(tmp_path: Path) -> None:
    pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk is in the group dashboards")
    made = subprocess.run([sys.executable, DEPLOY / "grafana" / "generate.py", tmp_path], check=False)
    assert made.returncode == 0
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        path.name: path.read_text() for path in DASHBOARDS
    }, "make them again: python deploy/grafana/generate.py"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_has_a_severity_a_runbook_and_a_test(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("warning", "critical")
    assert {"summary", "description", "runbook"} <= set(alert["annotations"])
    page = (REPOSITORY / alert["annotations"]["runbook"]).read_text(encoding="utf-8")
    assert page.startswith(f"# {alert['alert']}\n\n**Severity:** {alert['labels']['severity']}.")
    files = (DEPLOY / "prometheus" / "tests").glob("*.yml")
    tests = "".join(path.read_text(encoding="utf-8") for path in files)
    assert alert["alert"] in tests


def test_every_runbook_is_of_an_alert() -> None:
    linked = {alert["annotations"]["runbook"] for alert in ALERTS}
    assert linked == {
        f"docs/how-to/runbooks/{path.name}" for path in (REPOSITORY / "docs" / "how-to" / "runbooks").glob("*.md")
    }


def checker(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=str(Path.home() / "go" / "bin"))
    if found is None:
        pytest.skip(f"{name} is not installed; deploy/native/ gets it")
    return found


def check(*command: object, **environment: str) -> None:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=os.environ | environment, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_its_configuration_and_rules(tmp_path: Path) -> None:
    program = checker("promtool")
    folder = shutil.copytree(DEPLOY / "prometheus", tmp_path / "prometheus")
    (folder / "secrets").mkdir()
    (folder / "secrets" / "prefect_password").touch()
    check(program, "check", "config", folder / "prometheus.yml")
    check(program, "test", "rules", *sorted((DEPLOY / "prometheus" / "tests").glob("*.yml")))


def test_alertmanager_takes_its_configuration_and_routes_by_severity() -> None:
    program, path = checker("amtool"), DEPLOY / "alertmanager" / "alertmanager.yml"
    check(program, "check-config", path)
    check(
        program, "config", "routes", "test", f"--config.file={path}", "--verify.receivers=people", "severity=critical"
    )


def test_loki_takes_its_configuration(tmp_path: Path) -> None:
    path = DEPLOY / "loki" / "loki.yaml"
    check(checker("loki"), "-verify-config", f"-config.file={path}", "-config.expand-env=true", LOKI_DATA=str(tmp_path))


def test_jaeger_takes_its_configuration() -> None:
    check(checker("jaeger"), "validate", "--config", DEPLOY / "jaeger" / "config.yaml")


def test_what_was_seen_is_kept_for_thirty_days() -> None:
    loki = yaml.safe_load((DEPLOY / "loki" / "loki.yaml").read_text(encoding="utf-8"))
    assert (loki["limits_config"]["retention_period"], loki["compactor"]["retention_enabled"]) == ("720h", True)
    jaeger = yaml.safe_load((DEPLOY / "jaeger" / "config.yaml").read_text(encoding="utf-8"))
    assert jaeger["extensions"]["jaeger_storage"]["backends"]["disk"]["badger"]["ttl"] == {"spans": "720h"}
    for place in (DEPLOY / "compose.yaml", REPOSITORY / "src" / "taxi_mlops" / "stack" / "services" / "prometheus.py"):
        text = place.read_text(encoding="utf-8")
        assert "--storage.tsdb.retention.time=30d" in text
        assert "--storage.tsdb.retention.size=5GB" in text
