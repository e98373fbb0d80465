"""The package of docs/how-to/write-an-adapter.md, built from the page itself and installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "write-an-adapter.md"
FILE = re.compile(r"^`([\w.]+)`:\n\n(?:<!-- [^>]* -->\n\n)?```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages with the page's files, laid out as an installer does."""
    folder = tmp_path_factory.mktemp("site")
    for name, content in FILE.findall(PAGE.read_text(encoding="utf-8")):
        (folder / name).write_text(content, encoding="utf-8")
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    (group, adapters) = next(iter(project["entry-points"].items()))
    lines = [f"{name} = {target}" for name, target in adapters.items()]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]))
    return folder


def python(site: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=site, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_passes_the_suite(site: Path) -> None:
    printed = python(site, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider")
    assert re.search(r"^\d{2,} passed, \d+ skipped in", printed, re.MULTILINE), printed


def test_it_is_listed_beside_ours(site: Path) -> None:
    printed = python(site, "-c", "from taxi_mlops.cli.main import main; main()", "adapters", "--json")
    listed = {row["name"]: row for row in json.loads(printed)}
    assert listed["graph"]["available"]
    assert listed["graph"]["info"]["exact"]
    assert listed["sklearn"]["available"]


def test_listing_imports_none_of_the_libraries(site: Path) -> None:
    program = (
        "import sys; from taxi_mlops.adapters.registry import list_adapters; list_adapters();"
        "print(sorted({'sklearn', 'dbscan', 'hdbscan', 'sklearnex', 'scipy', 'numba', 'joblib'} & sys.modules.keys()))"
    )
    assert python(site, "-c", program).strip() == "[]"
