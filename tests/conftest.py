"""Fixtures that every kind of test shares."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Let tests interrupt what they start, also in a background that ignores interrupts; time no example."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.register_profile("taxi", deadline=None)
    settings.load_profile("taxi")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process where several run them, for what they share is made once a process.

    Tests on the same servers name a group of their own: `pytestmark = pytest.mark.xdist_group("stack")`.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.location[0]))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real trips (`$TAXI_TEST_DATA`, or `shared/data` beside the repository); skips without it."""
    folder = Path(os.environ.get("TAXI_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "santiago_taxi_od.parquet").is_file():
        pytest.skip(f"no real trips in {folder}; set TAXI_TEST_DATA to their folder")
    return folder
