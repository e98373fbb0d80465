"""Packages that bring adapters, installed for the length of a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution with one module: `install("package", {"adapter": "module:Class"}, module="code")`."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(package: str, adapters: dict[str, str], **modules: str) -> None:
        metadata = tmp_path / f"{package}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {target}" for name, target in adapters.items()]
        (metadata / "entry_points.txt").write_text("\n".join(["[taxi_mlops.adapters]", *lines]))
        for module, code in modules.items():
            (tmp_path / f"{module}.py").write_text(code)

    return write
