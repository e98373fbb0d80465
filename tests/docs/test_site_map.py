"""The pages of the site: each of one kind, and in the navigation once."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from markdown_examples import REPOSITORY, blocks

DOCS = REPOSITORY / "docs"
KINDS = {"tutorials", "how-to", "reference", "explanation"}


def sources() -> list[Path]:
    """Return the pages and notebooks of the site."""
    found = (path for kind in ("md", "ipynb") for path in DOCS.rglob(f"*.{kind}"))
    return sorted(path for path in found if not {"_generated", "notebooks"} & set(path.parts))


def listed(page: Path) -> list[Path]:
    """Return the pages that the tables of contents of a page list."""
    entries = [
        entry
        for block in blocks(page, "{toctree}")
        for entry in block.text.split("\n")
        if entry and not entry.startswith(":")
    ]
    found = (sorted(page.parent.glob(f"{entry}.md")) or [page.parent / f"{entry}.md"] for entry in entries)
    return [
        path.resolve() if path.exists() else path.with_suffix(".ipynb").resolve() for group in found for path in group
    ]


def test_each_page_is_of_one_kind() -> None:
    elsewhere = [page for page in sources() if page.relative_to(DOCS).parts[0] not in KINDS]
    assert elsewhere == [DOCS / "index.md"]


def test_each_page_is_in_the_navigation_once() -> None:
    pages = sources()
    times = Counter(path for page in pages if page.suffix == ".md" for path in listed(page))
    assert times == Counter(page for page in pages if page != DOCS / "index.md")


def test_titles_differ() -> None:
    titles = [
        re.search(r"^# (.+)", page.read_text(encoding="utf-8"), re.MULTILINE)
        for page in sources()
        if page.suffix == ".md"
    ]
    named = Counter(title[1] for title in titles if title)
    assert [title for title, times in named.items() if times > 1] == []
