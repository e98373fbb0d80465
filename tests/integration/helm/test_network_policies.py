"""The chart's network policies, read back: who may reach whom, as Kubernetes' rules say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Manifest = dict[str, Any]
Labels = dict[str, str]

NAMESPACE, MONITORING, ELSEWHERE = "taxi", "monitoring", "prefect"
DNS_LABELS = {"k8s-app": "kube-dns"}


def matches(selector: Manifest, labels: Labels) -> bool:
    """A label selector: without terms it matches everything."""
    if not all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for term in selector.get("matchExpressions", ()):
        assert term["operator"] == "In"
        if labels.get(term["key"]) not in term["values"]:
            return False
    return True


def is_peer(peer: Manifest, namespace: str, labels: Labels) -> bool:
    if "ipBlock" in peer:
        return False
    if "namespaceSelector" in peer:
        there = matches(peer["namespaceSelector"], {"kubernetes.io/metadata.name": namespace})
    else:
        there = namespace == NAMESPACE
    return there and matches(peer.get("podSelector", {}), labels)


def allowed(
    manifests: list[Manifest],
    direction: str,
    pod: Labels,
    namespace: str,
    other: Labels,
    port: int,
    protocol: str = "TCP",
) -> bool:
    """Whether a pod of the release may connect to (Egress), or be connected from (Ingress), another pod."""
    policies = [
        one["spec"]
        for one in manifests
        if one["kind"] == "NetworkPolicy"
        and direction in one["spec"]["policyTypes"]
        and matches(one["spec"]["podSelector"], pod)
    ]
    if not policies:
        return True
    field, side = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return any(
        (not rule.get(side) or any(is_peer(peer, namespace, other) for peer in rule[side]))
        and (
            not rule.get("ports") or any((each["protocol"], each["port"]) == (protocol, port) for each in rule["ports"])
        )
        for policy in policies
        for rule in policy.get(field, ())
    )


def pods(manifests: list[Manifest]) -> dict[str, Labels]:
    """The labels of our own pods by component."""
    found = {}
    for one in manifests:
        if one["kind"] in ("Deployment", "Job", "StatefulSet"):
            labels = one["spec"]["template"]["metadata"]["labels"]
            found[labels["app.kubernetes.io/component"]] = labels
    return found


@pytest.fixture
def full(rendered: Callable[[Path], list[Manifest]], values: Callable[[str], Path]) -> list[Manifest]:
    return rendered(values("full"))


def test_nothing_is_open_by_default(manifests: list[Manifest]) -> None:
    stranger = {"app": "stranger"}
    for labels in pods(manifests).values():
        for port in (22, 80, 443, 8080, 9465, 9464):
            assert not allowed(manifests, "Ingress", labels, ELSEWHERE, stranger, port)
        assert not allowed(manifests, "Egress", labels, ELSEWHERE, stranger, 22)
        assert not allowed(manifests, "Egress", labels, NAMESPACE, stranger, 25)


def test_names_are_resolved_by_the_clusters_dns_alone(manifests: list[Manifest]) -> None:
    for labels in pods(manifests).values():
        for protocol in ("UDP", "TCP"):
            assert allowed(manifests, "Egress", labels, "kube-system", DNS_LABELS, 53, protocol)
            assert not allowed(manifests, "Egress", labels, ELSEWHERE, DNS_LABELS, 53, protocol)


REACHES = {
    "worker": {5432, 6379, 9000, 4200, 5000, 9091, 4318, 3100},
    "exporter": {5432, 6379, 9000, 4200, 5000, 9091, 4318, 3100},
    "setup": {5432, 9000, 4200},
    "serving": {5432, 6379, 5000},
}


@pytest.mark.parametrize("component", REACHES)
def test_each_reaches_the_services_that_it_needs_and_no_other(full: list[Manifest], component: str) -> None:
    labels = pods(full)[component]
    every = set().union(*REACHES.values(), {22, 53, 80, 443, 8786, 10001})
    assert {port for port in every if allowed(full, "Egress", labels, ELSEWHERE, {}, port)} == REACHES[component]


def test_prometheus_alone_scrapes(full: list[Manifest]) -> None:
    for component, port in {"worker": 9465, "exporter": 9464, "serving": 8000}.items():
        labels = pods(full)[component]
        assert allowed(full, "Ingress", labels, MONITORING, {}, port)
        assert not allowed(full, "Ingress", labels, MONITORING, {}, 8080)
        assert not allowed(full, "Ingress", labels, ELSEWHERE, {}, port)


def test_the_hotspot_service_answers_its_namespace_and_the_ingress(full: list[Manifest]) -> None:
    labels = pods(full)["serving"]
    assert allowed(full, "Ingress", labels, NAMESPACE, {"app": "client"}, 8000)
    assert allowed(full, "Ingress", labels, "ingress-nginx", {}, 8000)
    assert not allowed(full, "Ingress", labels, ELSEWHERE, {}, 8000)


@pytest.mark.parametrize(
    ("name", "labels", "port"),
    [
        ("autoscaled", {"dask.org/cluster-name": "city-taxi-mlops-dask", "dask.org/component": "scheduler"}, 8786),
        ("ray", {"ray.io/cluster": "city-taxi-mlops-ray", "ray.io/node-type": "head"}, 10001),
    ],
)
def test_only_workers_reach_a_cluster_that_runs_code(
    rendered: Callable[[Path], list[Manifest]],
    values: Callable[[str], Path],
    name: str,
    labels: Labels,
    port: int,
) -> None:
    manifests = rendered(values(name))
    ours = pods(manifests)
    assert allowed(manifests, "Ingress", labels, NAMESPACE, ours["worker"], port)
    assert allowed(manifests, "Egress", ours["worker"], NAMESPACE, labels, port)
    assert allowed(manifests, "Ingress", labels, NAMESPACE, labels, 40000)
    assert not allowed(manifests, "Ingress", labels, NAMESPACE, ours["exporter"], port)
    assert not allowed(manifests, "Ingress", labels, NAMESPACE, {"app": "stranger"}, port)
    assert not allowed(manifests, "Ingress", labels, ELSEWHERE, {}, port)
    assert not allowed(manifests, "Egress", labels, ELSEWHERE, {}, 5432)


def test_the_internet_is_reached_where_values_say_so_alone(
    rendered: Callable[[Path], list[Manifest]], values: Callable[[str], Path]
) -> None:
    for path in (values("full"), values("minimal")):
        assert "ipBlock" not in str(rendered(path))
    blocks = [
        (one["metadata"]["name"], peer["ipBlock"]["cidr"])
        for one in rendered(values("managed"))
        if one["kind"] == "NetworkPolicy"
        for rule in one["spec"].get("egress", ())
        for peer in rule["to"]
        if "ipBlock" in peer
    ]
    assert ("city-taxi-mlops-worker-more", "0.0.0.0/0") in blocks
    assert {name for name, cidr in blocks if cidr == "0.0.0.0/0"} == {"city-taxi-mlops-worker-more"}
