"""Fixtures that every kind of test shares."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent
SPREAD = ("tests/docs/test_examples.py", "tests/docs/test_notebooks.py")
"""Files whose tests share nothing."""


def pytest_configure() -> None:
    """Let tests interrupt what they start, also in a background that ignores interrupts; time no example."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.register_profile("taxi", deadline=None)
    settings.load_profile("taxi")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """With `--numprocesses auto`, one more than there are CPUs: many tests wait for servers and deadlines."""
    from taxi_mlops.limits import usable_cpus

    return len(usable_cpus()) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile`, spread the tests of some files over workers, too."""
    from xdist.scheduler import LoadFileScheduling

    class LoadFileOrPage(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return nodeid if file.endswith(SPREAD) else file

    return LoadFileOrPage(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_report_header() -> str:
    """Which object store the tests that need one run on."""
    from taxi_mlops.stack.services.object_store import installed_kind

    return f"object store: {installed_kind() or 'none is installed, so that tests on it skip'}"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real trips (`$TAXI_TEST_DATA`, or `shared/data` beside the repository); skips without it."""
    folder = Path(os.environ.get("TAXI_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "santiago_taxi_od.parquet").is_file():
        pytest.skip(f"no real trips in {folder}; set TAXI_TEST_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def metrics_in() -> Callable[[str], set[str]]:
    """Finds the metrics in an expression of PromQL: the names that are no label, function, word or duration."""
    words = {"by", "on", "or", "and", "unless", "without", "ignoring", "bool", "offset", "group_left", "group_right"}

    def metrics_in(expression: str) -> set[str]:
        bare = re.sub(r'"[^"]*"', '""', expression)
        bare = re.sub(r"\{[^}]*\}", "{}", bare)
        bare = re.sub(r"\[[^\]]*\]", "", bare)
        bare = re.sub(r"\b(by|on|without|ignoring)\s*\([^)]*\)", "", bare)
        return set(re.findall(r"(?<![\w:.])([A-Za-z_:][\w:]*)(?!\w*\s*\()", bare)) - words

    return metrics_in
