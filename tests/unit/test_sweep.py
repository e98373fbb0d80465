"""The document of a sweep and its cells."""

from __future__ import annotations

import pytest

from taxi_mlops.errors import UsageError
from taxi_mlops.parameters import validate
from taxi_mlops.sweep import Cell, Sweep

FINGERPRINT = "a" * 64


def swept(**grid):
    return Sweep.model_validate({"grid": grid})


def test_every_combination_is_a_cell_once_the_smallest_sizes_first():
    cells = list(swept(eps_metres=(200, 50, 50), min_samples=(10, 5), sizes=(2_000, 500)).cells())
    assert len(cells) == len(set(cells)) == 8
    assert cells[:3] == [Cell(500, 50.0, 5), Cell(500, 200.0, 5), Cell(500, 50.0, 10)]
    assert [cell.name for cell in cells[:2]] == ["n500-eps50-min5", "n500-eps200-min5"]
    assert len({cell.name for cell in cells}) == 8


def test_cells_need_every_choice_made():
    with pytest.raises(ValueError, match="has not been chosen"):
        list(swept(sizes=(100,)).cells())
    with pytest.raises(ValueError, match="has not been chosen"):
        list(swept(eps_metres=(50,)).cells())


def test_a_cell_is_a_specification_of_its_own():
    sweep = Sweep.model_validate(
        {
            "dataset": {"source": "trips.csv", "seed": 3},
            "grid": {"eps_metres": [50], "sizes": [500]},
            "trials": {"adapters": ["grid"], "repeats": 0},
        }
    )
    cell = next(sweep.cells())
    specification = sweep.specification(cell, FINGERPRINT)
    assert (specification.dataset.source, specification.dataset.seed, specification.dataset.sample) == (
        "trips.csv",
        3,
        500,
    )
    assert specification.fingerprint == FINGERPRINT
    assert (specification.parameters.eps_metres, specification.parameters.min_samples) == (50.0, 5)
    assert (specification.trials.adapters, specification.trials.repeats) == (("grid",), 0)


@pytest.mark.parametrize("ending", ["toml", "yaml"])
def test_a_file_is_read_back_as_it_was_written(tmp_path, ending):
    sweep = swept(eps_metres=(50.5, 200), min_samples=(5,), sizes=("all", 300))
    path = tmp_path / f"sweep.{ending}"
    if ending == "toml":
        path.write_text(sweep.to_toml(), encoding="utf-8")
    else:
        path.write_text("grid: {eps_metres: [50.5, 200], min_samples: [5], sizes: [all, 300]}", encoding="utf-8")
    assert Sweep.from_file(path) == sweep


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"grid": {"eps_metres": [50, -1]}}, r"grid\.eps_metres\.1 = -1"),
        ({"grid": {"eps_metres": []}}, r"grid\.eps_metres = \[\]"),
        ({"grid": {"min_samples": [0]}}, r"grid\.min_samples\.0 = 0"),
        ({"grid": {"sizes": ["some"]}}, r"grid\.sizes\.0 = 'some'.*or all"),
        ({"grid": {"epsilon": [1]}}, r"grid\.epsilon"),
        ({"dataset": {"sample": 10}}, "leave out dataset.sample"),
        ({"grid": {"eps_metres": list(range(1, 102)), "min_samples": list(range(1, 12))}}, "at most 1,000 cells"),
        ({"quality": "beauty"}, "quality = 'beauty'"),
    ],
)
def test_a_mistake_names_the_key_and_the_value(document, message):
    with pytest.raises(UsageError, match=message):
        validate(Sweep, document, "sweep.toml")
