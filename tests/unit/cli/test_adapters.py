"""`taxi adapters`, with a package on the path whose library is missing and one that is broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from taxi_mlops.cli.main import app

MODULE = """
from taxi_mlops.adapters.sklearn import SklearnAdapter

class NoLibrary(SklearnAdapter):
    requires = "no_such_library"
    install = "pip install 'no-such-library[extra]'"
"""


@pytest.fixture(autouse=True)
def _their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = tmp_path / "their_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[taxi_mlops.adapters]\nlacking = listed_module:NoLibrary\nwrong = listed_module:Absent\n"
    )
    (tmp_path / "listed_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("TAXI_CACHE_DIR", str(tmp_path / "cache"))


def test_the_table_says_what_is_missing_and_how_to_get_it() -> None:
    result = CliRunner().invoke(app, ["adapters"])
    assert result.exit_code == 0, result.output
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in result.output.splitlines() if line}
    assert rows["lacking"] == (
        "missing library no_such_library is not installed; install it with: pip install 'no-such-library[extra]'"
    )
    assert rows["wrong"].startswith("broken adapter 'wrong' of package their-package cannot be loaded")
    assert rows["turf"].endswith("install it with: taxi adapters install turf")
    assert rows["sklearn"].endswith("yes yes no cpu scikit-learn, ball tree and haversine, one thread")


def test_json_has_every_adapter() -> None:
    result = CliRunner().invoke(app, ["adapters", "--json"])
    listed = {row["name"]: row for row in json.loads(result.output)}
    assert listed["lacking"]["install"] == "pip install 'no-such-library[extra]'"
    assert listed["wrong"]["info"] is None
    assert listed["commons-math"]["install"] == "taxi adapters install commons-math"
    assert listed["sklearn"]["info"]["exact"] is True
