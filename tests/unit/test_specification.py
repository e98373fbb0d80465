"""The specification of a comparison: files, parameters, and the messages on mistakes."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from haversine_dbscan.clustering import dbscan
from haversine_dbscan.geodesy import HALF_CIRCUMFERENCE_METRES, SMALLEST_EPS_METRES
from taxi_mlops.cli.options import flag
from taxi_mlops.errors import UsageError
from taxi_mlops.limits import usable_memory
from taxi_mlops.specification import (
    MAX_EPS_METRES,
    MIN_EPS_METRES,
    FixedParameters,
    Specification,
)
from taxi_mlops.sweep import Grid


@pytest.fixture
def full() -> Specification:
    return Specification.model_validate(
        {
            "dataset": {"source": "trips.csv", "points": "dropoff", "bbox": [1.0, 2.0, 3.0, 4.0], "sample": 10},
            "parameters": {"eps_metres": 50.0, "min_samples": 5},
            "trials": {"adapters": ["sklearn"], "memory_limit": "8GB", "threads": 2, "seed": 3},
        }
    )


def test_toml_and_yaml_hold_the_same(tmp_path: Path, full: Specification) -> None:
    as_toml, as_yaml = tmp_path / "s.toml", tmp_path / "s.yaml"
    as_toml.write_text(full.to_toml(), encoding="utf-8")
    as_yaml.write_text(yaml.safe_dump(full.model_dump(mode="json")), encoding="utf-8")
    assert Specification.from_file(as_toml) == full == Specification.from_file(as_yaml)


def test_the_default_specification_goes_to_toml_and_back(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(Specification().to_toml(), encoding="utf-8")
    assert Specification.from_file(path) == Specification()


def test_given_values_replace_and_the_rest_stays(full: Specification) -> None:
    changed = full.with_parameters({"eps": 75.0, "min_samples": None})
    assert (changed.parameters.eps_metres, changed.parameters.min_samples) == (75.0, 5)
    assert changed.trials == full.trials


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.toml", "[parameters]\neps_metres = -1", "parameters.eps_metres = -1"),
        ("s.toml", "[parameters]\nepsilon = 1", "parameters.epsilon"),
        ("s.toml", "eps", "not TOML"),
        ("s.yaml", "a: [", "not YAML"),
        ("s.yaml", "- a", "the document"),
        ("s.yml", "trials: {memory_limit: many}", "trials.memory_limit = 'many'"),
        ("s.toml", "[trials]\nadapters = ['../x']", "trials.adapters.0"),
        ("s.json", "{}", "'.json'"),
        ("s.toml", None, "cannot read"),
    ],
)
def test_a_mistake_is_named_with_its_value(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        Specification.from_file(path)
    assert "\n" not in str(caught.value)


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("!!python/object/apply:os.getcwd []", encoding="utf-8")
    with pytest.raises(UsageError, match="not YAML"):
        Specification.from_file(path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text("#" * 2_000_000, encoding="utf-8")
    with pytest.raises(UsageError, match="larger"):
        Specification.from_file(path)


def test_eps_may_be_left_to_the_points() -> None:
    specification = Specification().with_parameters({"eps": "auto"})
    assert specification.parameters.eps_metres == "auto"
    assert 'eps_metres = "auto"' in specification.to_toml()
    with pytest.raises(ValueError, match="has not been chosen"):
        specification.parameters.to_domain()
    assert Specification().with_parameters({"eps": "75"}).parameters.to_domain().eps_metres == 75.0


@pytest.mark.parametrize(
    "eps", ["automatic", "", "-1", "nan", "inf", "100m", 0, True, 3e7, "1e-7", "9.9e-7", "1e9", "20015115"]
)
def test_an_eps_that_no_engine_answers_is_refused_with_the_bounds(eps: object) -> None:
    with pytest.raises(UsageError, match=r"--eps = .*metres from 0\.000001 to 20015114 \(.*\), or auto"):
        Specification().with_parameters({"eps": eps}, flag)


@pytest.mark.parametrize("eps", [1e-7, 1e9, math.inf, math.nan, 0.0, -1.0])
def test_a_grid_and_further_parameters_refuse_the_same_eps(eps: float) -> None:
    with pytest.raises(ValidationError, match=r"0\.000001|20015114"):
        FixedParameters(eps_metres=eps, min_samples=5)
    with pytest.raises(ValidationError, match=r"0\.000001|20015114"):
        Grid(eps_metres=(eps,))


def test_the_bounds_of_eps_are_those_of_the_engine() -> None:
    assert MIN_EPS_METRES == SMALLEST_EPS_METRES
    assert math.floor(HALF_CIRCUMFERENCE_METRES) == MAX_EPS_METRES
    for eps in (MIN_EPS_METRES, MAX_EPS_METRES):
        labels, _ = dbscan(np.array([1.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0]), eps, 2)
        assert labels.tolist() == ([0, 0, -1] if eps == MIN_EPS_METRES else [0, 0, 0])


@pytest.mark.parametrize(("given", "share"), [("50%", 0.5), ("50 %", 0.5), (" 12.5% ", 0.125), ("100%", 1.0)])
def test_a_memory_limit_may_be_a_share_of_the_machines_memory(given: str, share: float) -> None:
    specification = Specification().with_parameters({"memory_limit": given})
    assert specification.trials.memory_limit == int(share * usable_memory())
    assert Specification.model_validate(tomllib.loads(specification.to_toml())) == specification


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("150%", "above 0% and up to 100%"),
        ("0%", "above 0% and up to 100%"),
        ("-5%", "above 0% and up to 100%"),
        ("half%", "above 0% and up to 100%"),
        ("0", "100MB or more"),
        (1, "100MB or more"),
        ("99MB", "100MB or more"),
        ("0.0001%", "100MB or more"),
    ],
)
def test_a_memory_limit_that_no_trial_can_live_in_is_refused(given: object, advice: str) -> None:
    with pytest.raises(UsageError, match=f"--memory-limit = .*{advice}"):
        Specification().with_parameters({"memory_limit": given}, flag)


@pytest.mark.parametrize(
    ("given", "limit"), [("8GB", 8 * 10**9), ("8 GB", 8 * 10**9), ("8gib", 8 * 2**30), ("100MB", 10**8)]
)
def test_a_memory_limit_is_a_size(given: str, limit: int) -> None:
    assert Specification().with_parameters({"memory_limit": given}).trials.memory_limit == limit
