"""The picture of the architecture shows the imports that the code has now."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

pytest.importorskip("pygraphviz")
pytest.importorskip("grimp")

import architecture_picture

SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_is_current() -> None:
    drawn = ElementTree.parse(architecture_picture.PICTURE).getroot()
    titles = {title.text for title in drawn.iter(f"{SVG}title")}
    graph = architecture_picture.graph()
    expected = {*graph.nodes(), *(f"{one}->{other}" for one, other in graph.edges())}
    advice = "make it again: python docs/scripts/architecture_picture.py"
    assert expected <= titles, advice
    assert {title for title in titles if title} - expected <= {"%3"}, advice
    shown = " ".join(text.text or "" for text in drawn.iter(f"{SVG}text"))
    labels = " ".join(re.sub(r"<[^>]+>", " ", node.attr["label"]) for node in graph.nodes())
    assert sorted(shown.split()) == sorted(labels.replace("&#x27;", "'").split()), advice
