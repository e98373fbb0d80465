"""Steps of comparisons and clusterings, with adapters of an outside package, which start fast."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _light_adapters(light_adapters):
    """All tests of this folder may name them."""
