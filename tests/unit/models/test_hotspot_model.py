from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haversine_dbscan.clustering import dbscan
from haversine_dbscan.geodesy import HALF_CIRCUMFERENCE_METRES
from haversine_dbscan.model_file import SavedModel
from taxi_mlops.errors import UsageError
from taxi_mlops.models.hotspot_model import ARRAYS, OUTLINES, HotspotModel, distinct_places
from taxi_mlops.pipeline.predict import predict_labels

DEGREE = HALF_CIRCUMFERENCE_METRES / 180.0


def test_the_hotspot_and_the_distance_are_those_of_the_nearest_core_point(model_of):
    model = model_of([0.0], [0.01], ids=[7, 4])
    found = model.locate(np.zeros(3), np.array([0.0005, 0.0104, 0.005]))
    assert found.hotspot.tolist() == [7, 4, -1]
    np.testing.assert_allclose(found.metres, DEGREE * np.array([0.0005, 0.0004, 0.005]), rtol=1e-7)


def test_the_antimeridian_is_no_border(model_of):
    model = replace(model_of([-179.9999]), eps_metres=DEGREE * 0.00020000001)
    assert model.locate(np.zeros(2), np.array([179.9999, 179.9998])).hotspot.tolist() == [0, -1]


def test_a_model_without_hotspots_finds_nothing(model_of):
    found = model_of().locate(np.zeros(2), np.zeros(2))
    assert found.hotspot.tolist() == [-1, -1]
    assert np.isinf(found.metres).all()


@given(seed=st.integers(0, 1000), latitude=st.sampled_from([0.0, 40.0, -75.0]))
def test_it_answers_as_taxi_predict_does(seed, latitude, model_of):
    rng = np.random.default_rng(seed)
    lat, lon = latitude + rng.normal(0, 0.003, 300), rng.normal(0, 0.003, 300)
    labels, core = dbscan(lat, lon, 60.0, 4)
    saved = SavedModel(np.column_stack((lat[core], lon[core])), labels[core], 60.0, 4.0, "great_circle")
    k = int(labels.max()) + 1
    model = replace(
        model_of(*[[0.0]] * k), latitude=lat[core], longitude=lon[core], hotspot=labels[core], eps_metres=60.0
    )
    asked = latitude + rng.normal(0, 0.004, 200), rng.normal(0, 0.004, 200)
    assert model.locate(*asked).hotspot.tolist() == predict_labels(saved, *asked, 1).tolist()


@pytest.mark.parametrize("hours", [None, np.arange(336).reshape(2, 168)])
@pytest.mark.parametrize("longitude", [0.1234567, 0.123456789])
def test_a_saved_model_is_read_back_exactly(tmp_path, model_of, hours, longitude):
    model = model_of([0.0, longitude], [0.5], ids=[3, 1], hours=hours)
    model.save(tmp_path)
    found = HotspotModel.load(tmp_path)
    for name in ("latitude", "longitude", "hotspot", "ids", "centre", "size", "area_km2"):
        np.testing.assert_array_equal(getattr(found, name), getattr(model, name))
    assert (found.outlines, found.eps_metres, found.min_samples) == (model.outlines, 100.0, 3)
    assert (found.hours is None) == (hours is None)


def test_other_files_and_broken_ones_are_refused(tmp_path, model_of):
    with pytest.raises(UsageError, match="holds no hotspot model"):
        HotspotModel.load(tmp_path)
    model = model_of([0.0], [1.0])
    replace(model, ids=np.array([5, 5])).save(tmp_path)
    with pytest.raises(UsageError, match="values are out of range"):
        HotspotModel.load(tmp_path)
    replace(model, size=np.array([1.0, 2.0])).save(tmp_path)
    with pytest.raises(UsageError, match=r"size is float64 \(2,\)"):
        HotspotModel.load(tmp_path)
    model.save(tmp_path)
    (tmp_path / OUTLINES).write_text(json.dumps([]), encoding="utf-8")
    with pytest.raises(UsageError, match="out of range"):
        HotspotModel.load(tmp_path)
    np.savez(tmp_path / ARRAYS, latitude=np.array([object()], dtype=object))
    with pytest.raises(UsageError, match="it has no"):
        HotspotModel.load(tmp_path)
    (tmp_path / ARRAYS).write_bytes(b"PK\x03\x04 and nothing")
    with pytest.raises(UsageError, match="holds no hotspot model"):
        HotspotModel.load(tmp_path)


def test_each_place_of_a_hotspot_is_kept_once():
    lat, lon = np.array([1.0, 1.0, 1.0, 2.0]), np.array([5.0, 5.0, 5.0, 5.0])
    found = distinct_places(lat, lon, np.array([1, 0, 1, 0], dtype=np.int32))
    assert [one.tolist() for one in found] == [[1.0, 2.0, 1.0], [5.0, 5.0, 5.0], [0, 0, 1]]


def test_many_points_are_located_as_few_are(model_of):
    rng = np.random.default_rng(0)
    model = model_of(rng.uniform(-180, 180, 500).tolist(), eps=50_000.0)
    latitude, longitude = rng.uniform(-1, 1, 20_000), rng.uniform(-180, 180, 20_000)
    many = model.locate(latitude, longitude)
    few = [model.locate(latitude[i : i + 2500], longitude[i : i + 2500]) for i in range(0, 20_000, 2500)]
    assert many.hotspot.tolist() == np.concatenate([one.hotspot for one in few]).tolist()
    assert many.metres.tolist() == np.concatenate([one.metres for one in few]).tolist()


@given(
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    cores=st.lists(st.floats(-180, 180), min_size=1, max_size=5, unique=True),
)
def test_the_nearest_of_one_point_is_that_of_many(latitude, longitude, cores, model_of):
    model = model_of(*([core] for core in cores), eps=3_000_000.0)
    one, many = model.nearest(latitude, longitude), model.locate(np.array([latitude]), np.array([longitude]))
    assert one.metres == pytest.approx(many.metres[0], rel=1e-7, abs=1e-6)
    if abs(one.metres - 3_000_000.0) > 1.0:
        assert one.inside == (many.hotspot[0] != -1)


def test_names_and_the_number_of_trips_are_read_back(tmp_path, model_of):
    model = replace(model_of([0.0, 1.0], [0.5], ids=[3, 1]), names=("Estación Central", None), trained_on=10_000)
    model.save(tmp_path)
    found = HotspotModel.load(tmp_path)
    assert (found.names, found.trained_on) == (("Estación Central", None), 10_000)
    replace(model, names=None, trained_on=None).save(tmp_path)
    assert (HotspotModel.load(tmp_path).names, HotspotModel.load(tmp_path).trained_on) == (None, None)
    for broken in (replace(model, names=("a",)), replace(model, trained_on=1)):
        broken.save(tmp_path)
        with pytest.raises(UsageError, match="broken hotspot model"):
            HotspotModel.load(tmp_path)
