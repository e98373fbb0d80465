"""The Helm chart: what it makes is confined, complete, and of the same files as everything else."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from taxi_mlops.settings import Settings

Manifest = dict[str, Any]
PodSpecs = Callable[[Any], Iterator[Manifest]]
Helm = Callable[..., subprocess.CompletedProcess[str]]
Rendered = Callable[[Path], list[Manifest]]
Values = Callable[[str], Path]

REPOSITORY = Path(__file__).parents[3]
CHART = REPOSITORY / "deploy" / "helm" / "taxi-mlops"
SETS = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").iterdir())
CUSTOM = {"DaskCluster", "RayCluster", "PrometheusRule", "ScaledObject", "ServiceMonitor"}
"""Kinds of operators, which Kubernetes' own schemas do not describe."""
OPERATED = {"DaskCluster", "RayCluster"}


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [one for one in manifests if one["kind"] == kind]


def named(manifests: list[Manifest], kind: str, ending: str) -> Manifest:
    [found] = [one for one in of_kind(manifests, kind) if one["metadata"]["name"].endswith(ending)]
    return found


def environment(container: Manifest) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in container.get("env", ())}


def test_there_are_six_sets_of_values() -> None:
    assert SETS == ["autoscaled", "full", "managed", "minimal", "one-node", "ray"]


@pytest.mark.parametrize("name", SETS)
def test_helm_finds_nothing_to_complain_of(name: str, helm: Helm, values: Values) -> None:
    done = helm("lint", "--strict", str(CHART), "--values", str(values(name)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


def test_kubernetes_knows_every_field(manifests: list[Manifest]) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate checks manifests")
    for one in manifests:
        if one["kind"] not in CUSTOM:
            validate.validate(one, "1.37", strict=True)


def test_names_differ_and_are_short_enough(manifests: list[Manifest]) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in manifests]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9][-a-z0-9]{0,61}[a-z0-9]", name) for _, name in names)
    assert all(one["metadata"]["labels"]["app.kubernetes.io/instance"] == "city" for one in manifests)


def test_every_pod_is_confined(manifests: list[Manifest], pod_specs: PodSpecs) -> None:
    pods = [pod for one in manifests for pod in pod_specs(one)]
    assert pods
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & {key for key, value in pod.items() if value}
        assert not [volume for volume in pod["volumes"] if "hostPath" in volume]
        security = pod["securityContext"]
        assert security["runAsNonRoot"]
        assert security["runAsUser"] == 10001
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            own = container["securityContext"]
            assert own["readOnlyRootFilesystem"]
            assert own["allowPrivilegeEscalation"] is False
            assert own["privileged"] is False
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert set(container["resources"]) == {"requests", "limits"}
            assert {"cpu", "memory"} <= set(container["resources"]["limits"])
            assert not re.search(r":latest$|:$", container["image"])


def test_every_pod_that_lasts_is_probed(manifests: list[Manifest], pod_specs: PodSpecs) -> None:
    for one in manifests:
        if one["kind"] != "Job":
            for pod in pod_specs(one):
                for container in pod["containers"]:
                    assert {"startupProbe", "livenessProbe"} <= set(container), container["name"]
        if one["kind"] in ("Deployment", "StatefulSet"):
            pod = one["spec"]["template"]["spec"]
            assert "readinessProbe" in pod["containers"][0]
            assert {each["topologyKey"] for each in pod["topologySpreadConstraints"]} == {
                "topology.kubernetes.io/zone",
                "kubernetes.io/hostname",
            }


def test_no_secret_is_a_value(manifests: list[Manifest], pod_specs: PodSpecs) -> None:
    """Secrets are files of Secrets that exist; one alone is in the environment, since Prefect reads it there."""
    assert not of_kind(manifests, "Secret")
    for one in manifests:
        for pod in pod_specs(one):
            for container in pod["containers"]:
                from_secret = {each["name"] for each in container.get("env", ()) if "valueFrom" in each}
                assert from_secret <= {"PREFECT_API_AUTH_STRING"}
                assert not [name for name in environment(container) if re.search("PASSWORD|SECRET_KEY|_TOKEN$", name)]


def test_settings_are_those_of_the_code(rendered: Rendered, values: Values) -> None:
    worker = named(rendered(values("full")), "StatefulSet", "-worker")
    pod = worker["spec"]["template"]["spec"]
    known = {f"TAXI_{name}".upper() for name in Settings.model_fields} | {"TAXI_SECRETS_DIR"}
    given = {name for name in environment(pod["containers"][0]) if name.startswith("TAXI_")}
    assert given <= known
    [secrets] = [volume for volume in pod["volumes"] if volume["name"] == "secrets"]
    files = {item["path"] for source in secrets["projected"]["sources"] for item in source["secret"]["items"]}
    assert files == {
        "taxi_experiments_url",
        "taxi_redis_url",
        "taxi_object_store_access_key",
        "taxi_object_store_secret_key",
        "taxi_prefect_api_auth",
        "taxi_mlflow_password",
    }
    assert {name.upper() for name in files} <= known
    assert environment(pod["containers"][0])["TAXI_SCHEDULE_TIMEZONE"] == "America/Santiago"


def test_without_a_server_no_database_is_shared_through_files(
    rendered: Rendered, values: Values, pod_specs: PodSpecs
) -> None:
    for one in rendered(values("minimal")):
        for pod in pod_specs(one):
            for container in pod["containers"]:
                assert environment(container)["TAXI_EXPERIMENTS_URL"] == "off"
                assert environment(container)["TAXI_MLFLOW_URI"] == "off"


def test_the_worker_is_started_as_in_the_compose_file(rendered: Rendered, values: Values) -> None:
    compose = yaml.safe_load((REPOSITORY / "deploy" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    pod = named(rendered(values("minimal")), "StatefulSet", "-worker")["spec"]["template"]["spec"]
    assert pod["containers"][0]["command"] == compose["prefect-worker"]["command"]
    lines = (REPOSITORY / "deploy" / "prefect" / "worker.env").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if not line.startswith("#"):
            name, _, value = line.partition("=")
            assert environment(pod["containers"][0])[name] == value


def test_rules_are_those_of_prometheus(rendered: Rendered, values: Values) -> None:
    made = {one["metadata"]["name"]: one["spec"] for one in of_kind(rendered(values("full")), "PrometheusRule")}
    files = sorted((REPOSITORY / "deploy" / "prometheus" / "rules").glob("*.yml"))
    assert made == {f"city-taxi-mlops-{path.stem}": yaml.safe_load(path.read_text(encoding="utf-8")) for path in files}


def test_alerts_can_be_turned_off(rendered: Rendered, values: Values) -> None:
    def alerts(name: str) -> list[str]:
        rules = of_kind(rendered(values(name)), "PrometheusRule")
        return [
            rule["alert"]
            for one in rules
            for group in one["spec"]["groups"]
            for rule in group["rules"]
            if "alert" in rule
        ]

    off = {"ServiceDown", "DiskFull", "MemoryShort"}
    assert set(alerts("full")) - set(alerts("managed")) == off
    assert len(alerts("managed")) == len(alerts("full")) - len(off)


def test_dashboards_are_those_of_grafana(rendered: Rendered, values: Values) -> None:
    maps = [
        one
        for one in of_kind(rendered(values("full")), "ConfigMap")
        if "grafana_dashboard" in one["metadata"]["labels"]
    ]
    made = {name: json.loads(text) for one in maps for name, text in one["data"].items()}
    files = (REPOSITORY / "deploy" / "grafana" / "dashboards").glob("*.json")
    assert made == {path.name: json.loads(path.read_text(encoding="utf-8")) for path in files}


def test_jobs_of_scrapes_are_those_that_rules_ask_for(rendered: Rendered, values: Values) -> None:
    monitors = of_kind(rendered(values("full")), "ServiceMonitor")
    [jobs] = [[one["spec"]["endpoints"][0]["relabelings"][0]["replacement"] for one in monitors]]
    assert sorted(jobs) == ["prefect-worker", "taxi-exporter", "taxi-serve"]
    services = {one["metadata"]["name"]: one for one in of_kind(rendered(values("full")), "Service")}
    for one in monitors:
        service = services[one["metadata"]["name"]]
        wanted = one["spec"]["selector"]["matchLabels"].items()
        assert wanted <= service["metadata"]["labels"].items()
        assert one["spec"]["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_tables_are_migrated_before_an_upgrade_and_schedules_made_after_it(rendered: Rendered, values: Values) -> None:
    jobs = {job["metadata"]["name"]: job for job in of_kind(rendered(values("full")), "Job")}
    migrations, setup = jobs["city-taxi-mlops-migrations"], jobs["city-taxi-mlops-setup"]
    assert migrations["metadata"]["annotations"]["helm.sh/hook"] == "post-install,pre-upgrade"
    assert setup["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade"
    weights = [int(job["metadata"]["annotations"]["helm.sh/hook-weight"]) for job in (migrations, setup)]
    assert weights == sorted(weights)
    commands = [job["spec"]["template"]["spec"]["containers"][0]["command"] for job in (migrations, setup)]
    assert commands == [["taxi", "setup", "experiments"], ["taxi", "setup", "buckets", "deployments"]]


def test_workers_are_scaled_by_the_runs_that_wait(rendered: Rendered, values: Values, metrics_in: Any) -> None:
    worker = named(rendered(values("autoscaled")), "StatefulSet", "-worker")
    assert "replicas" not in worker["spec"], "the autoscaler's number would be overwritten by each upgrade"
    [scaled] = of_kind(rendered(values("autoscaled")), "ScaledObject")
    assert scaled["spec"]["scaleTargetRef"]["name"] == worker["metadata"]["name"]
    [trigger] = scaled["spec"]["triggers"]
    assert metrics_in(trigger["metadata"]["query"]) == {"taxi_flow_runs"}
    [hpa] = of_kind(rendered(values("ray")), "HorizontalPodAutoscaler")
    assert hpa["spec"]["metrics"][0]["external"]["metric"]["name"] == "taxi_flow_runs"


def test_a_volume_of_one_node_keeps_its_pods_together(rendered: Rendered, values: Values, pod_specs: PodSpecs) -> None:
    for one in rendered(values("one-node")):
        for pod in pod_specs(one):
            claims = [volume for volume in pod["volumes"] if "persistentVolumeClaim" in volume]
            [*terms] = (
                pod.get("affinity", {}).get("podAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", [])
            )
            assert len(terms) == len(claims)


WRONG = [
    ("worker.replicas=-1", "worker"),
    ("workers.replicas=2", "workers"),
    ("services.mlflow.url=http://user:pass@mlflow:5000", "url"),
    ("settings.mlflow_password=x", "mlflow_password"),
    ("image.pullPolicy=Sometimes", "pullPolicy"),
    ("runs.size=much", "size"),
    ("services.prefect.url=", "services.prefect.url is not set"),
    ("serving.enabled=true", "services.mlflow.url is not set"),
    ("ray.enabled=true", "ray.existingSecret.name"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG, ids=[wrong for wrong, _ in WRONG])
def test_wrong_values_are_refused_with_their_name(wrong: str, said: str, helm: Helm, values: Values) -> None:
    done = helm("template", "city", str(CHART), "--values", str(values("minimal")), "--set", wrong)
    assert done.returncode != 0
    assert said in done.stderr
