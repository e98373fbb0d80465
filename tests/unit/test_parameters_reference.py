"""The page of parameters is current."""

from __future__ import annotations

from pathlib import Path

from taxi_mlops.clustering import Cluster, Prediction
from taxi_mlops.parameters import parameters_of
from taxi_mlops.parameters_reference import markdown, values_text
from taxi_mlops.specification import Specification
from taxi_mlops.sweep import Sweep
from taxi_mlops.training import Train

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "parameters.md"


def test_the_page_is_current_and_has_every_parameter() -> None:
    page = markdown()
    assert PAGE.read_text(encoding="utf-8") == page, "make it again: taxi parameters > docs/reference/parameters.md"
    for document, title in (
        (Specification, "## A comparison"),
        (Sweep, "## A sweep"),
        (Cluster, "## One clustering"),
        (Prediction, "## A prediction"),
        (Train, "## A training"),
    ):
        table = page[page.index(title) :]
        assert all(f"| `{name}` | " in table for name in parameters_of(document))


def test_values_are_said_with_their_bounds() -> None:
    parameters = parameters_of(Specification)
    assert values_text(parameters["repeats"].json_schema()) == "integer ≥ 0 and ≤ 1,000"
    assert values_text(parameters["points"].json_schema()) == "`pickup` or `dropoff`"
    assert values_text(parameters["sizes"].json_schema()) == "list: integer ≥ 1, or `all`"
    assert values_text(parameters["bbox"].json_schema()) == "list of 4: number, or text"
    assert (
        values_text({"type": "number", "minimum": 1e-6, "exclusiveMaximum": 2e7})
        == "number ≥ 0.000001 and < 20,000,000"
    )
