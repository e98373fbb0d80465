"""Fragments for notebooks: what they show, that data stay text, and that they run nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from taxi_mlops.reports.notebook import comparison_html


class Fragment(HTMLParser):
    """Elements with their attributes, in order, and the text outside of styles."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self._in_style = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self._in_style = tag == "style"
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if not self._in_style and data.strip():
            self.text.append(" ".join(data.split()))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def fragment(comparison, run_folder):
    return Fragment(comparison_html(comparison, run_folder()))


def test_it_shows_the_verdict_the_ranking_and_the_report(fragment, hostile):
    assert fragment.text[0] == "exact is the only adapter that can be ranked."
    cells = fragment.text[fragment.text.index("clustering") + 1 :]
    assert cells[:6] == ["1", "exact", "375 ms", "–", "123 MB", "reference"]
    assert hostile in cells
    assert fragment.text[-1].endswith("report.html")


def test_the_map_has_an_outline_of_each_cluster_within_the_picture(fragment):
    (svg,) = fragment.all("svg")
    width, height = int(svg["width"]), int(svg["height"])
    assert svg["viewbox"] == f"0 0 {width} {height}"
    assert max(width, height) == 700
    assert svg["aria-label"] == "Map of 300 points in 3 clusters, and noise in grey"
    paths = [np.array(re.findall(r"-?\d+", path["d"]), dtype=int).reshape(-1, 2) for path in fragment.all("path")]
    assert len(paths) == 3
    for corners in paths:
        assert (corners >= 0).all()
        assert (corners <= (width, height)).all()
    titles = [text for text in fragment.text if text.startswith("#") and ":" in text]
    assert [title.split(" points")[0] for title in titles] == ["#1: 120", "#2: 90", "#3: 60"]
    # The second cluster lies to the north-east of the first, the third to the south-west.
    first, second, third = (corners.mean(axis=0) for corners in paths)
    assert second[0] > first[0] > third[0]
    assert second[1] < first[1] < third[1]


def test_nothing_in_it_runs_or_loads(fragment):
    assert not fragment.all("script")
    assert {tag for tag, _ in fragment.elements} & {"iframe", "link", "img"} == set()
    assert not [name for _, attributes in fragment.elements for name in attributes if name.startswith("on")]
    assert all(image["href"].startswith("data:image/png;base64,") for image in fragment.all("image"))


def test_it_is_small_and_there_without_labels(comparison, run_folder):
    folder = run_folder()
    assert len(comparison_html(comparison, folder)) < 100_000
    (folder.labels / "exact.parquet").unlink()
    alone = Fragment(comparison_html(comparison, folder))
    assert not alone.all("svg")
    assert alone.text[0] == "exact is the only adapter that can be ranked."


def test_a_clustering_of_noise_alone_has_a_map(comparison, run_folder):
    folder = run_folder(labels=np.full(50, -1))
    shown = Fragment(comparison_html(comparison, folder))
    assert len(shown.all("image")) == 1
    assert not shown.all("path")
