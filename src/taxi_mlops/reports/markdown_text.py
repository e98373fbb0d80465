"""Texts of others in Markdown: names of files, columns and packages are shown as they are, whatever is in them."""

from __future__ import annotations

import re

_LINKS = re.compile(r"\](?=[(\[:])")


def plain(text: str) -> str:
    """Return a text on one line, in which HTML, links and images do nothing."""
    return _LINKS.sub("] ", " ".join(text.split()).replace("<", "&lt;"))


def code(text: str) -> str:
    """Return a text on one line as code, also if it has backticks itself."""
    line = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall(r"`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"
