"""The documentation site as its readers see it: built strictly, then opened from disk in a browser."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DESK, PHONE = 1440, 390
AXE = {"preload": False, "resultTypes": ["violations"]}
"""Axe would read the style sheets again, which a page from disk may not, and list every element that passes."""

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("sphinx") is None, reason="Sphinx is not installed: --group docs"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def site() -> Path:
    """The site as `make docs` builds it, in the same folder: sources that have not changed are not read again."""
    folder = REPOSITORY / "build" / "site"
    shutil.rmtree(folder, ignore_errors=True)  # pages that were kept would have the navigation of an earlier site
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going"]
    command += ["--doctree-dir", str(folder.parent / "doctrees"), "docs", str(folder)]
    built = subprocess.run(command, check=False, cwd=REPOSITORY, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


def pages(site: Path) -> list[str]:
    """Return the addresses of all pages, one runbook for all, and the search."""
    sources = [path for kind in ("md", "ipynb") for path in (REPOSITORY / "docs").rglob(f"*.{kind}")]
    names = [path.relative_to(REPOSITORY / "docs").with_suffix(".html") for path in sources]
    written = [name for name in names if "_generated" not in name.parts and "runbooks" not in name.parts]
    return [
        (site / name).as_uri()
        for name in sorted([*written, Path("how-to/runbooks/run-failed.html"), Path("search.html")])
    ]


@pytest.mark.parametrize(("width", "scheme"), [(DESK, "light"), (PHONE, "dark")])
def test_pages_are_accessible_fit_the_window_and_load_nothing_from_elsewhere(open_page, site, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    first, *further = pages(site)
    watched = open_page(first, width, scheme)
    page, faults = watched.page, {}
    for address in [first, *further]:
        if address != first:
            watched.complaints.clear()
            watched.requests.clear()
            page.goto(address)
        complaints = list(watched.complaints)
        remote = [request for request in watched.requests if not request.startswith(("file:", "data:"))]
        too_wide = page.evaluate("document.documentElement.scrollWidth") > width
        violations = [
            (violation["id"], [node["html"] for node in violation["nodes"]])
            for violation in Axe().run(page, options=AXE).response["violations"]
        ]
        if complaints or remote or too_wide or violations:
            faults[address] = (complaints, remote, too_wide, violations)
    assert faults == {}


def test_the_colours_follow_the_scheme_of_the_reader(open_page, site):
    grounds = [
        open_page((site / "index.html").as_uri(), DESK, scheme).page.evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        for scheme in ("light", "dark")
    ]
    assert grounds == ["rgb(255, 255, 255)", "rgb(19, 20, 22)"]


def test_search_works_without_a_server(open_page, site):
    page = open_page((site / "index.html").as_uri(), DESK).page
    page.get_by_role("textbox", name="Search").fill("antimeridian")
    page.keyboard.press("Enter")
    page.locator("#search-results li a[href*='explanation/engine.html']").first.wait_for()
