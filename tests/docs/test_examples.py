"""The examples of the documentation run: console blocks that are marked with a comment, and Python blocks."""

from __future__ import annotations

import os
import subprocess
import sys
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
from markdown_examples import REPOSITORY, Block, blocks, commands, pages

EXAMPLES = {
    str(page.relative_to(REPOSITORY)): found
    for page in pages()
    if (found := [block for block in blocks(page, "console", "python") if block.is_run])
}
"""The blocks that run, by page. README is without: its demo is a test of its own."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with trips.parquet, where a user would work, and the cache of this user."""
    from taxi_mlops.data.synthetic import write_parquet

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAXI_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TAXI_MLFLOW_URI", "off")  # its start would take longer than most examples
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    write_parquet(tmp_path / "trips.parquet", rows=5000, seed=0)
    return tmp_path


@pytest.mark.parametrize("page", EXAMPLES)
@pytest.mark.timeout(600)
def test_the_examples_of_a_page_run(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page follow each other: commands in one folder, Python blocks in one program."""
    program = ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", program)
    for block in EXAMPLES[page]:
        if block.needs and find_spec(block.needs) is None:
            pytest.skip(f"{block.name} needs {block.needs}, which is not installed")
        if block.language == "console":
            run_commands(block)
        else:
            lines = "\n" * (block.line - 1)  # so that a traceback shows the line of the page
            exec(compile(lines + block.text, block.page, "exec"), vars(program))


def run_commands(block: Block) -> None:
    """Run the commands of a block, and compare the output that it shows; `…` in it stands for anything."""
    for command in commands(block):
        called = subprocess.run(
            ["bash", "-c", command.line], check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert called.returncode == 0, f"{block.name}: {command.line}\n{called.stderr}"
        if expected := command.output.strip():
            alike = OutputChecker().check_output(
                expected.replace("…", "...") + "\n", called.stdout.replace("…", "..."), ELLIPSIS | NORMALIZE_WHITESPACE
            )
            assert alike, f"{block.name}: {command.line}\n{called.stdout}"


def test_there_are_examples() -> None:
    """Those who begin have nothing but examples to go by."""
    assert {"docs/index.md", "docs/tutorials/from-a-file-to-a-decision.md"} <= EXAMPLES.keys()
    assert len(EXAMPLES) >= 8
