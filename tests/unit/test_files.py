"""Writing a file as a whole or not at all."""

from __future__ import annotations

from pathlib import Path

from taxi_mlops.files import write_atomically


def test_an_atomic_write_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_atomically(path, "a long first text")
    write_atomically(path, "short")
    assert path.read_text(encoding="utf-8") == "short"
    assert list(tmp_path.iterdir()) == [path]
