"""Links between files of the repository lead somewhere. Those within the site are checked by its build."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_examples import REPOSITORY

FILES = [
    path
    for place in ("*.md", "engine/*.md", "docs/**/*.md")
    for path in REPOSITORY.glob(place)
    if path.parent.name != "_generated"
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_the_links_of_a_file_lead_to_files(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and "://" not in target and "_generated" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []
