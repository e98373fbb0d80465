"""The page of a sweep, from comparisons whose every piece of text is hostile."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from rich.console import Console

from taxi_mlops.evaluation.eps_choice import EpsChoice
from taxi_mlops.reports.sweep_page import render, sentence
from taxi_mlops.reports.sweep_terminal import render as on_terminal
from taxi_mlops.results.sweep_folder import SizeDrawn, SweepHeader
from taxi_mlops.results.sweep_result import assemble_sweep
from taxi_mlops.sweep import Sweep
from taxi_mlops.trials.machine import describe_machine

QUALITY = {(50.0, 5): 0.2, (100.0, 5): 0.6, (50.0, 10): 0.5, (100.0, 10): None}
SECONDS = {(50.0, 5): 0.1, (100.0, 5): 0.4, (50.0, 10): 0.6, (100.0, 10): 0.2}


def at(comparison, quality, seconds):
    """The comparison with another quality and time of its exact adapter."""
    exact, *others = comparison.adapters
    dbcv = replace(exact.quality.dbcv, value=quality, interval=None, reason=None if quality else "one cluster")
    exact = exact.model_copy(
        update={"quality": replace(exact.quality, dbcv=dbcv), "fit_seconds_median": seconds, "fit_seconds_ci": None}
    )
    return comparison.model_copy(update={"adapters": (exact, *others)})


@pytest.fixture
def result(comparison):
    sweep = Sweep.model_validate(
        {
            "grid": {"eps_metres": [50, 100], "min_samples": [5, 10], "sizes": [300]},
            "trials": {"adapters": ["exact", "late"]},
        }
    )
    header = SweepHeader(
        sweep_id="20260102T030405Z-abc123",
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        sweep=sweep,
        sizes=(SizeDrawn(trips=300, points=300, fingerprint="0" * 64),),
        machine=describe_machine(),
        curves=(EpsChoice(75.0, 5, 300, (0.0, 0.5, 0.99), (10.0, 75.0, 900.0), 0.5),),
        curves_missing=("min_samples 10: there is no knee",),
    )
    places = {cell: (cell.eps_metres, cell.min_samples) for cell in header.cells}
    return assemble_sweep(
        header, {cell: at(comparison, QUALITY[place], SECONDS[place]) for cell, place in places.items()}
    )


def test_the_front_is_what_no_other_clustering_beats_in_both(result):
    front = [(one.eps_metres, one.min_samples) for one in result.candidates if one.on_front]
    assert front == [(100.0, 5), (50.0, 5)]
    assert [(one.eps_metres, one.min_samples) for one in result.candidates if not one.on_front] == [(50.0, 10)]
    assert sentence(result) == (
        "eps 100 m with min_samples 5 has the best DBCV, 0.600, by exact in 400 ms; eps 50 m with min_samples 5 is the "
        "fastest, 100 ms, with 0.200."
    )


def test_what_all_cells_say_is_said_once(result, hostile):
    assert result.warnings == ("min_samples 10: there is no knee", hostile)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_the_page_shows_every_cell_and_runs_and_loads_nothing(result, hostile):
    html = render(result, "quality = 'dbcv'")
    parser = Tags()
    parser.feed(html)
    assert hostile not in html
    assert {tag for tag, _ in parser.found} & {"script", "img", "iframe", "object"} == set()
    links = [attributes["href"] for tag, attributes in parser.found if tag == "a"]
    for cell in result.cells:
        assert f"cells/{cell.name}/report.html" in links
    assert all(link.startswith(("#", "cells/")) for link in links)
    policy = next(attributes["content"] for tag, attributes in parser.found if attributes.get("http-equiv"))
    assert "default-src 'none'; script-src 'none'" in policy
    labels = re.findall(r'aria-label="([^"]+)"', html)
    assert any("DBCV. eps 50 m, min_samples 5: 0.200; eps 100 m, min_samples 5: 0.600" in text for text in labels)
    assert any("eps 100 m, min_samples 10: –" in text for text in labels)
    assert any("min_samples 5 suggests 75 m" in text for text in labels)


def test_the_terminal_shows_the_front_and_the_rule(result):
    console = Console(width=80, file=io.StringIO())
    console.print(on_terminal(result))
    text = console.file.getvalue()
    assert re.search(r"300 +100 m +5 +0\.600 +400 ms +exact", text)
    assert "not weighed against" in text
    assert "The points suggest eps 75 m for min_samples 5" in " ".join(text.split())
