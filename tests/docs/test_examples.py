"""The examples of the documentation run: Python blocks, and console blocks that are marked with a comment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path
from types import ModuleType

import pytest
from markdown_examples import NOT_RUN, RUN, Block, blocks, commands, pages

PAGES = pages()[1:]
"""Without README: its demo is a test of its own."""


def examples(language: str) -> list:
    """Return the pages with blocks of a language that run, each with these blocks."""
    wanted = (lambda block: block.note == RUN) if language == "console" else lambda block: NOT_RUN not in block.note
    found = {page: [block for block in blocks(page, language) if wanted(block)] for page in PAGES}
    return [pytest.param(block, id=block[0].name) for block in found.values() if block]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder with trips.parquet, where a user would work, and the cache of this user."""
    from taxi_mlops.data.synthetic import write_parquet

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAXI_CACHE_DIR", str(tmp_path / "cache"))
    write_parquet(tmp_path / "trips.parquet", rows=5000, seed=0)
    return tmp_path


@pytest.mark.parametrize("page", examples("python"))
def test_the_python_of_a_page_runs(page: list[Block], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page are one program."""
    example = ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", example)
    for block in page:
        lines = "\n" * (block.line - 1)  # so that a traceback shows the line of the page
        exec(compile(lines + block.text, block.page, "exec"), vars(example))


@pytest.mark.parametrize("page", examples("console"))
@pytest.mark.timeout(600)
def test_the_commands_of_a_page_run_and_print_what_it_shows(page: list[Block], folder: Path) -> None:
    """An output that is shown is compared; `…` in it stands for anything."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "80",
    }
    for command in (command for block in page for command in commands(block)):
        called = subprocess.run(
            ["bash", "-c", command.line],
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert called.returncode == 0, f"{command.line}\n{called.stderr}"
        if expected := command.output.strip():
            alike = OutputChecker().check_output(
                expected.replace("…", "...") + "\n", called.stdout.replace("…", "..."), ELLIPSIS | NORMALIZE_WHITESPACE
            )
            assert alike, f"{command.line}\n{called.stdout}"
