"""Pictures of graphs: every box and edge, within the picture, with text that is only text."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from taxi_mlops.reports.graph_picture import Box, Column, graph_svg, page_of

SVG = "{http://www.w3.org/2000/svg}"
EVIL = '<script>alert("1")</script>&amp;'


def parsed(columns, edges=()):
    return ElementTree.fromstring(graph_svg(EVIL, columns, edges))


def test_boxes_stand_in_columns_within_the_picture():
    first = {"a": Box(("a", "of two lines")), "b": Box(("b",), marked=True)}
    picture = parsed([Column("one", first), Column("none", {}), Column("two", {"c": Box(("c",))})], [("a", "c")])
    width, height = float(picture.get("width")), float(picture.get("height"))
    boxes = [
        {name: float(rect.get(name)) for name in ("x", "y", "width", "height")}
        for rect in picture.iter(f"{SVG}rect")
        if rect.get("x")
    ]
    assert len(boxes) == 3
    assert [box["x"] for box in boxes[:2]] == [boxes[0]["x"]] * 2
    assert boxes[2]["x"] > boxes[0]["x"] + boxes[0]["width"]
    assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"]
    for box in boxes:
        assert 0 <= box["x"] <= width - box["width"]
        assert 0 <= box["y"] <= height - box["height"]
    headings = [text.text for text in picture.iter(f"{SVG}text") if text.get("class") == "heading"]
    assert headings == ["one", "two"]
    assert sum(rect.get("class") == "marked" for rect in picture.iter(f"{SVG}rect")) == 1
    assert len([path for path in picture.iter(f"{SVG}path") if path.get("class") is None]) == 1


def test_text_is_escaped_and_long_text_is_cut():
    long = f"{EVIL}{'x' * 100}the end"
    svg = graph_svg(EVIL, [Column(EVIL, {"a": Box((long,))})], [])
    assert "<script" not in svg + page_of(EVIL, svg)
    picture = ElementTree.fromstring(svg)
    titles = [title.text for title in picture.iter(f"{SVG}title")]
    assert titles == [EVIL, long]
    (shown,) = [text.text for text in picture.iter(f"{SVG}text") if text.get("class") == "first"]
    assert len(shown) <= 34
    assert shown.endswith("the end")


def test_nothing_outside_is_named():
    page = page_of("title", graph_svg("title", [Column("one", {"a": Box(("a",))})], []))
    assert set(re.findall(r"https?://[^\"'<> ]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"href|src=|url\(|@import", page)
    assert "default-src 'none'" in page


def test_an_empty_graph_is_a_picture():
    assert parsed([]).tag == f"{SVG}svg"


def test_edges_name_boxes():
    with pytest.raises(KeyError):
        graph_svg("title", [Column("one", {"a": Box(("a",))})], [("a", "b")])
