"""`taxi features` with a model of the registry, as a user calls it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

pytest.importorskip("polars", reason="polars is in the extra features")

from taxi_mlops.cli.main import app
from taxi_mlops.data.synthetic import write_parquet


@pytest.fixture
def taxi(settings, tmp_path, monkeypatch):
    """Calls the command; gives what it prints."""
    monkeypatch.setenv("TAXI_RUNS_DIR", str(settings.runs_dir))
    monkeypatch.setenv("TAXI_FEATURES_DIR", str(tmp_path / "features"))
    monkeypatch.chdir(tmp_path)

    def called(*words: str) -> str:
        done = CliRunner().invoke(app, ["features", *words])
        assert done.exit_code == 0, done.output + repr(done.exception)
        return done.stdout

    return called


def test_features_are_built_materialized_and_read(registry, register_copy, taxi, tmp_path):
    registry.crown(register_copy("featured"), None)
    write_parquet(tmp_path / "trips.parquet", 4000, 1)
    said = taxi("build", "trips.parquet", "--model", "featured", "--quiet")
    assert said.startswith("featured@1: ")
    assert said.endswith("trips are known at the pickup (pickup_time)\n")
    offline = json.loads(
        taxi("get", "--entity", "hotspot=1", "--model", "featured", "--at", "2024-01-20T08:00", "--json")
    )
    assert (offline["at"], offline["stale"]) == ("2024-01-20T08:00:00", False)
    assert taxi("materialize", "--model", "featured", "--at", "2024-01-20T08:30").startswith("featured@1: ")
    online = json.loads(taxi("get", "--entity", "hotspot=1", "--model", "featured", "--json"))
    assert online == {**offline, "stale": True}
    shown = taxi("get", "--entity", "hotspot=1", "--model", "featured")
    assert shown.startswith("hotspot 1 of featured@1 at 2024-01-20T08:00:00, too old\n")
    assert taxi("build", "trips.parquet", "--model", "featured@1", "--backfill", "2024-01", "--quiet")
    assert "hour_of_week" in taxi("get", "--entity", "trip=7", "--model", "featured")


def test_features_are_built_and_materialized_in_one_go(registry, register_copy, settings, tmp_path):
    from taxi_mlops.features import BuildOptions, online_values, open_online
    from taxi_mlops.pipeline.features import build_and_materialize
    from taxi_mlops.pipeline.observer import Observer

    class Stages(Observer):
        def __init__(self):
            self.said = []

        def stage(self, text):
            self.said.append(text)

        def warning(self, text):
            self.said.append(text)

    registry.crown(register_copy("hourly"), None)
    here, observer = settings.model_copy(update={"features_dir": tmp_path / "features"}), Stages()
    built, done = build_and_materialize("synthetic:rows=4000,seed=1", "hourly", here, BuildOptions(), observer)
    assert (done.at, done.version, done.model) == (built.contents.last, "1", "hourly")
    found = online_values(open_online(here, "hourly"), "hourly", 1, now=done.at)
    assert (found.at, found.stale) == (done.at, False)
    assert [said.partition(" ")[0] for said in observer.said] == ["Computing", "No", "Copying"]


def test_what_is_wrong_with_a_command_is_said(taxi, settings):
    assert "pickups_mean_24h" in taxi("list")
    assert {one["name"] for one in json.loads(taxi("list", "--json"))} >= {"pickups_1h", "hour_of_week"}
    for words, said in (
        (("get", "--entity", "place=1"), "--entity place=1: write hotspot=12 or trip=12"),
        (("get", "--entity", "hotspot=1"), "there are no online features of hotspot 1 of model 'hotspots'"),
        (("build", "x.csv", "--model", "nothing"), "there is no model 'nothing'"),
        (("build", "x.csv", "--model", "featured", "--timezone", "Mars"), "there is no"),
    ):
        done = CliRunner().invoke(app, ["features", *words])
        assert said in str(done.exception)
