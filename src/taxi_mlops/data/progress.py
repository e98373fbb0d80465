"""How the data room tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""Called with a stage (Downloading, Reading, Synthesizing), how much is done, and of how much where that is known.

Downloads count bytes, the others rows.
"""
