"""The comparison end to end, in real processes, on adapters that are right, slow, wrong and failing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import jsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest

from taxi_mlops.domain import TrialStatus
from taxi_mlops.errors import AdapterUnavailableError, DataError, RunFolderError, UsageError
from taxi_mlops.pipeline.compare import resume
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.results.comparison import Comparison, read_comparison
from taxi_mlops.results.journal import Journal
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.specification import Specification


def by_name(comparison):
    return {result.name: result for result in comparison.adapters}


def test_equal_ones_are_ranked_and_the_others_stand_apart_with_their_reason(specify, run, tmp_path):
    adapters = ("light-exact", "light-slow", "light-wrong", "light-raising")
    comparison = run(specify(*adapters, repeats=6), tmp_path / "run")
    results = by_name(comparison)
    assert comparison.reference == "light-exact"
    assert [(entry.rank, entry.name) for entry in comparison.ranking[:2]] == [(1, "light-exact"), (2, "light-slow")]
    assert comparison.ranking[1].slower_than_winner.low > 1
    assert results["light-slow"].equivalence.verdict == "equal"
    assert results["light-slow"].speedup.high < 1
    assert results["light-exact"].undefined["equivalence"] == "this is the reference"

    wrong = results["light-wrong"]
    assert wrong.equivalence.verdict == "different"
    assert wrong.equivalence.noise_differing > 0
    assert wrong.equivalence.examples
    raising = results["light-raising"]
    assert (raising.status, raising.reason) == (TrialStatus.ERROR, "ArithmeticError: one too many")
    assert raising.trials == {TrialStatus.ERROR: 1, TrialStatus.SKIPPED: 6}
    assert raising.fit_seconds_median is None
    assert "error" in raising.undefined["fit_seconds_median"]
    unranked = {entry.name: entry.reason for entry in comparison.ranking if entry.rank is None}
    assert "different clustering" in unranked["light-wrong"]
    assert "one too many" in unranked["light-raising"]


def test_what_is_written_is_whole_and_follows_its_schema(specify, run, tmp_path):
    folder = RunFolder(tmp_path / "run")
    comparison = run(specify("light-exact", "light-wrong"), folder.path)
    document = json.loads(folder.comparison.read_text(encoding="utf-8"))
    jsonschema.validate(document, Comparison.model_json_schema(mode="serialization"))
    assert read_comparison(folder.comparison) == comparison
    for adapter in document["adapters"]:
        nulls = {name for name, value in adapter.items() if value is None and name != "reason"}
        assert nulls == set(adapter["undefined"])

    labels = pq.read_table(folder.labels / "light-exact.parquet")
    assert labels.column_names == ["row", "latitude", "longitude", "label", "core"]
    assert labels.schema.field("row").type == "int64"
    assert labels.num_rows == 300 == comparison.dataset.points
    values = labels.column("label").to_numpy()
    result = by_name(comparison)["light-exact"]
    assert (values.max() + 1, np.count_nonzero(values == -1)) == (result.n_clusters, result.n_noise)
    assert result.n_clusters >= 3
    assert sorted(entry.name for entry in folder.path.iterdir() if not entry.name.startswith(".")) == [
        "comparison.json",
        "hotspots.geojson",
        "labels",
        "log.jsonl",
        "metrics.prom",
        "recordings.json",
        "report.html",
        "specification.toml",
        "trace.jsonl",
        "trials.jsonl",
    ]
    events = [json.loads(line) for line in folder.log.read_text(encoding="utf-8").splitlines()]
    assert {event["run_id"] for event in events} == {comparison.run_id}
    assert [event["event"] for event in events][:2] == ["run_started", "points_loaded"]
    assert [event["event"] for event in events][-2:] == ["run_finished", "run_recorded"]


def test_the_written_specification_repeats_the_run(specify, run, tmp_path):
    first = run(specify("light-exact", "light-twin"), tmp_path / "first")
    again = run(Specification.from_file(tmp_path / "first" / "specification.toml"), tmp_path / "again")
    assert again.dataset == first.dataset
    assert [result.n_clusters for result in again.adapters] == [result.n_clusters for result in first.adapters]
    order = [
        [outcome.trial.key for outcome in Journal.read(tmp_path / name / "trials.jsonl").outcomes]
        for name in ("first", "again")
    ]
    assert order[0] == order[1]


def test_changed_data_is_not_taken_for_the_same(specify, run, tmp_path, trips):
    run(specify("light-exact"), tmp_path / "first")
    specification = Specification.from_file(tmp_path / "first" / "specification.toml")
    changed = tmp_path / "changed.csv"
    changed.write_text(trips.read_text(encoding="utf-8") + "\n-33.44,-70.65", encoding="utf-8")
    with pytest.raises(DataError, match="remove `fingerprint`"):
        run(specification.with_parameters({"data": str(changed)}), tmp_path / "second")


def test_an_exact_adapter_takes_the_place_of_a_reference_that_fails(specify, run, tmp_path):
    comparison = run(
        specify("light-approximate", "light-raising", "light-twin", reference="light-raising"), tmp_path / "r"
    )
    assert comparison.reference == "light-twin"
    assert any("light-twin was taken in its place" in warning for warning in comparison.warnings)
    assert by_name(comparison)["light-approximate"].equivalence.verdict == "equal"


def test_without_any_reference_nothing_is_ranked(specify, run, tmp_path):
    comparison = run(specify("light-approximate", reference="light-raising"), tmp_path / "run")
    assert comparison.reference is None
    assert all(entry.rank is None for entry in comparison.ranking)
    assert by_name(comparison)["light-approximate"].undefined["equivalence"] == "no reference succeeded"


def test_answers_that_differ_between_repeats_are_a_warning(specify, run, tmp_path):
    comparison = run(specify("light-exact", "light-unsteady"), tmp_path / "run")
    assert by_name(comparison)["light-unsteady"].equivalence.verdict == "different"
    assert any("light-unsteady: repeats gave" in warning for warning in comparison.warnings)


def test_a_reference_that_was_not_named_is_the_first_exact_one(specify, run, tmp_path):
    assert run(specify("light-approximate", "light-twin", repeats=1), tmp_path / "run").reference == "light-twin"
    with pytest.raises(UsageError, match="--reference"):
        run(specify("light-approximate"), tmp_path / "other")


@pytest.mark.parametrize(
    ("plan", "error", "message"),
    [
        ({"adapters": ("light-exact", "light-typo")}, AdapterUnavailableError, "available: .*light-exact"),
        ({"threads": 10_000}, UsageError, "--threads 10000"),
    ],
)
def test_an_error_is_raised_before_anything_is_written(specify, run, tmp_path, plan, error, message):
    with pytest.raises(error, match=message):
        run(specify(*plan.pop("adapters", ("light-exact",)), **plan), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_that_ended_is_read_back(specify, run, settings, tmp_path):
    comparison = run(specify("light-exact"), tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    before = {path: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}
    assert resume(folder, settings, Observer()) == comparison
    after = {path: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}
    assert after.pop(folder.trace).startswith(before.pop(folder.trace))  # what was done joins it
    assert after == before


def test_a_run_of_a_different_machine_is_not_resumed(specify, run, settings, tmp_path):
    folder = RunFolder(tmp_path / "run")
    run(specify("light-exact"), folder.path)
    folder.comparison.unlink()
    journal = folder.journal.read_text(encoding="utf-8")
    host = Journal.read(folder.journal).header.machine.host
    folder.journal.write_text(journal.replace(f'"host":"{host}"', '"host":"elsewhere"'), encoding="utf-8")
    with pytest.raises(RunFolderError, match="host: elsewhere then"):
        resume(folder, settings, Observer())


def start(folder, specification):
    path = folder.path.with_suffix(".toml")
    path.write_text(specification.to_toml(), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-m", "taxi_mlops.cli", "compare", "--spec", str(path), "--output", str(folder.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_lines(folder, lines):
    deadline = time.monotonic() + 30
    while not folder.journal.is_file() or folder.journal.read_bytes().count(b"\n") < lines:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("lines", [1, 2, 4])
def test_a_killed_run_resumes_where_it_stopped(specify, settings, tmp_path, lines):
    folder = RunFolder(tmp_path / "run")
    process = start(folder, specify("light-exact", "light-slow", repeats=2))
    try:
        wait_for_lines(folder, lines)
        time.sleep(0.1)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert not folder.comparison.exists()
    before = folder.journal.read_bytes()
    finished = before[: before.rfind(b"\n") + 1]

    comparison = resume(folder, settings, Observer())
    journal = Journal.read(folder.journal)
    assert folder.journal.read_bytes().startswith(finished)
    keys = [outcome.trial.key for outcome in journal.outcomes]
    assert len(keys) == len(set(keys)) == 6
    assert [entry.rank for entry in comparison.ranking] != [None, None]


def test_a_run_killed_before_its_first_trial_resumes_too(specify, settings, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create()
    folder.specification.write_text(specify("light-exact").to_toml(), encoding="utf-8")
    (folder.points).mkdir()
    (folder.points / "latitude.npy").write_bytes(b"broken off")
    comparison = resume(folder, settings, Observer())
    assert comparison.ranking[0].rank == 1


def test_ctrl_c_stops_at_once_and_says_how_to_resume(specify, tmp_path):
    folder = RunFolder(tmp_path / "run")
    process = start(folder, specify("light-exact", "light-slow"))
    wait_for_lines(folder, 2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"taxi compare --resume {folder.path}" in stderr
    assert "Traceback" not in stderr


def test_a_folder_without_a_run_cannot_be_resumed(settings, tmp_path):
    with pytest.raises(RunFolderError, match="holds no run"):
        resume(RunFolder(tmp_path), settings, Observer())


def test_one_folder_is_not_used_by_two(specify, run, settings, tmp_path):
    folder = RunFolder(tmp_path / "run")
    run(specify("light-exact"), folder.path)
    with folder.locked(), pytest.raises(RunFolderError, match="in use"):
        resume(folder, settings, Observer())


@pytest.fixture
def specify_workloads(specify):
    """Two samples of the 300 points and other parameters beside them."""

    def specify_workloads(*adapters, **plan):
        pairs = [{"eps_metres": 30.0, "min_samples": 5}]
        document = specify(*adapters, **plan).model_dump() | {
            "workloads": {"sizes": [100, 200, "all"], "parameters": pairs}
        }
        return Specification.model_validate(document)

    return specify_workloads


def test_several_workloads_are_one_run(specify_workloads, run, tmp_path):
    comparison = run(specify_workloads("light-exact", "light-twin", repeats=1), tmp_path / "run")
    assert [(one.key, one.points) for one in comparison.workloads] == [
        ("n100", 100),
        ("n200", 200),
        ("eps30-min5", 300),
    ]
    for one in comparison.workloads:
        assert {entry.name for entry in one.ranking if entry.rank} == {"light-exact", "light-twin"}
        assert by_name(one)["light-twin"].equivalence.verdict == "equal"
        assert by_name(one)["light-exact"].undefined["quality"] == "was not measured"
        assert len(by_name(one)["light-exact"].fit_seconds) == 1
    assert by_name(comparison)["light-exact"].quality is not None
    across = comparison.across_workloads
    assert [one.points for one in across.growth_over] == [100, 200, 300]
    assert set(across.ranks.leaders) == {"light-exact", "light-twin"}
    folder = RunFolder(tmp_path / "run")
    document = json.loads(folder.comparison.read_text(encoding="utf-8"))
    jsonschema.validate(document, Comparison.model_json_schema(mode="serialization"))
    assert read_comparison(folder.comparison) == comparison
    assert "Scaling" in folder.report.read_text(encoding="utf-8")
    outcomes = Journal.read(folder.journal).outcomes
    assert len({outcome.trial.key for outcome in outcomes}) == len(outcomes) == 2 * 2 * 4
    metrics = folder.metrics.read_text(encoding="utf-8")
    assert 'taxi_trials_total{adapter="light-exact",kind="timing",status="ok"} 4.0' in metrics


def test_a_run_of_several_workloads_resumes_where_it_stopped(specify_workloads, run, settings, tmp_path):
    folder = RunFolder(tmp_path / "run")
    process = start(folder, specify_workloads("light-exact", repeats=1))
    try:
        wait_for_lines(folder, 4)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    comparison = resume(folder, settings, Observer())
    keys = [outcome.trial.key for outcome in Journal.read(folder.journal).outcomes]
    assert len(keys) == len(set(keys)) == 8
    assert len(comparison.workloads) == 3


def test_what_took_too_much_on_few_points_is_not_tried_on_more(specify_workloads, run, tmp_path):
    comparison = run(specify_workloads("light-exact", "light-greedy", repeats=1), tmp_path / "run")
    found = {one.key: by_name(one)["light-greedy"] for one in comparison.workloads}
    assert found["n100"].status is TrialStatus.OUT_OF_MEMORY
    for result in (found["n200"], by_name(comparison)["light-greedy"]):
        assert result.status is TrialStatus.SKIPPED
        assert result.reason == "not run: trial light-greedy/memory/0@n100 ended out_of_memory"
    assert found["eps30-min5"].status is TrialStatus.OUT_OF_MEMORY
