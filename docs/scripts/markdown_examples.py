"""Find the examples in the documentation: fenced blocks, the commands in them, and code within sentences."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

REPOSITORY = Path(__file__).resolve().parents[2]
PROMPT = "$ "
RUN, NOT_RUN = "<!-- run -->", "<!-- not run:"
_RUN_WITH = re.compile(r"<!-- run with (?P<library>\w+) -->")
_SEPARATORS = frozenset(";&|<>()")


@dataclass(frozen=True)
class Block:
    """A fenced block. line: of its first line in the page, from 1. note: the comment right before it, or nothing."""

    page: Path
    line: int
    language: str
    text: str
    note: str

    @property
    def is_run(self) -> bool:
        """Whether the tests run it: console blocks that say so, and Python blocks that do not deny it."""
        if self.language == "console":
            return self.note == RUN or self.needs is not None
        return NOT_RUN not in self.note

    @property
    def needs(self) -> str | None:
        """The import name of a library beyond the core without which it is not run."""
        found = _RUN_WITH.search(self.note)
        return found["library"] if found else None

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command of a console block and the output that is shown for it; either may have several lines."""

    line: str
    output: str


def pages() -> list[Path]:
    """Return the READMEs, CONTRIBUTING and all pages of the site, generated parts left out."""
    written = (path for path in (REPOSITORY / "docs").rglob("*.md") if "_generated" not in path.parts)
    return [*(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "engine/README.md")), *sorted(written)]


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    """Yield the fenced blocks of some languages, in the order of the page."""
    before = ""
    for token in _tokens(page):
        if token.type == "fence" and token.map and (language := token.info.partition(" ")[0]) in languages:
            yield Block(page, token.map[0] + 2, language, token.content, before)
        if token.type not in _CLOSING:
            before = token.content.strip()


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a console block: lines after a prompt, continued where they end with a backslash."""
    parts = f"\n{block.text}".split(f"\n{PROMPT}")[1:]
    for part in parts:
        lines = part.split("\n")
        size = next(i for i, line in enumerate(lines, 1) if not line.endswith("\\"))
        yield Command("\n".join(lines[:size]), "\n".join(lines[size:]))


def words(command: str) -> Iterator[list[str]]:
    """Yield the words of each program that a line of shell calls; comments and assignments before it are left out."""
    lexer = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    call: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= _SEPARATORS:
            if call:
                yield call
            call = []
        elif call or "=" not in word.split("/")[0]:
            call.append(word)


def code(page: Path) -> Iterator[str]:
    """Yield the code within sentences and tables."""
    for token in _tokens(page):
        yield from (child.content for child in token.children or () if child.type == "code_inline")


_CLOSING = frozenset({"list_item_open", "ordered_list_open", "bullet_list_open"})


def _tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
