"""The chart on a real kube-apiserver with etcd: it installs, changes nothing the second time, and upgrades.

There is no kubelet and no controller: objects are checked and stored, and no pod runs.
"""

from __future__ import annotations

import csv
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from taxi_mlops.stack.programs import find_program

Manifest = dict[str, Any]
PodSpecs = Callable[[Any], Iterator[Manifest]]
Helm = Callable[..., subprocess.CompletedProcess[str]]

CHART = Path(__file__).parents[3] / "deploy" / "helm" / "taxi-mlops"
NAMESPACE = "taxi"
TOKEN = "administrators-token"
LIMIT_SECONDS = 240
OPERATORS = {
    "monitoring.coreos.com/v1": {"PrometheusRule": "prometheusrules", "ServiceMonitor": "servicemonitors"},
    "keda.sh/v1alpha1": {"ScaledObject": "scaledobjects"},
    "kubernetes.dask.org/v1": {"DaskCluster": "daskclusters"},
    "ray.io/v1": {"RayCluster": "rayclusters"},
}
"""Kinds of operators that are not here: their names alone, without what their fields may be."""
PLURALS = {
    "ConfigMap": "configmaps",
    "Deployment": "deployments",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "Ingress": "ingresses",
    "Job": "jobs",
    "NetworkPolicy": "networkpolicies",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "StatefulSet": "statefulsets",
} | {kind: plural for kinds in OPERATORS.values() for kind, plural in kinds.items()}


@dataclass(frozen=True)
class Cluster:
    """A server of the Kubernetes API, and a client of its administrator."""

    client: httpx.Client
    kubeconfig: Path

    def path(self, version: str, plural: str) -> str:
        return f"/{'apis' if '/' in version else 'api'}/{version}/namespaces/{NAMESPACE}/{plural}"

    def try_out(self, manifest: Manifest) -> httpx.Response:
        """Have an object checked as if it were created."""
        path = self.path(manifest["apiVersion"], PLURALS.get(manifest["kind"], "pods"))
        return self.client.post(path, json=manifest, params={"dryRun": "All", "fieldValidation": "Strict"})

    def stored(self, manifest: Manifest) -> Manifest:
        path = self.path(manifest["apiVersion"], PLURALS[manifest["kind"]])
        found: Manifest = self.client.get(f"{path}/{manifest['metadata']['name']}").raise_for_status().json()
        return found


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, wait_until: Callable[..., Any]) -> Iterator[Cluster]:
    etcd, server = find_program("etcd"), find_program("kube-apiserver")
    if etcd is None or server is None:
        pytest.skip("needs etcd (install.sh --production) and kube-apiserver (build-go-program.sh kube-apiserver)")
    folder = tmp_path_factory.mktemp("kubernetes")
    with (folder / "tokens.csv").open("w", encoding="utf-8") as file:
        csv.writer(file).writerow([TOKEN, "administrator", "1", "system:masters"])
    key = folder / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    clients, peers, secure = free_ports(3)
    bound = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    commands = {
        "etcd": [
            *(etcd, f"--data-dir={folder / 'etcd'}", "--name=one"),
            *(
                f"--listen-client-urls=http://127.0.0.1:{clients}",
                f"--advertise-client-urls=http://127.0.0.1:{clients}",
            ),
            *(
                f"--listen-peer-urls=http://127.0.0.1:{peers}",
                f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
            ),
            f"--initial-cluster=one=http://127.0.0.1:{peers}",
        ],
        "kube-apiserver": [
            *(server, f"--etcd-servers=http://127.0.0.1:{clients}", "--bind-address=127.0.0.1"),
            *(f"--secure-port={secure}", f"--cert-dir={folder / 'certificates'}"),
            *(f"--token-auth-file={folder / 'tokens.csv'}", "--service-cluster-ip-range=10.0.0.0/24"),
            *("--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={key}"),
            f"--service-account-signing-key-file={key}",
            # The controller that makes each namespace's own account is not here.
            "--disable-admission-plugins=ServiceAccount",
        ],
    }
    with ExitStack() as stack:
        for name, command in commands.items():
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen([*bound, *command], stdout=log, stderr=log, cwd=folder)
            stack.callback(process.wait)
            stack.callback(process.kill)
        url = f"https://127.0.0.1:{secure}"
        client = stack.enter_context(
            # Its certificate is made by itself, a moment ago, for this machine alone.
            httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, verify=False, timeout=60)
        )

        def ready() -> bool:
            with suppress(httpx.HTTPError):
                return client.get("/readyz").is_success
            return False

        wait_until(ready, "kube-apiserver is ready", within_seconds=LIMIT_SECONDS)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(kubeconfig_of(url)), encoding="utf-8")
        prepare(client)
        made = Cluster(client, kubeconfig)
        paths = [made.path(version, plural) for version, kinds in OPERATORS.items() for plural in kinds.values()]
        wait_until(
            lambda: all(client.get(path).is_success for path in paths),
            "the kinds of operators are known",
            within_seconds=LIMIT_SECONDS,
        )
        yield made


def kubeconfig_of(url: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "test", "user": {"token": TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": NAMESPACE}}],
    }


def prepare(client: httpx.Client) -> None:
    """Make the namespace, which refuses pods that are not confined, and the kinds of operators."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
    client.post("/api/v1/namespaces", json=namespace).raise_for_status()
    for group_version, kinds in OPERATORS.items():
        group, _, version = group_version.partition("/")
        for kind, plural in kinds.items():
            anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            definition = {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{plural}.{group}"},
                "spec": {
                    "group": group,
                    "scope": "Namespaced",
                    "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
                    "versions": [
                        {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
                    ],
                },
            }
            client.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", json=definition).raise_for_status()


def test_the_server_takes_every_object(cluster: Cluster, manifests: list[Manifest]) -> None:
    for one in manifests:
        answer = cluster.try_out(one)
        assert answer.is_success, answer.text
        assert "Warning" not in answer.headers, answer.headers["Warning"]


def test_a_restricted_namespace_takes_every_pod(
    cluster: Cluster, manifests: list[Manifest], pod_specs: PodSpecs
) -> None:
    """The Pod Security Standard `restricted`, enforced by the server itself."""
    for one in manifests:
        for number, pod in enumerate(pod_specs(one)):
            answer = cluster.try_out(
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{number}"}, "spec": pod}
            )
            assert answer.is_success, answer.text


def test_it_installs_twice_without_a_change_and_upgrades(
    cluster: Cluster, helm: Helm, rendered: Callable[[Path], list[Manifest]], values: Callable[[str], Path]
) -> None:
    def upgrade(name: str) -> None:
        # Hooks are Jobs, which nothing runs here.
        done = helm(
            *("upgrade", "--install", "city", str(CHART), "--namespace", NAMESPACE, "--no-hooks"),
            *("--values", str(values(name))),
            KUBECONFIG=str(cluster.kubeconfig),
        )
        assert done.returncode == 0, done.stderr

    def objects(name: str) -> dict[str, Manifest]:
        stored = [cluster.stored(one) for one in rendered(values(name)) if one["kind"] != "Job"]
        for one in stored:
            # Who changed which field when: the server notes that nothing was changed, too.
            del one["metadata"]["managedFields"], one["metadata"]["resourceVersion"]
        return {f"{one['kind']}/{one['metadata']['name']}": one for one in stored}

    upgrade("minimal")
    before = objects("minimal")
    upgrade("minimal")
    assert objects("minimal") == before
    upgrade("full")
    for one in rendered(values("full")):
        if one["kind"] == "NetworkPolicy":
            assert cluster.stored(one)["spec"] == one["spec"], "the server has another policy than was meant"
    assert len(objects("full")) > len(before)
    done = helm("history", "city", "--namespace", NAMESPACE, "--output", "json", KUBECONFIG=str(cluster.kubeconfig))
    assert [one["status"] for one in yaml.safe_load(done.stdout)] == ["superseded", "superseded", "deployed"]
