"""Every command, option, setting and target that the documentation names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from markdown_examples import REPOSITORY, blocks, code, commands, pages, words

from taxi_mlops.cli.main import app
from taxi_mlops.settings import Settings

TAXI = typer.main.get_command(app)
ELSEWHERE = {
    *("TAXI_SETTINGS", "TAXI_SECRETS_DIR"),
    *("TAXI_CONTAINERS_DIR", "TAXI_TEST_DATA", "TAXI_TEST_IMAGES", "TAXI_TEST_PROGRAMS"),
}
"""Variables that are read before there are settings, or by the tests."""


def options_of(command) -> set[str]:
    """Return the options of a command, as it has them once it is called."""
    parameters = command.get_params(typer.Context(command))
    return {name for each in parameters for name in (*each.opts, *each.secondary_opts)}


def faults(call: list[str]) -> list[str]:
    """Return what is wrong with the words of a call of `taxi`: a command or an option that does not exist."""
    command, rest = TAXI, call[1:]
    while rest and hasattr(command, "commands") and rest[0] != "--help":
        if command.name == "runs" and rest[0] not in command.commands:
            rest = ["list", *rest]
        if rest[0] not in command.commands:
            return [] if rest[0] == "--version" else [f"{' '.join(call)}: there is no command {rest[0]}"]
        command, rest = command.commands[rest[0]], rest[1:]
    options = options_of(command)
    named = [word.split("=")[0] for word in rest if re.match(r"-{1,2}[a-z]", word)]
    return [f"{' '.join(call)}: there is no option {name}" for name in named if name not in options]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_the_commands_of_a_page_exist(page: Path) -> None:
    calls = [call for block in blocks(page, "console") for command in commands(block) for call in words(command.line)]
    calls += [text.split() for text in code(page) if re.match(r"(taxi|make) [a-z]", text) and "=" not in text]
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    found = [fault for call in calls if call[0] == "taxi" for fault in faults(call)]
    found += [f"make {call[1]}" for call in calls if call[0] == "make" and call[1] not in targets]
    scripts = [word for call in calls for word in call if word.endswith((".py", ".sh")) and "/" in word]
    found += [script for script in scripts if not (REPOSITORY / script).is_file()]
    assert found == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_the_options_and_settings_of_a_page_exist(page: Path) -> None:
    def options(command) -> set[str]:
        return options_of(command).union(*(options(each) for each in getattr(command, "commands", {}).values()))

    named = [text.split()[0].split("=")[0] for text in code(page) if re.match(r"--[a-z]", text)]
    assert [name for name in named if name not in options(TAXI)] == []
    variables = set(re.findall(r"\bTAXI_[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")))
    assert variables - {f"TAXI_{name.upper()}" for name in Settings.model_fields} - ELSEWHERE == set()


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("taxi compare trips.parquet --eps 50", None),
        ("taxi runs compare A B --json", None),
        ("taxi compare --epsilon 50", "--epsilon"),
        ("taxi data fetch", "fetch"),
        ("taxi comparee", "comparee"),
    ],
)
def test_a_wrong_command_is_found(call: str, fault: str | None) -> None:
    found = faults(call.split())
    assert found == [] if fault is None else fault in found[0]
