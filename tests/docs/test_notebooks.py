"""The notebooks of the documentation run, each in an empty folder, and hold the outputs of all their cells."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest
from notebooks import NOTEBOOKS, executed

NEEDED = ("nbclient", "ipykernel", "pandas", "geopandas", "folium", "mapclassify", "matplotlib")
MAX_STORED_BYTES = 150_000
"""Outputs are in the repository: pictures of maps may be, live maps may not."""

ABSOLUTE_PATH = re.compile(r"(?<![\w+/=:.<\\-])/[A-Za-z_][\w.-]*/[\w.-]*")
"""Neither a part of a longer path, address, closing tag or picture in base64."""


def text_outputs(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what each cell of code prints or shows as text; numbers that differ from run to run are in tables."""
    return [
        "".join(output.get("text", "") or output.data.get("text/plain", "") for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.timeout(900)
def test_a_notebook_runs_and_shows_what_it_did(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}; get them with the extra notebook")
    monkeypatch.setenv("TAXI_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TAXI_MLFLOW_URI", "off")
    work = tmp_path / "work"
    work.mkdir()
    now, stored = text_outputs(executed(path, work)), text_outputs(nbformat.read(path, as_version=4))
    assert len(now) == len(stored)
    for shown, before in zip(now, stored, strict=True):
        first, first_before = shown.partition("\n")[0], before.partition("\n")[0]
        assert first.split("in ")[0] == first_before.split("in ")[0]  # but for the seconds of pytest


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs_are_small_and_name_no_place_of_a_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) < MAX_STORED_BYTES
    for place in ("/tmp/", "/home/", "/root/", "/Users/", "<script"):
        assert place not in text
    assert ABSOLUTE_PATH.findall(text) == []
    cells = [cell for cell in nbformat.reads(text, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
