from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")

from taxi_mlops.serving.areas import ONE_BY_ONE, OTHERS, OUTSIDE, Areas
from taxi_mlops.serving.served_model import ServedModel

MANY = 25


@pytest.fixture
def model(model_at):
    """25 hotspots of 10 to 250 trips, the last the largest; ids begin with 5. 3,250 of 5,000 trips are inside."""
    return replace(model_at(*np.linspace(0.0, 10.0, MANY).tolist()), trained_on=5000)


def test_the_largest_hotspots_are_areas_and_all_others_together(model):
    areas = Areas(model)
    assert len(areas.names) == ONE_BY_ONE + 2
    assert areas.names[:2] == ("hotspot 29", "hotspot 28")
    assert areas.names[-2:] == (OTHERS, OUTSIDE)
    assert areas.trained.sum() == pytest.approx(1.0)
    assert areas.trained[[0, -2, -1]].tolist() == pytest.approx(
        [250 / 5000, (10 + 20 + 30 + 40 + 50) / 5000, 1750 / 5000]
    )
    assert [areas.of(29), areas.of(5), areas.of(None)] == [0, ONE_BY_ONE, ONE_BY_ONE + 1]


@given(st.lists(st.integers(5, 4 + MANY) | st.none()))
def test_points_are_counted_alike_in_lists_and_arrays(found):
    from taxi_mlops.models.hotspot_model import HotspotModel

    k = MANY
    model = HotspotModel(
        latitude=np.zeros(0), longitude=np.zeros(0), hotspot=np.zeros(0, dtype=np.int32), ids=np.arange(5, 5 + k),
        centre=np.zeros((k, 2)), size=np.arange(1, k + 1), area_km2=np.ones(k), outlines=({},) * k, eps_metres=1.0,
        min_samples=1,
    )  # fmt: skip
    areas = Areas(model)
    counts = areas.counts(found)
    assert sum(counts) == len(found)
    assert counts[-1] == found.count(None)
    assert counts[0] == found.count(29)
    assert areas.counts_of_ids(np.array([-1 if one is None else one for one in found], dtype=np.int64)) == counts
    assert areas.trained is None


def test_a_model_without_hotspots_has_two_areas(model_at):
    areas = Areas(replace(model_at(), trained_on=7))
    assert (areas.names, areas.trained.tolist()) == ((OTHERS, OUTSIDE), [0.0, 1.0])


def test_points_are_counted_by_area_beside_the_training(client, watcher, metrics, model):
    made = datetime(2026, 11, 1, tzinfo=UTC)
    watcher.current = ServedModel("city", "3", replace(model, trained_on=5000), made).prepare()
    metrics.model_loaded(watcher.current)

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"model": "city", "model_version": "3", **labels})

    at = [{"latitude": 0.0, "longitude": longitude} for longitude in (10.0, 10.0, 0.0, 5.2)]
    client.post("/v1/locate", json={"points": at})
    client.post("/v1/locate", json={"points": at[:1]})
    table = pa.table({"latitude": [0.0, 0.0], "longitude": [10.0, 0.0]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    kind = {"Content-Type": "application/vnd.apache.arrow.stream"}
    client.post("/v1/locate", content=sink.getvalue().to_pybytes(), headers=kind)
    points = "taxi_served_area_points_total"
    assert [value(points, area=name) for name in ("hotspot 29", OTHERS, OUTSIDE)] == [4.0, 2.0, 1.0]
    assert value("taxi_trained_area_ratio", area="hotspot 29") == 0.05
    assert value("taxi_served_model_created_timestamp_seconds") == made.timestamp()
    assert 'route="/v1/locate of many"' in client.get("/metrics").text
    metrics.model_loaded(ServedModel("city", "4", model).prepare())  # the earlier version's series end
    client.post("/v1/locate", json={"points": at})
    assert value(points, area="hotspot 29") is None
    new = {"model": "city", "model_version": "4", "area": "hotspot 29"}
    assert metrics.registry.get_sample_value(points, new) == 0.0  # the old version answered
