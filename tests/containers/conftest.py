"""The platform of deploy/compose.yaml in real containers: `make test-containers`. Not part of `make test`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import podman_engine
import pytest
from platform_in_containers import Platform, build_images
from podman_engine import Podman

ASKED = os.environ.get("TAXI_TEST_CONTAINERS") == "1"
collect_ignore_glob = [] if ASKED else ["test_*.py"]


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    """The engine; skips where no container can be started."""
    if reason := podman_engine.unavailable():
        pytest.skip(reason)
    engine = Podman(podman_engine.folder())
    with engine.started():
        yield engine


@pytest.fixture(scope="session")
def images(podman: Podman) -> Podman:
    """The engine with the stand-ins, and both images of deploy/Dockerfile."""
    build_images(podman)
    return podman


@pytest.fixture(scope="session")
def platform(images: Podman, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """All services, healthy. Tests leave them so."""
    platform = Platform(images, tmp_path_factory.mktemp("platform"))
    platform.up()
    return platform
