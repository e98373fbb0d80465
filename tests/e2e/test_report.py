"""The report as its readers see it: in a browser, on a desk and on a phone, in light, in the dark and on paper."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from taxi_mlops.evaluation.eps_choice import EpsChoice
from taxi_mlops.evaluation.performance import Interval
from taxi_mlops.evaluation.quality.metrics import Estimate, QualityMetrics
from taxi_mlops.reports.sweep_page import render as render_sweep
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.results.sweep_folder import SizeDrawn, SweepHeader
from taxi_mlops.results.sweep_result import assemble_sweep
from taxi_mlops.sweep import Cell, Sweep
from taxi_mlops.testing.sample_runs import EQUAL, REFERENCE, make_run

DESK, PHONE = 1440, 390


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A comparison of the synthetic city, run as a user runs it."""
    folder = tmp_path_factory.mktemp("report")
    command = ["compare", "--sample", "5000", "--min-samples", "20", "--repeats", "2", "--output", "run"]
    finished = subprocess.run(
        [sys.executable, "-m", "taxi_mlops.cli", *command, "--adapters", "sklearn,sklearn-njobs"],
        check=False,
        cwd=folder,
        env=os.environ | {"TAXI_CACHE_DIR": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert finished.returncode == 0, finished.stderr
    listed = finished.stdout[finished.stdout.index("Results in run/") :].splitlines()[1:]
    assert [line.split()[0] for line in listed[:2]] == ["report.html", "hotspots.geojson"]
    return folder / "run"


@pytest.fixture
def opened(open_page, run: Path):
    """Open the report, and wait for its map."""

    def opened(width: int, scheme: str = "light", **options):
        watched = open_page(run.joinpath("report.html").as_uri(), width, scheme, **options)
        if options.get("java_script_enabled", True):
            watched.page.wait_for_selector("html.map-drawn")
        return watched

    return opened


def from_elsewhere(watched) -> list[str]:
    """Return what a page that is one file requested beside itself."""
    return [address for address in watched.requests[1:] if not address.startswith("data:")]


WIDER_THAN_THE_PAGE = """() => {
  const hidden = (element) => element.closest(".scroll, pre, svg, .skip, #map-canvas") !== null;
  return [...document.body.querySelectorAll("*")]
    .filter((element) => !hidden(element) || element.matches(".scroll, pre, #map-canvas"))
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
    .map((element) => element.outerHTML.slice(0, 120));
}"""

OVERLAPPING = """() => {
  const shown = (element) => element.getBoundingClientRect().height > 0 && !element.matches(".skip, tr, td, th, small");
  const found = [];
  for (const parent of document.querySelectorAll("main, main *:not(svg):not(svg *):not(#map-canvas *)")) {
    const boxes = [...parent.children].filter(shown).filter((child) => getComputedStyle(child).display !== "inline");
    boxes.forEach((one, i) => boxes.slice(i + 1).forEach((other) => {
      const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && down > 1) found.push(one.outerHTML.slice(0, 80) + " × " + other.outerHTML.slice(0, 80));
    }));
  }
  return found;
}"""

INSIDE_OF_THE_LARGEST = """async () => {
  // Zooms to the largest cluster; returns a place on the screen that is inside its outline, whatever its shape.
  const view = [...Bokeh.index.roots][0];
  const { x, y } = Bokeh.documents[0].get_model_by_name("clusters").data;
  Object.assign(view.model.x_range, { start: x[0] - 400, end: x[0] + 400 });
  Object.assign(view.model.y_range, { start: y[0] - 400, end: y[0] + 400 });
  await new Promise((done) => setTimeout(done, 300));
  const { xs, ys } = Bokeh.documents[0].get_model_by_name("clusters").data;
  const outline = new Path2D();
  const place = (i) => [view.frame.x_scale.compute(xs[0][i]), view.frame.y_scale.compute(ys[0][i])];
  for (let i = 0; i < xs[0].length; i++) outline.lineTo(...place(i));
  const box = view.canvas_view.el.getBoundingClientRect();
  const pen = document.createElement("canvas").getContext("2d");
  for (let left = 0; left < box.width; left += 3)
    for (let top = 0; top < box.height; top += 3)
      if ([[0, 0], [3, 0], [0, 3], [-3, 0], [0, -3]].every(([a, b]) => pen.isPointInPath(outline, left + a, top + b)))
        return { x: box.x + left, y: box.y + top };
}"""


MAP_WIDTH = "Bokeh.documents[0].get_model_by_name('map').inner_width"
SCALES = """() => {
  // Pixels of a kilometre to the east, and of one to the north.
  const { x_scale, y_scale } = [...Bokeh.index.roots][0].frame;
  return [x_scale.compute(1000) - x_scale.compute(0), y_scale.compute(0) - y_scale.compute(1000)];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_report_opens_without_complaint_request_or_overlap(opened, width, scheme):
    watched = opened(width, scheme)
    page = watched.page
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(WIDER_THAN_THE_PAGE) == []
    assert page.evaluate(OVERLAPPING) == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) < 200) == (scheme == "dark")
    assert page.locator("#map-canvas canvas").first.is_visible()
    assert not page.locator("#map-picture").is_visible()
    assert watched.complaints == []
    assert from_elsewhere(watched) == []


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_what_is_round_on_the_ground_is_round_on_the_map(opened, width):
    page = opened(width, "light").page
    east, north = page.evaluate(SCALES)
    assert east == pytest.approx(north)
    assert east > 0
    before = page.evaluate(MAP_WIDTH)
    page.set_viewport_size({"width": 700, "height": 500})
    page.wait_for_function(f"before => {MAP_WIDTH} !== before", arg=before)
    assert page.evaluate(SCALES) == pytest.approx([east, north])
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_function(f"before => {MAP_WIDTH} === before", arg=before)
    assert page.evaluate(SCALES) == pytest.approx([east, north])
    page.evaluate("[...Bokeh.index.roots][0].reset()")
    assert page.evaluate(SCALES) == pytest.approx([east, north])


def test_the_picture_of_the_points_is_on_the_map(opened):
    page = opened(DESK).page
    colours = page.evaluate(
        """() => {
          const canvas = [...Bokeh.index.roots][0].canvas_view.primary.canvas;
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const found = new Set();
          for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 0) found.add(data.slice(i, i + 3).join());
          return found.size;
        }"""
    )
    assert colours > 20


def test_pointing_at_a_cluster_shows_its_size(opened):
    watched = opened(DESK)
    page = watched.page
    size = page.locator("section[aria-labelledby=clusters] tbody td").first.inner_text()
    place = page.evaluate(INSIDE_OF_THE_LARGEST)
    page.mouse.move(place["x"] - 2, place["y"])
    page.mouse.move(place["x"], place["y"])
    tooltip = page.locator(".bk-tooltip-content").filter(has_text="of the largest").first
    tooltip.wait_for(state="visible")
    assert size in tooltip.inner_text()
    assert "#1 of the largest" in tooltip.inner_text()
    assert watched.complaints == []


def test_tapping_a_cluster_shows_its_size(opened):
    watched = opened(PHONE)
    page = watched.page
    size = page.locator("section[aria-labelledby=clusters] tbody td").first.inner_text()
    page.locator("#map-canvas").scroll_into_view_if_needed()
    place = page.evaluate(INSIDE_OF_THE_LARGEST)
    page.touchscreen.tap(place["x"], place["y"])
    page.wait_for_function("document.getElementById('map-details').textContent.startsWith('Cluster #1 ')")
    assert f"{size} points" in page.locator("#map-details").inner_text()
    assert watched.complaints == []


def test_the_keyboard_reaches_a_cluster_and_the_map_goes_to_it(opened):
    page = opened(DESK).page
    span = "(({ x_range }) => x_range.end - x_range.start)(Bokeh.documents[0].get_model_by_name('map'))"
    before = page.evaluate(span)
    button = page.get_by_role("button", name="Show cluster 2 on the map")
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.getElementById('map-details').textContent.startsWith('Cluster #2 ')")
    assert button.get_attribute("aria-pressed") == "true"
    assert page.evaluate(span) < before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_is_accessible(opened, scheme):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(opened(DESK, scheme).page).response["violations"]
    assert [(violation["id"], [node["html"] for node in violation["nodes"]]) for violation in found] == []


def test_on_paper_the_picture_stands_for_the_map(opened, tmp_path):
    page = opened(DESK, "dark").page
    page.emulate_media(media="print")
    assert page.locator("#map-picture").is_visible()
    assert not page.locator("#map-canvas").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").stat().st_size > 50_000


def test_without_scripts_the_report_is_whole_but_for_the_zoom(opened):
    watched = opened(DESK, java_script_enabled=False)
    assert watched.page.locator("#map-picture").is_visible()
    assert watched.page.get_by_role("heading", name="Equivalence").is_visible()


def test_a_report_can_be_made_again(run):
    before = run.joinpath("report.html").read_bytes()
    run.joinpath("report.html").unlink()
    command = [sys.executable, "-m", "taxi_mlops.cli", "report"]
    finished = subprocess.run([*command, str(run)], check=True, capture_output=True, text=True)
    assert finished.stdout.split() == ["wrote", str(run / "report.html"), "wrote", str(run / "hotspots.geojson")]
    assert len(run.joinpath("report.html").read_bytes()) == len(before)
    missing = subprocess.run([*command, str(run.parent)], check=False, capture_output=True, text=True)
    assert missing.returncode == 2
    assert "holds no run" in missing.stderr


def test_a_report_that_cannot_be_made_loses_no_run(run, tmp_path):
    """The labels are broken; resuming the run succeeds all the same, and says in one line what is missing."""
    broken = shutil.copytree(run, tmp_path / "run")
    broken.joinpath("report.html").unlink()
    broken.joinpath("labels", "sklearn.parquet").write_text("no labels", encoding="utf-8")
    broken.joinpath("labels", "sklearn-njobs.parquet").write_text("no labels", encoding="utf-8")
    command = [sys.executable, "-m", "taxi_mlops.cli", "compare", "--resume", str(broken), "--quiet"]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    (line,) = (line for line in finished.stderr.splitlines() if "report" in line)
    assert line == f"the report failed ({broken / 'log.jsonl'} says why); try again with: taxi report {broken}"
    assert "Traceback" not in finished.stderr
    assert "report.html" not in finished.stdout
    assert "does not hold labels" in broken.joinpath("log.jsonl").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def several(tmp_path_factory) -> Path:
    """The page of two runs of several sizes."""
    folder = tmp_path_factory.mktemp("several")
    for number in range(2):
        make_run(folder / f"r{number}", f"run-{number}", slowness=1.0 + number, sizes=(10, 30, 100, 300))
    command = [sys.executable, "-m", "taxi_mlops.cli", "runs", "analyze", "r0", "r1", "--output", "page.html"]
    subprocess.run(command, check=True, cwd=folder, capture_output=True)
    return folder / "page.html"


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    """The page of a sweep of sample runs: with a clustering without a quality, and a min_samples without a knee."""
    folder = tmp_path_factory.mktemp("swept")
    comparison = make_run(folder / "run").comparison
    sweep = Sweep.model_validate(
        {"grid": {"eps_metres": (37.4, 52.9, 74.8, 105.8, 149.6), "min_samples": (5, 10, 20), "sizes": (1000,)}}
    )
    header = SweepHeader(
        sweep_id="20260102T030405Z-abc123",
        created_at=comparison.created_at,
        sweep=sweep,
        sizes=(SizeDrawn(trips=1000, points=1000, fingerprint="0" * 64),),
        machine=comparison.machine,
        curves=tuple(EpsChoice(20.0 * k, k, 1000, (0.0, 0.5, 0.9), (k, 2.0 * k, 90.0 * k), 0.6) for k in (5, 10)),
        curves_missing=("min_samples 20: there is no knee",),
    )

    def at(cell: Cell) -> Comparison:
        value = None if cell.eps_metres > 140 else 0.6 - cell.eps_metres / 300 + cell.min_samples / 100
        index = Estimate(value, Interval(0.1, 0.7, 0.95), 1000) if value else Estimate(None, reason="one cluster")
        quality = QualityMetrics(REFERENCE, 0.3, *[index] * 4, Estimate(0.9, None), None)
        adapters = tuple(
            adapter.model_copy(update={"quality": quality, "fit_seconds_median": cell.eps_metres * cell.size / 1e5})
            if adapter.name in (REFERENCE, EQUAL)
            else adapter
            for adapter in comparison.adapters
        )
        return comparison.model_copy(update={"adapters": adapters})

    page = folder / "sweep.html"
    result = assemble_sweep(header, {cell: at(cell) for cell in header.cells})
    page.write_text(render_sweep(result, sweep.to_toml()), encoding="utf-8")
    return page


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "light"), (DESK, "dark")])
@pytest.mark.parametrize(
    ("of", "heading", "picture"),
    [("several", "Scaling", "^Mean ranks"), ("swept", "All cells", "^DBCV against the time of fit of 12 clusterings")],
)
def test_a_page_of_several_comparisons_reads_well(open_page, request, of, heading, picture, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    watched = open_page(request.getfixturevalue(of).as_uri(), width, scheme)
    page = watched.page
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(WIDER_THAN_THE_PAGE) == []
    assert page.evaluate(OVERLAPPING) == []
    assert page.get_by_role("heading", name=heading, exact=True).is_visible()
    assert page.get_by_role("img", name=re.compile(picture)).first.is_visible()
    assert Axe().run(page).response["violations"] == []
    assert watched.complaints == []
    assert from_elsewhere(watched) == []
