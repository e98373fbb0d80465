"""The `taxi` command as a user calls it: real processes, real adapters, real files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

from taxi_mlops.cli.main import main

FAST = ("--repeats", "2", "--adapters", "sklearn,sklearn-njobs", "--sample", "2000")

WITHOUT_MLFLOW = {"TAXI_MLFLOW_URI": "off"}  # it takes seconds to import


@pytest.fixture
def taxi(tmp_path):
    """Run `taxi` in an empty folder; returns the finished process."""

    def taxi(*arguments, code=0, stdin=subprocess.DEVNULL, **environment):
        own = {"TAXI_CACHE_DIR": str(tmp_path / "cache"), "COLUMNS": "80"} | WITHOUT_MLFLOW
        finished = subprocess.run(
            [sys.executable, "-m", "taxi_mlops.cli", *map(str, arguments)],
            check=False,
            cwd=tmp_path,
            env=os.environ | own | environment,
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert finished.returncode == code, finished.stderr
        assert "Traceback" not in finished.stderr
        return finished

    return taxi


def test_a_first_comparison_without_any_data(taxi, tmp_path):
    finished = taxi("compare", *FAST, "--output", "out")
    assert "reference" in finished.stdout
    assert "equal" in finished.stdout
    assert "Results in out/" in finished.stdout
    assert max(map(len, finished.stdout.splitlines()[:6])) <= 80
    assert "[6/6]" in finished.stderr
    comparison = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    assert [entry["rank"] for entry in comparison["ranking"]] != [None, None]
    assert comparison["dataset"]["points"] == 2000

    listed = json.loads(taxi("runs", ".", "--json").stdout)
    assert [(run["folder"], run["state"]) for run in listed] == [("out", "ended")]
    assert "2,000" in taxi("runs", ".").stdout
    again = taxi("compare", "--resume", "out", "--json", "--quiet")
    assert json.loads(again.stdout) == comparison
    assert again.stderr == ""


def test_a_run_is_recorded_and_recorded_again(taxi, tmp_path):
    # A place that cannot be made: the run ends well all the same, and says so at the end.
    wrong = {"TAXI_EXPERIMENTS_URL": "sqlite:////proc/nowhere/hunter2.db"}
    finished = taxi("compare", *FAST, "--output", "runs/first", "--quiet", **wrong)
    assert "Results in runs/first/" in finished.stdout
    (line,) = finished.stderr.splitlines()
    assert line.startswith("not recorded in store: ")
    assert line.endswith("try again with: taxi record runs/first")
    assert "ended, not in store" in taxi("runs", COLUMNS="200").stdout
    assert "not recorded in store" in taxi("record", "runs/first", code=1, **wrong).stderr

    finished = taxi("record", "runs/first")
    assert finished.stdout.startswith("runs/first: recorded in store (sqlite:///")
    assert finished.stderr == ""
    (listed,) = json.loads(taxi("runs", "--adapter", "sklearn", "--json").stdout)
    assert (listed["folder"], listed["unrecorded"]) == (str(tmp_path / "runs" / "first"), [])
    assert taxi("runs", "--since", "2999-01-01").stdout == "no run matches\n"

    taxi("compare", "--spec", "runs/first/specification.toml", "--output", "elsewhere", "--quiet")
    assert {run["folder"] for run in json.loads(taxi("runs", "--json").stdout)} == {
        str(tmp_path / "runs" / "first"),
        str(tmp_path / "elsewhere"),
    }
    compared = json.loads(taxi("runs", "compare", listed["run_id"], "elsewhere", "--json").stdout)
    assert [adapter["name"] for adapter in compared["adapters"]] == ["sklearn", "sklearn-njobs"]
    assert all(adapter["fit_seconds_ratio"]["low"] > 0 for adapter in compared["adapters"])
    assert "sklearn-njobs" in taxi("runs", "compare", "runs/first", "elsewhere").stdout
    taxi("compare", *FAST, "--eps", "200", "--output", "unlike", "--quiet")
    refused = taxi("runs", "compare", "runs/first", "unlike", code=2)
    assert "eps_metres: 100.0 and 200.0" in refused.stderr


def test_json_is_all_that_goes_to_standard_output_and_follows_the_schema(taxi, shared_data):
    chicago = shared_data / "chicago_taxi_2013_2016_sample.csv"
    finished = taxi("compare", chicago, *FAST, "--points", "dropoff", "--eps", "500", "--json", "--quiet")
    document = json.loads(finished.stdout)
    jsonschema.validate(document, json.loads(taxi("schema", "comparison").stdout))
    assert document["dataset"]["schema"] == "chicago"
    assert document["dataset"]["rows_read"] == 15_002
    assert sum(document["dataset"]["dropped"].values()) == 15_002 - document["dataset"]["rows_used"]
    others = [adapter for adapter in document["adapters"] if adapter["name"] != document["reference"]]
    assert [adapter["equivalence"]["verdict"] for adapter in others] == ["equal"]


def test_a_specification_file_is_all_that_is_needed(taxi, tmp_path, shared_data):
    specification = tmp_path / "experiment.yaml"
    specification.write_text(
        f"dataset: {{source: {shared_data / 'yellow_tripdata_2016-06_sample.csv'}}}\n"
        "parameters: {eps_metres: 300, min_samples: 4}\n"
        "trials: {adapters: [sklearn], repeats: 1}\n",
        encoding="utf-8",
    )
    taxi("compare", "--spec", specification, "--output", "run", "--quiet")
    comparison = json.loads((tmp_path / "run" / "comparison.json").read_text(encoding="utf-8"))
    assert comparison["dataset"]["schema"] == "yellow-2015-2016"
    assert comparison["parameters"] == {"eps_metres": 300.0, "min_samples": 4, "metric": "great_circle"}
    assert [(adapter["name"], len(adapter["fit_seconds"])) for adapter in comparison["adapters"]] == [("sklearn", 1)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compare", "nowhere.csv"), "nowhere.csv"),
        (("compare", "--eps", "-5"), "--eps = '-5'"),
        (("compare", "--adapters", "dbscanner"), "available: "),
        (("compare", "--resume", "nowhere"), "holds no run"),
        (("compare", "--resume", "x", "--eps", "5"), "no other options"),
        (("compare", "--spec", "nowhere.toml"), "nowhere.toml"),
        (("compare", "--bbox", "1,2,3"), "'1,2,3'"),
        (("compare", "--colour", "red"), "No such option"),
        (("schema", "nonsense"), "nonsense"),
        (("record", "nowhere"), "holds no run"),
        (("record", "nowhere", "--to", "excel"), "available: mlflow, store"),
        (("runs", "compare", "nowhere", "nothing"), "'nowhere'"),
        (("data", "inspect", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_a_mistake_gets_one_clear_line_and_exit_code_2(tmp_path, monkeypatch, capfd, arguments, message):
    """In this process: nothing is started for them, so that one of their own would do nothing but import."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAXI_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "argv", ["taxi", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    stdout, stderr = capfd.readouterr()
    assert message in stderr
    assert stdout == ""
    assert len([line for line in stderr.splitlines() if line.lower().startswith("error")]) == 1
    assert "Traceback" not in stderr
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_a_wrong_setting_is_a_mistake_too(taxi):
    assert "TAXI_LOG_LEVEL = 'loud'" in taxi("runs", code=2, TAXI_LOG_LEVEL="loud").stderr


def test_help_imports_nothing_heavy():
    """`taxi --help` answers at once: none of the libraries that take long to import are touched."""
    heavy = ("numpy", "pandas", "sklearn", "numba", "pyarrow", "scipy", "pydantic", "structlog", "rich.markdown")
    program = (
        "import sys; from taxi_mlops.cli.main import app; app(['--help'], standalone_mode=False); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "compare" in finished.stdout
    assert finished.stdout.splitlines()[-1] == "[]"


def test_the_other_commands_answer(taxi, tmp_path):
    assert "sklearn-parallel" in taxi("adapters").stdout
    assert {listing["name"] for listing in json.loads(taxi("adapters", "--json").stdout)} >= {"sklearn", "dbscan"}
    assert "memory" in taxi("doctor").stdout
    assert "no runs in runs/" in taxi("runs").stdout
    assert taxi("--version").stdout.startswith("taxi-mlops ")
    for name in ("specification", "journal"):
        jsonschema.Draft202012Validator.check_schema(json.loads(taxi("schema", name).stdout))
    taxi("data", "synthesize", "--rows", "5000", "city.parquet")
    assert "5,000" in taxi("data", "inspect", "city.parquet").stdout
    assert Path(tmp_path / "city.parquet").stat().st_size > 0


def test_trips_are_clustered_by_one_command(taxi, tmp_path):
    asked = ("cluster", "synthetic:rows=3000", "--eps", 200, "--min-samples", 20)
    finished = taxi(*asked, "--output", "out", "--keep-columns")
    lines = finished.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 24
    assert "Results in out/" in finished.stdout
    assert (tmp_path / "out" / "clusters.html").stat().st_size < 5_000_000
    kept = pq.read_schema(tmp_path / "out" / "labels.parquet").names
    assert kept[:6] == ["row", "latitude", "longitude", "label", "core", "synthetic_trip"]

    again = taxi(*asked, "--output", "out", code=2)
    assert re.fullmatch(r"error: out is not empty \(.*, …\); name a new folder\n", again.stderr)
    predicted = taxi("predict", "out/model.npz", "synthetic:rows=500", "--output", "new", "--bbox", "-90,-180,90,180")
    labels = pq.read_table(tmp_path / "out" / "labels.parquet", columns=["row", "label"]).to_pylist()
    inside = sum(row["row"] < 500 and row["label"] >= 0 for row in labels)
    assert f"\n{inside} points (" in predicted.stdout, "they are the first trips of the same city"
    assert inside > 100
    assert max(map(len, predicted.stdout.splitlines())) <= 80
    assert pq.read_schema(tmp_path / "new" / "labels.parquet").names == ["row", "latitude", "longitude", "label"]
    refused = taxi("predict", "out/cluster.json", "synthetic:rows=500", code=2)
    assert refused.stderr.startswith("error: out/cluster.json is not a saved model: it is no .npz file of arrays; name")
    points = pq.read_table(tmp_path / "out" / "labels.parquet", columns=["latitude", "longitude"])
    csv.write_csv(points, tmp_path / "points.csv")
    with (tmp_path / "points.csv").open("rb") as piped:
        printed = taxi("cluster", "-", *asked[2:], "--json", "--format", "csv", stdin=piped)
    result, first = json.loads(printed.stdout), json.loads((tmp_path / "out" / "cluster.json").read_bytes())
    assert (result["labels"], result["dataset"]["uri"]) == ("labels.csv", "-")
    assert (result["n_clusters"], result["n_noise"]) == (first["n_clusters"], first["n_noise"])
    assert printed.stderr == ""
    wrong = taxi("cluster", "--eps", "-5", code=2)
    assert wrong.stderr.startswith("error: --eps = '-5': Input should be")
