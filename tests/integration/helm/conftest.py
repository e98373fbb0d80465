"""The chart as Helm renders it, once for each set of values."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from taxi_mlops.stack.programs import find_program

CHART = Path(__file__).parents[3] / "deploy" / "helm" / "taxi-mlops"
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
NAMESPACE = "taxi"
RELEASE = "city"

Manifest = dict[str, Any]


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Helm with these arguments, with folders of its own."""
    program = find_program("helm")
    if program is None:
        pytest.skip("helm is not installed; sh deploy/native/build-go-program.sh helm builds it")
    home = tmp_path_factory.mktemp("helm")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=240, check=False, env=environment | more
        )

    return run


@pytest.fixture(scope="session")
def rendered(helm: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., list[Manifest]]:
    """Render the chart with a file of values: all manifests, hooks too."""
    known: dict[Path, list[Manifest]] = {}

    def render(path: Path) -> list[Manifest]:
        if path not in known:
            done = helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--values", str(path))
            assert done.returncode == 0, done.stderr
            known[path] = [one for one in yaml.safe_load_all(done.stdout) if one]
        return known[path]

    return render


@pytest.fixture(params=VALUES, ids=lambda path: path.name.removesuffix("-values.yaml"))
def manifests(request: pytest.FixtureRequest, rendered: Callable[..., list[Manifest]]) -> list[Manifest]:
    return rendered(request.param)


@pytest.fixture(scope="session")
def values() -> Callable[[str], Path]:
    """The path of a set of values by its name."""
    return lambda name: CHART / "ci" / f"{name}-values.yaml"


@pytest.fixture(scope="session")
def pod_specs() -> Callable[[Any], Iterator[Manifest]]:
    """Find all pods in a manifest, also those of operators' resources."""

    def found(manifest: Any) -> Iterator[Manifest]:
        if isinstance(manifest, dict):
            if "containers" in manifest:
                yield manifest
            for value in manifest.values():
                yield from found(value)
        elif isinstance(manifest, list):
            for value in manifest:
                yield from found(value)

    return found
