"""The services of the profiles: the same addresses for clients, whatever is behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from taxi_mlops.errors import UsageError
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.native import Stack
from taxi_mlops.stack.registry import Registry
from taxi_mlops.stack.services import PROFILES

SINGLE, PRODUCTION = (Registry(PROFILES[name]) for name in ("single", "production"))


def names(registry: Registry, *wanted: str) -> list[str]:
    return [service.name for service in registry.in_order(wanted)]


@pytest.mark.parametrize("registry", [SINGLE, PRODUCTION], ids=list(PROFILES))
def test_what_a_service_needs_starts_before_it(registry: Registry) -> None:
    order = names(registry, *(service.name for service in registry.services))
    assert len(order) == len(set(order)) == len(registry.services)
    for service in registry.services:
        assert all(order.index(need) < order.index(service.name) for need in service.depends_on)


def test_production_has_every_service_of_a_single_stack() -> None:
    assert {one.name for one in SINGLE.services} < {one.name for one in PRODUCTION.services}
    assert names(SINGLE, "postgresql") == ["postgresql"]
    order = names(PRODUCTION, "postgresql")
    assert order[-3:] == ["patroni-1", "patroni-2", "postgresql"]
    assert sorted(order[:3]) == ["etcd-1", "etcd-2", "etcd-3"]


def test_clients_have_the_same_settings_and_replicas_none(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path)
    folder.make()
    single = {service.name: dict(service.settings(folder)) for service in SINGLE.services}
    production = {service.name: dict(service.settings(folder)) for service in PRODUCTION.services}
    assert {name: production[name] for name in single} == single
    assert not [name for name in production.keys() - single if production[name]]


def test_an_unknown_service_is_named() -> None:
    with pytest.raises(UsageError, match=r"no service 'etcd-1'; there are postgresql, redis"):
        SINGLE.in_order(["etcd-1"])


def test_an_unknown_profile_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no profile 'staging'; there are single, production"):
        Stack.at(tmp_path / "stack").up(["redis"], profile="staging")
    assert not (tmp_path / "stack").exists()


@pytest.mark.parametrize("kept", ["single", None])
def test_a_folder_keeps_its_profile(tmp_path: Path, kept: str | None) -> None:
    folder = StackFolder(tmp_path)
    folder.make()
    folder.write_services(("redis",))  # as before there were profiles
    if kept:
        folder.write_profile(kept)
    with pytest.raises(UsageError, match=r"has the profile single, whose data another cannot use"):
        Stack.at(tmp_path).up(profile="production")
