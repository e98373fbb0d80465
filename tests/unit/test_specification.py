from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from taxi_mlops.cli.options import flag
from taxi_mlops.errors import UsageError
from taxi_mlops.specification import Specification


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
    with pytest.raises(ValueError, match="still to be chosen"):
        specification.parameters.to_domain()
    assert Specification().with_parameters({"eps": "75"}).parameters.to_domain().eps_metres == 75.0


@pytest.mark.parametrize("eps", ["automatic", "", "-1", "nan", "inf", 0, True, 3e7])
def test_an_eps_that_is_no_length_is_refused(eps: object) -> None:
    with pytest.raises(UsageError, match=r"--eps = .*a positive number of metres, or auto"):
        Specification().with_parameters({"eps": eps}, flag)
