"""Points that are hardly what their columns say are refused, or noted, with what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from taxi_mlops.data.load import LoadRequest, load_points
from taxi_mlops.errors import DataError

NEW_YORK, PARIS, MADRID, CAIRO, SAN_FRANCISCO = (
    (40.7512, -73.9811),
    (48.8566, 2.3522),
    (40.4168, -3.7038),
    (30.0444, 31.2357),
    (37.7749, -122.4194),
)


def write(folder: Path, latitude: np.ndarray, longitude: np.ndarray, header: str = "lat,lon") -> str:
    path = folder / "trips.csv"
    rows = "".join(f"{a!r},{b!r}\n" for a, b in zip(latitude.tolist(), longitude.tolist(), strict=True))
    path.write_text(f"{header}\n{rows}")
    return str(path)


def around(place: tuple[float, float], scale: float = 0.01, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return tuple(np.round(middle + scale * rng.uniform(-1, 1, n), 5) for middle in place)


@pytest.mark.parametrize("place", [NEW_YORK, PARIS, SAN_FRANCISCO, MADRID, CAIRO])
def test_points_as_they_should_be_are_not_doubted(tmp_path, settings, place):
    points = load_points(LoadRequest(source=write(tmp_path, *around(place))), settings)
    assert points.provenance.notes == ()


@pytest.mark.parametrize(
    ("place", "city", "limit"),
    [
        (NEW_YORK, "New York City (US)", "±3.142"),
        ((-33.45, -70.66), "Santiago (CL)", "±3.142"),
        (PARIS, "Paris (FR)", "3.142"),
        ((40.75, 286.02), "New York City (US)", "6.283"),
    ],
)
def test_radians_are_refused_with_the_place_and_the_remedy(tmp_path, settings, place, city, limit):
    latitude, longitude = (np.radians(values) for values in around(place))
    with pytest.raises(DataError) as raised:
        load_points(LoadRequest(source=write(tmp_path, latitude, longitude)), settings)
    said = str(raised.value)
    assert f"no latitude is beyond ±1.571 and no longitude beyond {limit}, as in radians (around {city})" in said
    assert "numpy.degrees" in said
    assert "--bbox=-2,-7,2,7" in said


def test_degrees_around_zero_are_taken_with_a_box(tmp_path, settings):
    latitude, longitude = around((0.5, 0.5))
    source = write(tmp_path, latitude, longitude)
    with pytest.raises(DataError, match="as in radians; convert"):
        load_points(LoadRequest(source=source), settings)
    points = load_points(LoadRequest(source=source, bbox=(-2, -7, 2, 7)), settings)
    np.testing.assert_array_equal(points.latitude, latitude)


@pytest.mark.parametrize("place", [(1.6, 0.0), (0.0, 6.4), (0.0, -3.2)])
def test_one_point_beyond_the_range_of_radians_makes_them_degrees(tmp_path, settings, place):
    latitude, longitude = around((0.5, 0.5), scale=1.0)
    source = write(tmp_path, np.append(latitude, place[0]), np.append(longitude, place[1]))
    assert len(load_points(LoadRequest(source=source), settings)) == 301


@pytest.mark.parametrize(
    ("place", "city", "medians"),
    [(NEW_YORK, "New York City (US)", "-73.98"), (PARIS, "Paris (FR)", "2.35")],
)
def test_exchanged_columns_are_refused_with_the_flags(tmp_path, settings, place, city, medians):
    latitude, longitude = around(place)
    source = write(tmp_path, longitude, latitude, "start lat,start lng")
    with pytest.raises(DataError) as raised:
        load_points(LoadRequest(source=source), settings)
    said = str(raised.value)
    assert f"latitude and longitude look exchanged: the medians are {medians}" in said
    assert f"the other way round the points lie around {city}" in said
    assert 'Exchange them with --lat "start lng" --lon "start lat"' in said
    assert 'if they are right, say so with --lat "start lat" --lon "start lng"' in said
    exchanged = LoadRequest(source=source, latitude_column="start lng", longitude_column="start lat")
    points = load_points(exchanged, settings)
    np.testing.assert_array_equal(points.latitude, latitude)
    assert points.provenance.notes == ()
    kept = load_points(LoadRequest(source=source, latitude_column="start lat", longitude_column="start lng"), settings)
    np.testing.assert_array_equal(kept.latitude, longitude)
    (note,) = kept.provenance.notes
    assert note.startswith("Latitude and longitude look exchanged")
    assert note.endswith('exchange them with --lat "start lng" --lon "start lat"')


def test_a_place_near_a_small_town_is_noted_where_a_metropolis_lies_the_other_way_round(tmp_path, settings):
    latitude, longitude = around(MADRID)
    points = load_points(LoadRequest(source=write(tmp_path, longitude, latitude)), settings)
    (note,) = points.provenance.notes
    assert "around Malindi (KE); the other way round the points lie around Madrid (ES)" in note
    assert note.endswith(": if they are, exchange them with --lat lon --lon lat")


def test_both_ways_round_a_city_is_not_doubted(tmp_path, settings):
    latitude, longitude = around(CAIRO)  # 31° N, 30° E is Alexandria
    assert load_points(LoadRequest(source=write(tmp_path, longitude, latitude)), settings).provenance.notes == ()


def test_longitudes_beyond_90_among_latitudes_are_refused_with_the_flags(tmp_path, settings):
    latitude, longitude = around(SAN_FRANCISCO)
    with pytest.raises(DataError, match=r"'lat': outside ±90.*exchanged: try --lat lon --lon lat \(around San Fran"):
        load_points(LoadRequest(source=write(tmp_path, longitude, latitude)), settings)
    with pytest.raises(DataError, match=r"times 1,000 \(around San Fran"):
        load_points(LoadRequest(source=write(tmp_path, latitude * 1000, longitude * 1000)), settings)
