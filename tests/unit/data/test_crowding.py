"""Points of stations are reported from points that were measured."""

from __future__ import annotations

import numpy as np
import pytest

from taxi_mlops.data.crowding import few_places
from taxi_mlops.data.inspect import inspect
from taxi_mlops.data.request import LoadRequest


def made(stations: int, each: int, measured: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    place = rng.uniform(-0.1, 0.1, (stations, 2))
    points = np.concatenate([np.repeat(place, each, axis=0), rng.uniform(-0.1, 0.1, (measured, 2))])
    latitude, longitude = rng.permutation(points).T + np.array([[40.7], [-74.0]])
    return latitude, longitude


@pytest.mark.parametrize(
    ("stations", "each", "measured", "share"), [(100, 10, 0, 1.0), (100, 15, 500, 0.75), (1, 20, 0, 1.0)]
)
def test_stations_are_found(stations, each, measured, share):
    found = few_places(*made(stations, each, measured))
    assert found is not None
    assert len(found.latitude) == len(found.longitude) == stations
    assert found.share == share


@pytest.mark.parametrize(("stations", "each", "measured"), [(0, 0, 1000), (100, 9, 0), (50, 10, 500), (0, 0, 0)])
def test_other_points_are_not_taken_for_stations(stations, each, measured):
    assert few_places(*made(stations, each, measured)) is None


def test_of_many_points_a_sample_tells():
    found = few_places(*made(400, 1000, 100_000))
    assert found is not None
    assert len(found.latitude) == 400
    assert found.points == 100_000
    assert found.share == pytest.approx(0.8, abs=0.01)
    assert "a sample of 100,000 points lie on 400 places" in str(found)


def test_inspect_says_so(tmp_path, settings):
    latitude, longitude = made(30, 20, 100)
    path = tmp_path / "stations.csv"
    rows = "".join(f"{a!r},{b!r}\n" for a, b in zip(latitude.tolist(), longitude.tolist(), strict=True))
    path.write_text("lat,lon\n" + rows)
    (note,) = inspect(LoadRequest(source=str(path)), settings).notes
    assert note == (
        "86% of 700 points lie on 30 places, at least 10 on each, as at stations or centroids of zones: "
        "clusters will be places, or groups of them"
    )
