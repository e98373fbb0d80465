"""Comparisons from Python: in this process, in a plain script, and typed into an interpreter."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

import taxi_mlops as taxi
from taxi_mlops.api.comparison import Comparison
from taxi_mlops.data.load import load_points
from taxi_mlops.errors import DataError
from taxi_mlops.pipeline.workloads import wanted_points
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.specification import Specification
from taxi_mlops.testing.oracle import brute_force_dbscan

CHOSEN = {"eps": 60.0, "min_samples": 5, "adapters": ["light-exact", "light-twin"], "repeats": 1}


@pytest.fixture
def coordinates(trips):
    table = pacsv.read_csv(trips)
    return np.column_stack((table["north"].to_numpy(), table["east"].to_numpy()))


def assert_it_can_run_again(comparison, settings):
    """The specification that the run has written stands for the same points."""
    specification = Specification.from_file(RunFolder(comparison.folder).specification)
    points = load_points(wanted_points(specification), settings)
    assert points.fingerprint == comparison.result.dataset.fingerprint == specification.fingerprint


def test_an_array_is_compared(coordinates, tmp_path, settings, capsys):
    comparison = taxi.compare(coordinates, **CHOSEN)
    assert comparison.verdicts == {"light-exact": "reference", "light-twin": "equal"}
    assert comparison.folder.parent == tmp_path / "runs"
    assert comparison.report.is_file()
    expected = brute_force_dbscan(coordinates[:, 0], coordinates[:, 1], 60.0, 5)
    for adapter in comparison.verdicts:
        np.testing.assert_array_equal(comparison.labels(adapter), expected.labels)
    assert comparison.result.dataset.uri == "numpy.ndarray"
    assert "<svg" in comparison._repr_html_()
    assert capsys.readouterr() == ("", "")
    assert_it_can_run_again(comparison, settings)


def test_trips_of_a_file_are_compared_as_the_specification_says(trips, tmp_path, settings):
    loaded = taxi.load(trips, lat="north", lon="east")
    comparison = taxi.compare(loaded, sample=200, seed=3, output=tmp_path / "run", **CHOSEN)
    assert comparison.result.dataset.uri == str(trips)
    assert comparison.result.dataset.points == 200
    assert_it_can_run_again(comparison, settings)
    again = taxi.load(trips, lat="north", lon="east", sample=200, seed=3)
    assert again.fingerprint == comparison.result.dataset.fingerprint


def test_a_sample_keeps_the_seed_that_it_was_drawn_with(trips, tmp_path, settings):
    loaded = taxi.load(trips, lat="north", lon="east", sample=100, seed=7)
    comparison = taxi.compare(loaded, seed=2, output=tmp_path / "run", **CHOSEN)
    assert comparison.result.dataset.fingerprint == loaded.fingerprint
    specification = Specification.from_file(RunFolder(comparison.folder).specification)
    assert (specification.dataset.seed, specification.trials.seed) == (7, 2)
    assert_it_can_run_again(comparison, settings)


def test_the_city_is_that_of_its_own_seed(tmp_path, settings):
    city = taxi.load("synthetic:rows=300", seed=4)
    comparison = taxi.compare(city, seed=1, output=tmp_path / "run", **CHOSEN)
    assert comparison.result.dataset.fingerprint == city.fingerprint
    assert_it_can_run_again(comparison, settings)


def test_sizes_and_a_chosen_eps_of_trips_in_memory(coordinates):
    table = pa.table({"lat": coordinates[:, 0], "lon": coordinates[:, 1]})
    comparison = taxi.compare(table, **CHOSEN | {"eps": "auto", "sizes": [100, "all"]})
    assert comparison.result.eps_choice is not None
    assert [workload.points for workload in comparison.result.workloads] == [100]


def test_a_run_that_never_began_leaves_nothing(tmp_path):
    with pytest.raises(DataError, match="cleaning left none of 2 rows"):
        taxi.compare(np.zeros((2, 2)), output=tmp_path / "run", **CHOSEN)
    assert not (tmp_path / "run").exists()


PROGRAM = """
import numpy as np
import taxi_mlops as taxi

rng = np.random.default_rng(0)
stops = [-33.44, -70.65] + rng.normal(0, 1e-3, (200, 2))
comparison = taxi.compare(stops, eps=60, min_samples=5, adapters=["light-exact", "light-twin"], repeats=1)
print(sorted(comparison.verdicts.items()), comparison.folder)
"""
PRINTED = "[('light-exact', 'reference'), ('light-twin', 'equal')]"


def test_a_plain_script_needs_no_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    finished = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert finished.stderr == ""
    assert finished.stdout.startswith(PRINTED)
    assert Comparison(finished.stdout.removeprefix(PRINTED).strip()).verdicts["light-twin"] == "equal"


@pytest.mark.parametrize("options", [["-"], ["-i", "-q"]])
def test_it_can_be_typed_into_an_interpreter(options):
    finished = subprocess.run(
        [sys.executable, *options], input=PROGRAM, capture_output=True, text=True, check=True, timeout=250
    )
    assert PRINTED in finished.stdout
    assert "Error" not in finished.stderr
