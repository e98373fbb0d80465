"""The type of callbacks that report the progress of reading."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""Called with a stage (Downloading, Reading, Synthesizing), how much is done, and the total if it is known.

Downloads count bytes, the others rows.
"""
