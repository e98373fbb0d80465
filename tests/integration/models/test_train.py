"""`taxi train` with the embedded registry."""

from __future__ import annotations

import json

import numpy as np
import pytest

from taxi_mlops.errors import UsageError
from taxi_mlops.models.mlflow_model import load_mlflow_model
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.train import register
from taxi_mlops.results.documents import read_document
from taxi_mlops.results.model_card import ModelCard


def test_a_model_is_judged_on_the_last_fifth_by_time(first):
    card = first[0].card
    assert (card.trained_on + card.held_out.points, card.held_out.drawn) == (card.dataset.points, "last by time")
    assert abs(card.held_out.points - card.dataset.points / 5) <= 1
    assert card.time_column == "pickup_time"
    assert 0.5 < card.unseen.low < card.unseen.score < card.unseen.high <= 1.0
    assert (card.proof.reference, card.proof.equal, card.proof.points_differing) == ("sklearn", True, 0)
    assert first[0].model.ids.tolist() == list(range(1, card.n_hotspots + 1))
    assert (card.next_id, card.changes, card.against_champion) == (card.n_hotspots + 1, None, None)


def test_hours_of_the_week_count_the_trips_of_hotspots(first):
    model = first[0].model
    assert model.hours.shape == (len(model), 168)
    assert (model.hours.sum(axis=1) == model.size).all()


def test_the_folder_has_the_card_and_nothing_pickled(first):
    trained, folder = first
    assert read_document(ModelCard, folder.result) == trained.card
    page = folder.page.read_text(encoding="utf-8")
    assert "Unseen trips" in page
    assert 'http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;' in page
    files = {str(path.relative_to(folder.model)) for path in folder.model.rglob("*") if path.is_file()}
    assert {"MLmodel", "data/hotspots/model.npz", "data/hotspots/outlines.json"} <= files
    assert not [name for name in files if name.endswith((".pkl", ".lock")) or "pyproject" in name]
    features = json.loads(folder.hotspots.read_text(encoding="utf-8"))["features"]
    assert [feature["id"] for feature in features] == trained.model.ids.tolist()


def test_versions_are_numbered_by_the_one_before_and_loaded_by_mlflow(train, registry, settings, first):
    import mlflow
    import pandas as pd

    version = register(*train("city", eps=150, min_samples=4), registry, Observer())
    assert (version.version, version.aliases) == ("1", ("challenger",))
    same = train("city", eps=151, min_samples=4)
    card = same[0].card
    assert card.changes.version == "1"
    assert card.changes.kept + len(card.changes.born) == card.n_hotspots
    assert card.changes.kept > 0.9 * card.n_hotspots
    second = register(*same, registry, Observer())
    assert [(one.version, one.aliases) for one in registry.versions("city")] == [("2", ("challenger",)), ("1", ())]
    assert second.values["eps_metres"] == "151.0"
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(f"sqlite:///{settings.runs_dir}/mlflow.db")
    try:
        loaded = mlflow.pyfunc.load_model("models:/city@challenger")
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])
    model = load_mlflow_model(same[1].model)
    found = loaded.predict(pd.DataFrame({"latitude": [model.latitude[0], 0.0], "longitude": [model.longitude[0], 0.0]}))
    assert found["hotspot"].tolist() == [model.ids[model.hotspot[0]], -1]
    assert found["metres"][0] == 0.0
    with pytest.raises(ValueError, match="latitude is from"):
        loaded.predict(pd.DataFrame({"latitude": [91.0], "longitude": [0.0]}))


def test_nothing_held_out_means_not_judged(train):
    trained, folder = train("all", eps=150, min_samples=4, holdout=0.0)
    card = trained.card
    assert (card.held_out, card.unseen, card.trained_on) == (None, None, card.dataset.points)
    assert not folder.unseen.exists()


def test_random_trips_are_held_out_without_times(train, tmp_path, settings):
    rng = np.random.default_rng(0)
    rows = [f"{lat:.6f},{lon:.6f}" for lat, lon in rng.normal((-33.45, -70.66), 0.01, (500, 2))]
    trips = tmp_path / "trips.csv"
    trips.write_text("\n".join(["latitude,longitude", *rows]), encoding="utf-8")
    card = train("timeless", data=str(trips), eps=200, min_samples=4)[0].card
    assert (card.held_out.drawn, card.held_out.points, card.time_column) == ("at random", 100, None)
    assert any("--time" in warning for warning in card.warnings)
    with pytest.raises(UsageError, match="no such column; there are latitude, longitude"):
        train("timeless", data=str(trips), eps=200, min_samples=4, time="when")


def test_hotspots_get_names_and_the_card_says_how_good_the_clusters_are(train, tmp_path, first):
    from taxi_mlops.reports.model_card import facts

    card = first[0].card
    assert (card.n_named, first[0].model.names) == (None, None)
    assert -1.0 <= card.dbcv.value <= 1.0
    assert card.stability.interval.low <= card.stability.value <= card.stability.interval.high
    latitude, longitude = first[0].model.centre[0].tolist()
    place = {"type": "Point", "coordinates": [longitude, latitude]}
    feature = {"type": "Feature", "properties": {"name": "Station"}, "geometry": place}
    path = tmp_path / "places.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    named, folder = train("named", eps=150, min_samples=4, places=str(path))
    assert named.model.names[0] == "Station"
    assert named.card.n_named == sum(name is not None for name in named.model.names)
    features = json.loads(folder.hotspots.read_text(encoding="utf-8"))["features"]
    assert [feature["properties"]["name"] for feature in features] == list(named.model.names)
    shown = dict(facts(named.card))
    assert {"names", "DBCV", "stability"} <= shown.keys()
