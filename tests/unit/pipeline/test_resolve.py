"""What a comparison runs that names no adapters."""

from __future__ import annotations

import pytest

from taxi_mlops.adapters.registry import AdapterListing
from taxi_mlops.domain import AdapterInfo
from taxi_mlops.pipeline import resolve as module
from taxi_mlops.pipeline.resolve import resolve
from taxi_mlops.specification import Specification


def listing(name: str, *, available: bool = True, by_default: bool = True) -> AdapterListing:
    info = AdapterInfo(name, "1", "", exact=True, weighted=True, parallel=True, homepage="") if available else None
    return AdapterListing(name, available, None if available else "gone", f"pip install {name}", info, by_default)


@pytest.fixture(autouse=True)
def listings(monkeypatch: pytest.MonkeyPatch) -> None:
    found = (
        listing("sklearn"),
        listing("missing", available=False),
        listing("cluster", by_default=False),
        listing("missing-cluster", available=False, by_default=False),
    )
    monkeypatch.setattr(module, "list_adapters", lambda: found)


def test_those_that_start_a_cluster_are_left_out_and_not_missed() -> None:
    resolved = resolve(Specification())
    assert resolved.specification.trials.adapters == ("sklearn",)
    assert [one.name for one in resolved.unavailable] == ["missing"]


def test_those_that_are_named_run() -> None:
    resolved = resolve(Specification().with_parameters({"adapters": "cluster"}))
    assert resolved.specification.trials.adapters == ("cluster",)
