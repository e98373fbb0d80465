"""The report of a run folder, read as a browser would read it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from taxi_mlops.domain import TrialStatus
from taxi_mlops.errors import RunFolderError
from taxi_mlops.evaluation.eps_choice import EpsChoice
from taxi_mlops.evaluation.statistics import PairwiseTest
from taxi_mlops.reports.report import shown_result, write_report

MAX_BYTES = 5_000_000


class Page(HTMLParser):
    """Elements with their attributes, scripts with their text, and all visible text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.scripts, self.headings, self.text = [], [], [], ""
        self._open = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs).get("type"), ""))
        if tag == "h2":
            self.headings.append("")

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        within = self._open[-1] if self._open else ""
        if within == "script":
            kind, text = self.scripts[-1]
            self.scripts[-1] = (kind, text + data)
        elif within == "h2":
            self.headings[-1] += data
        if "script" not in self._open and "style" not in self._open:
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def page(run_folder):
    return Page(write_report(run_folder()).page.read_text(encoding="utf-8"))


def test_a_report_is_one_small_file_that_names_no_other(run_folder):
    report = write_report(run_folder())
    assert report.page.stat().st_size < MAX_BYTES
    page = Page(report.page.read_text(encoding="utf-8"))
    addresses = [attributes.get(name) for _, attributes in page.elements for name in ("src", "href", "action", "data")]
    assert {address.partition(":")[0] for address in addresses if address and not address.startswith("#")} == {"data"}


def test_nothing_from_data_becomes_markup(page, hostile):
    assert page.text.count(hostile) >= 8
    assert [attributes["id"] for attributes in page.all("img")] == ["map-picture"]
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert not any("alert(" in text for kind, text in page.scripts if kind is None)
    document = next(text for kind, text in page.scripts if kind == "application/json")
    assert hostile in json.dumps(json.loads(document), ensure_ascii=False).replace('\\"', '"')


def test_the_browser_may_run_the_pages_own_scripts_and_load_nothing(page):
    meta = {attributes.get("http-equiv"): attributes.get("content") for attributes in page.all("meta")}
    policy = meta["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    digests = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for kind, text in page.scripts if kind is None
    ]
    assert re.findall(r"'sha256-([^']+)'", policy) == digests


def test_a_report_holds_all_that_the_comparison_found(page):
    assert page.headings == [
        "Ranking",
        "The largest clusters",
        "Equivalence",
        "Time and memory",
        "Quality",
        "The points",
        "Warnings",
        "Repeat it",
    ]
    assert "exact is the only adapter that can be ranked." in page.text
    for figure in (
        "375 ms",
        "[250–500\N{NO-BREAK SPACE}ms]",
        "123 MB",
        "0.03×",
        "114.500 m",
        "99",
        "24.75%",
        "fewer than two clusters",
    ):
        assert figure in page.text
    (lang,) = (attributes["lang"] for attributes in page.all("html"))
    assert lang == "en"
    assert page.all("img")[0]["alt"].startswith("Map of 300 points in 3 clusters and noise; the largest")
    described = [attributes["aria-label"] for attributes in page.all("div") if attributes.get("role") == "img"]
    assert [text.partition(".")[0] for text in described] == ["Time of every run", "Speed-up over exact", "Peak memory"]


def test_the_specification_is_in_the_page_and_in_its_download(page, run_folder, hostile):
    (link,) = (attributes for attributes in page.all("a") if "download" in attributes)
    specification = base64.b64decode(link["href"].partition(",")[2]).decode()
    assert specification in page.text
    assert hostile in specification
    assert "taxi compare --spec specification.toml" in page.text


def test_sections_that_need_something_else_appear_with_it(run_folder, comparison):
    choice = EpsChoice(100.0, 10, 1000, (0.1, 0.5, 1.0), (5.0, 50.0, 500.0), 0.5)
    pair = PairwiseTest("exact", "late", "Wilcoxon signed-rank", 8, 0.0078, 0.0156, 1.0, "large")
    more = comparison.model_copy(update={"eps_choice": choice, "pairwise": (pair,)})
    page = Page(write_report(run_folder(more)).page.read_text(encoding="utf-8"))
    assert "How eps was chosen" in page.headings
    assert "Wilcoxon signed-rank" in page.text
    assert "0.0156" in page.text


def test_the_geojson_is_of_the_clustering_that_is_shown(run_folder):
    report = write_report(run_folder())
    collection = json.loads(report.hotspots.read_text(encoding="utf-8"))
    assert collection["adapter"] == "exact"
    assert [feature["properties"]["size"] for feature in collection["features"]] == [120, 90, 60]
    assert (collection["eps_metres"], collection["run_id"]) == (100.0, "20260102T030405Z-abc123")


def test_a_comparison_without_any_answer_has_a_report_without_a_map(run_folder, comparison):
    failed = [
        result.model_copy(
            update={
                "status": TrialStatus.CRASHED,
                "reason": "signal 11",
                "labels": None,
                "equivalence": None,
                "speedup": None,
                "quality": None,
                "fit_seconds": (),
                "fit_seconds_median": None,
                "peak_memory_bytes": None,
            }
        )
        for result in comparison.adapters
    ]
    ranking = [entry.model_copy(update={"rank": None, "reason": "crashed"}) for entry in comparison.ranking]
    nothing = comparison.model_copy(update={"adapters": tuple(failed), "ranking": tuple(ranking), "reference": None})
    folder = run_folder(nothing)
    report = write_report(folder)
    page = Page(report.page.read_text(encoding="utf-8"))
    assert "No adapter succeeded" in page.text
    assert page.scripts == []
    assert report.hotspots is None
    assert not folder.hotspots.exists()


def test_points_that_are_all_noise_have_a_map_without_clusters(run_folder):
    report = write_report(run_folder(labels=np.full(20, -1)))
    page = Page(report.page.read_text(encoding="utf-8"))
    assert page.all("img")[0]["alt"] == "Map of 20 points, all of them noise."
    assert "The largest clusters" not in page.headings
    assert json.loads(report.hotspots.read_text(encoding="utf-8"))["features"] == []


def test_the_best_rank_with_labels_is_shown_else_the_reference(comparison):
    assert shown_result(comparison).name == "exact"
    unranked = [entry.model_copy(update={"rank": None}) for entry in comparison.ranking]
    assert shown_result(comparison.model_copy(update={"ranking": tuple(unranked)})).name == "exact"
    bare = [result.model_copy(update={"labels": None}) for result in comparison.adapters]
    assert shown_result(comparison.model_copy(update={"adapters": tuple(bare)})) is None


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("comparison.json", "the run has not ended"),
        ("labels/exact.parquet", "run it again"),
        ("specification.toml", "cannot read"),
    ],
)
def test_what_is_missing_is_named(run_folder, broken, message):
    folder = run_folder()
    (folder.path / broken).unlink()
    with pytest.raises(RunFolderError, match=message):
        write_report(folder)


def test_labels_that_are_something_else_are_named(run_folder):
    folder = run_folder()
    (folder.labels / "exact.parquet").write_text("no labels", encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"exact\.parquet does not hold labels"):
        write_report(folder)
