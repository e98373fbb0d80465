"""Clustering in tiles from the command line: the labels of memory, whatever kills it on the way."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prometheus_client.parser import text_string_to_metric_families

from taxi_mlops.clustering import Cluster
from taxi_mlops.data.load import open_trips
from taxi_mlops.errors import DataError, RunFolderError, TaxiError, UsageError
from taxi_mlops.pipeline import tiles as steps
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.place import ChosenPlace, choose_place
from taxi_mlops.pipeline.tiled_files import write_tiled
from taxi_mlops.results.cluster_result import ClusterFolder
from taxi_mlops.scale.run import Limits
from taxi_mlops.settings import Settings

TAXI = [sys.executable, "-m", "taxi_mlops.cli"]
PLACE = ChosenPlace("tiles", "as --on tiles says", 2 * 10**9)


@pytest.fixture(scope="module")
def trips(tmp_path_factory):
    """A city of 60,000 dirty trips in two files, in row groups of 5,000."""
    folder = tmp_path_factory.mktemp("trips")
    run("data", "synthesize", folder / "all.parquet", "--rows", "60000")
    table = pq.read_table(folder / "all.parquet")
    (folder / "parts").mkdir()
    pq.write_table(table[:35_000], folder / "parts" / "1.parquet", row_group_size=5_000)
    pq.write_table(table[35_000:], folder / "parts" / "2.parquet", row_group_size=5_000)
    return folder / "parts"


@pytest.fixture(scope="module")
def expected(trips, tmp_path_factory):
    """The labels of memory."""
    output = tmp_path_factory.mktemp("memory") / "out"
    run("cluster", trips, *OPTIONS, "--output", output)
    return pq.read_table(output / "labels.parquet")


@pytest.fixture
def settings(tmp_path):
    return Settings(cache_dir=tmp_path / "cache", runs_dir=tmp_path / "runs")


@pytest.fixture
def small(monkeypatch):
    """Many tiles and chunks, though there are few points."""
    monkeypatch.setattr(steps.Limits, "of_memory", lambda _bytes: Limits(4_000, 10_000))
    monkeypatch.setattr(steps.Limits, "for_points", lambda limits, _points, _workers: limits.points_of_a_tile)


OPTIONS = ("--eps", "40", "--min-samples", "12", "--quiet")


def run(*arguments, status=0):
    done = subprocess.run([*TAXI, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def document(source, **parameters):
    given = {"data": str(source), "eps": 40, "min_samples": 12, "threads": 2, "on": "tiles", **parameters}
    return Cluster().with_parameters(given)


def assert_labels(folder, expected):
    found = pq.read_table(folder / "labels")
    for name in ("row", "label", "core"):
        assert found[name].combine_chunks().equals(expected[name].combine_chunks()), name


def test_labels_counts_and_files(trips, expected, settings, small, tmp_path):
    folder = ClusterFolder(tmp_path / "out")
    progress = []
    observer = Observer()
    observer.loading = lambda *event: progress.append(event)
    result = write_tiled(steps.cluster_in_tiles(document(trips), PLACE, settings, observer, folder), observer)
    assert_labels(folder.path, expected)
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "cluster.json",
        "clusters.html",
        "hotspots.geojson",
        "labels",
        "metrics.prom",
        "plan.json",
        "trace.jsonl",
    ]
    assert [path.name for path in sorted(folder.parts.iterdir())] == [f"part-{n:05}.parquet" for n in range(7)]
    label = np.asarray(expected["label"])
    assert result.dataset.points == len(label)
    assert (result.n_clusters, result.n_noise) == (label.max() + 1, (label == -1).sum())
    assert result.n_core == np.count_nonzero(np.asarray(expected["core"]))
    largest = np.sort(np.bincount(label[label >= 0]))[::-1]
    assert [cluster.points for cluster in result.largest] == largest[:10].tolist()
    plan = json.loads(folder.plan.read_text())
    assert result.tiles.tiles == len(plan["tiles"]) > 10
    assert result.tiles.points_in_halos > 0
    assert 20 * len(label) < result.tiles.spill_bytes < 60 * len(label)
    done = [event for event in progress if event[1] == event[2]]
    assert [what for what, _, _ in done] == [
        "Counting the points",
        "Putting the points in tiles",
        "Clustering the tiles",
        "Writing the labels",
    ]


def test_each_stage_is_measured_and_traced(trips, settings, small, tmp_path):
    folder = ClusterFolder(tmp_path / "out")
    clusters = steps.cluster_in_tiles(document(trips), PLACE, settings, Observer(), folder)
    families = {family.name: family.samples for family in text_string_to_metric_families(folder.metrics.read_text())}
    seconds = {sample.labels["stage"]: sample.value for sample in families["taxi_tiles_stage_seconds"]}
    assert set(seconds) == {"plan", "scatter", "cluster", "join", "label"}
    assert 0.0 < sum(seconds.values()) <= clusters.watch.seconds["plan"] + clusters.watch.seconds["fit"]
    values = {name: samples[0].value for name, samples in families.items()}
    assert values["taxi_tiles_rows"] == 60_000
    assert values["taxi_tiles_points"] == clusters.tiled.points
    assert values["taxi_tiles"] == len(clusters.plan.tiles)
    assert values["taxi_tiles_clusters"] == clusters.tiled.n_clusters
    assert values["taxi_tiles_noise_ratio"] == clusters.tiled.n_noise / clusters.tiled.points
    lines = [json.loads(line) for line in folder.trace.read_text().splitlines()]
    spans = [span for line in lines for part in line["resourceSpans"][0]["scopeSpans"] for span in part["spans"]]
    assert [span["name"] for span in spans] == [*(f"cluster.{stage}" for stage in seconds), "cluster"]
    root = spans[-1]
    assert {span["traceId"] for span in spans} == {root["traceId"]}
    assert {span["parentSpanId"] for span in spans[:-1]} == {root["spanId"]}


def test_services_that_are_away_cost_a_warning(trips, settings, small, tmp_path):
    with socket.socket() as taken:  # and nothing listens there
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        away = settings.model_copy(update={"pushgateway_url": url, "otlp_endpoint": url})
        warnings = []
        observer = Observer()
        observer.warning = warnings.append
        folder = ClusterFolder(tmp_path / "out")
        write_tiled(steps.cluster_in_tiles(document(trips), PLACE, away, observer, folder), observer)
        assert folder.result.is_file()
        assert len(warnings) == 2
        assert all("not sent" in warning for warning in warnings)


def test_the_counts_of_cleaning_are_those_of_memory(trips, settings, small, tmp_path):
    in_memory = json.loads(run("cluster", trips, *OPTIONS, "--json", "--output", tmp_path / "memory"))
    clusters = steps.cluster_in_tiles(document(trips), PLACE, settings, Observer(), ClusterFolder(tmp_path / "out"))
    result = json.loads(write_tiled(clusters, Observer()).model_dump_json())
    for name in ("rows_read", "rows_used", "dropped", "notes", "schema", "columns", "data_version"):
        assert result["dataset"][name] == in_memory["dataset"][name], name
    assert result["dataset"]["fingerprint"] is None


@pytest.fixture
def small_taxi(tmp_path):
    """The command, with many tiles and chunks, though there are few points."""
    script = tmp_path / "small.py"
    script.write_text(
        "import sys\n"
        "from taxi_mlops.pipeline import tiles\n"
        "from taxi_mlops.scale.run import Limits\n"
        "tiles.Limits.of_memory = lambda _bytes: Limits(4_000, 10_000)\n"
        "Limits.for_points = lambda limits, _points, _workers: limits.points_of_a_tile\n"
        "from taxi_mlops.cli.main import main\n"
        "main()\n"
    )
    return [sys.executable, str(script)]


def wait_for(process, folder, files):
    """Wait until there is such a file, or the process has ended."""
    deadline = time.monotonic() + 200
    while not any(folder.glob(files)) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)


def test_killed_at_any_moment_and_resumed(trips, expected, small_taxi, tmp_path):
    """What is finished when it dies is not made again; nothing is left but the results."""
    folder = tmp_path / "out"
    work, parts = folder / "work", folder / "labels"
    stops = [
        (work, "run.json"),
        (work / "spill" / "chunks", "*.json"),
        (work / "spill" / "tiles", "*.npz"),
        (parts, "*.parquet"),
    ]
    arguments = ["cluster", str(trips), *OPTIONS, "--on", "tiles", "--memory-limit", "1GB", "--output", str(folder)]
    times = {}
    for where, files in stops:
        process = subprocess.Popen([*small_taxi, *arguments], start_new_session=True)
        wait_for(process, where, files)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        for path, changed in times.items():
            assert path.stat().st_mtime_ns == changed, path
        finished = [path for pattern in ("*.json", "*.npz") for path in (work / "spill").rglob(pattern)]
        times = {path: path.stat().st_mtime_ns for path in finished}
        arguments = ["cluster", "--resume", str(folder), "--quiet"]
    assert times
    done = subprocess.run([*small_taxi, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert_labels(folder, expected)
    assert not work.exists()
    assert "is complete" in run("cluster", "--resume", folder, status=2)


@pytest.mark.parametrize("files", ["chunks/*.chunk", "tiles/*.npz"])
def test_workers_that_are_killed_are_replaced(trips, expected, small_taxi, tmp_path, files):
    folder = tmp_path / "out"
    command = [*small_taxi, "cluster", str(trips), *OPTIONS, "--on", "tiles", "--threads", "2", "--output", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(process, folder / "work" / "spill", files)
    servers = psutil.Process(process.pid).children() if process.poll() is None else []
    for worker in [worker for server in servers for worker in server.children()]:
        worker.kill()
    _, said = process.communicate(timeout=250)
    assert process.returncode == 0, said
    assert_labels(folder, expected)


def test_a_changed_input_is_refused(trips, settings, small, tmp_path, monkeypatch):
    copy, folder = tmp_path / "copy", ClusterFolder(tmp_path / "out")
    shutil.copytree(trips, copy)
    monkeypatch.setattr(steps.Tiling, "run", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        steps.cluster_in_tiles(document(copy), PLACE, settings, Observer(), folder)
    monkeypatch.undo()
    table = pq.read_table(copy / "2.parquet")
    pq.write_table(table[:-1], copy / "2.parquet")
    with pytest.raises(DataError, match=r"was changed since .*out was begun; start again"):
        steps.resume_tiles(folder, settings, Observer())


def test_an_input_that_changes_while_it_is_read_is_refused(trips, settings, small, tmp_path, monkeypatch):
    copy, folder = tmp_path / "copy", ClusterFolder(tmp_path / "out")
    shutil.copytree(trips, copy)
    planned = steps.make_plan

    def change(*arguments):
        table = pq.read_table(copy / "2.parquet")
        pq.write_table(pa.concat_tables([table, table[:100]]), copy / "2.parquet", row_group_size=5_100)
        return planned(*arguments)

    monkeypatch.setattr(steps, "make_plan", change)
    with pytest.raises(DataError, match="changed while it was read"):
        steps.cluster_in_tiles(document(copy), PLACE, settings, Observer(), folder)


def in_mount_namespace(tmp_path, script):
    """Run a script that may mount file systems, where that is allowed."""
    alone = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*alone, f"mount -t tmpfs none {tmp_path}"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    return subprocess.run([*alone, script], capture_output=True, text=True, check=False, timeout=250)


def test_a_full_disk_says_how_to_go_on(trips, tmp_path):
    """The spill is a file system of 1 MB."""
    script = (
        f"mount -t tmpfs -o size=1200k none {tmp_path} && mkdir {tmp_path}/spill && "
        + " ".join([*TAXI, "cluster", str(trips), *OPTIONS, "--on", "tiles", "--memory-limit", "1GB"])
        + f" --spill {tmp_path}/spill/here --output {tmp_path.parent}/full"
    )
    done = in_mount_namespace(tmp_path, script)
    assert done.returncode == 1
    assert "free some space" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_disk_that_becomes_full_while_tiles_are_clustered(trips, expected, small_taxi, tmp_path):
    """The spill is a file system with room for the points, but not for what is found in the tiles; then it grows."""
    disk, output = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    taxi = " ".join([*small_taxi, "cluster"])
    script = (
        f"mount -t tmpfs -o size=1600k none {disk}\n"
        f"{taxi} {trips} {' '.join(OPTIONS)} --on tiles --memory-limit 1GB --spill {disk}/spill --output {output}\n"
        f"echo first $? >&2; ls {disk}/spill/tiles >&2\n"
        f"mount -o remount,size=20m {disk}\n"
        f"{taxi} --resume {output} --quiet\n"
        f"echo second $? >&2; ls {disk} | wc -l >&2\n"
    )
    said = in_mount_namespace(tmp_path / "disk", script).stderr
    assert (
        "the disk is full; no finished tile is lost: free some space, then resume with: taxi cluster --resume" in said
    )
    assert "first 1\n" in said
    assert ".npz" in said
    assert said.endswith("second 0\n0\n")
    assert "Traceback" not in said
    assert_labels(output, expected)


def test_a_disk_that_becomes_full_says_how_to_go_on(trips, settings, small, tmp_path, monkeypatch):
    folder = ClusterFolder(tmp_path / "out")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(steps.Tiling, "run", full)
    with pytest.raises(TaxiError, match=r"the disk is full; .* taxi cluster --resume .*out"):
        steps.cluster_in_tiles(document(trips), PLACE, settings, Observer(), folder)
    monkeypatch.undo()
    steps.resume_tiles(folder, settings, Observer())


@pytest.mark.parametrize(
    ("parameters", "place", "reason"),
    [
        ({}, "memory", "about 60,000 rows need 327 MB of memory, and 3 GB may be used"),
        ({"memory_limit": "200MB"}, "tiles", "about 60,000 rows need 327 MB of memory, and only 200 MB may be used"),
        ({"memory_limit": "200MB", "eps": "auto"}, "memory", ".*but --eps auto is read off all points, in memory"),
        ({"on": "memory", "memory_limit": "200MB"}, "memory", "as --on memory says"),
        ({"on": "tiles"}, "tiles", "as --on tiles says"),
        ({"on": "dask://127.0.0.1:8786"}, "tiles", "as --on dask://127.0.0.1:8786 says"),
    ],
)
def test_the_place_is_chosen_by_memory(trips, settings, parameters, place, reason):
    asked = Cluster().with_parameters({"data": str(trips), "eps": 40, "memory_limit": "3GB", **parameters})
    chosen = choose_place(asked, open_trips(asked.dataset, settings))
    assert chosen.place == place
    assert re.fullmatch(reason, chosen.reason)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"adapter": "sklearn"}, "only --adapter grid clusters in tiles, not sklearn; leave out --on tiles"),
        ({"sample": 10}, "--sample is drawn from all points, in memory; leave out --on tiles"),
        ({"eps": "auto"}, "--eps auto is read off all points, in memory; leave out --on tiles"),
    ],
)
def test_what_tiles_cannot_do_is_refused(trips, settings, parameters, message):
    asked = document(trips, **parameters)
    with pytest.raises(UsageError, match=message):
        choose_place(asked, open_trips(asked.dataset, settings))


def test_too_little_memory_is_refused(trips, settings, tmp_path):
    with pytest.raises(UsageError, match="--memory-limit 600 MB: tiles need 900 MB or more"):
        steps.cluster_in_tiles(
            document(trips), ChosenPlace("tiles", "", 600_000_000), settings, Observer(), ClusterFolder(tmp_path / "x")
        )
    assert not (tmp_path / "x").exists()


def test_there_is_nothing_to_resume(settings, tmp_path):
    with pytest.raises(RunFolderError, match="holds no clustering in tiles"):
        steps.resume_tiles(ClusterFolder(tmp_path), settings, Observer())


def test_a_plan_is_printed_and_nothing_is_written(trips, tmp_path):
    plan = json.loads(run("cluster", trips, *OPTIONS, "--plan", "--json", "--output", tmp_path / "out"))
    assert plan["eps_metres"] == 40
    assert sum(tile["points"] for tile in plan["tiles"]) == plan["points"] > 55_000
    assert "tiles, eps 40 m" in run("cluster", trips, *OPTIONS, "--plan")
    assert not (tmp_path / "out").exists()


def test_other_forms_of_labels_are_refused(trips, tmp_path):
    said = run("cluster", trips, *OPTIONS, "--on", "tiles", "--format", "csv", "--output", tmp_path / "x", status=2)
    assert "--format and --keep-columns are for points in memory, not in tiles" in said
    said = run("cluster", trips, *OPTIONS, "--spill", tmp_path / "s", "--output", tmp_path / "x", status=2)
    assert "--spill is for points in tiles" in said
