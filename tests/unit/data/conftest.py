"""What the tests of the data room share."""

from __future__ import annotations

from pathlib import Path

import pytest

from taxi_mlops.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a cache of this test alone."""
    return Settings(cache_dir=tmp_path / "cache")
