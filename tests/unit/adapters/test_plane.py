"""The local plane: what it keeps, what it stretches, and that the bound holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES, great_circle_distance
from taxi_mlops.adapters.plane import plane_around, project
from taxi_mlops.testing.cases import SANTIAGO, around, make_points

places = st.tuples(st.floats(-90.0, 90.0), st.floats(-180.0, 180.0))
metres = st.lists(st.tuples(*[st.floats(-200_000.0, 200_000.0)] * 2), min_size=2, max_size=12)


@given(origin=places, offsets=metres)
def test_distances_grow_by_the_stretch_at_most_anywhere_on_the_earth(
    origin: tuple[float, float], offsets: list[tuple[float, float]]
) -> None:
    points = around(*np.array(offsets).T, origin=origin)
    plane = plane_around(points.latitude, points.longitude)
    projected = project(points.latitude, points.longitude, plane)
    first, second = np.triu_indices(len(points), 1)
    flat = np.hypot(*(projected[first] - projected[second]).T)
    round_ = great_circle_distance(
        points.latitude[first], points.longitude[first], points.latitude[second], points.longitude[second]
    )
    assert (flat >= round_ - 1e-7).all()
    assert (flat <= round_ * plane.stretch + 1e-7).all()
    assert np.abs(projected).max() <= plane.extent_metres / 2.0 + 1e-7


def test_distances_from_the_middle_are_kept_and_north_is_up() -> None:
    points = around([0.0, 0.0, -30_000.0, 30_000.0], [-30_000.0, 30_000.0, 0.0, 0.0])
    plane = plane_around(points.latitude, points.longitude)
    assert (plane.latitude, plane.longitude) == pytest.approx(SANTIAGO, abs=1e-3)
    projected = project(points.latitude, points.longitude, plane)
    from_middle = great_circle_distance(points.latitude, points.longitude, plane.latitude, plane.longitude)
    np.testing.assert_allclose(np.hypot(*projected.T), from_middle, rtol=1e-12)
    np.testing.assert_allclose(projected[:, 1], [-30_000.0, 30_000.0, 0.0, 0.0], atol=50.0)
    np.testing.assert_allclose(projected[:, 0], [0.0, 0.0, -30_000.0, 30_000.0], atol=50.0)


def test_the_error_is_a_twelfth_of_the_square_of_the_angle() -> None:
    points = around([-30_000.0, 30_000.0], [0.0, 0.0])
    plane = plane_around(points.latitude, points.longitude)
    assert plane.angle * EARTH_RADIUS_METRES == pytest.approx(30_000.0, rel=1e-3)
    assert plane.error_metres(50.0) == pytest.approx(50.0 * plane.angle**2 / 12.0, rel=1e-4)
    assert plane.error_metres(50.0) == pytest.approx(9.24e-5, rel=1e-2)


def test_no_points_and_one_point_are_at_the_middle() -> None:
    empty = plane_around(np.empty(0), np.empty(0))
    assert (empty.angle, empty.stretch, empty.error_metres(50.0)) == (0.0, 1.0, 0.0)
    assert project(np.empty(0), np.empty(0), empty).shape == (0, 2)
    one = make_points([52.5], [13.4])
    plane = plane_around(one.latitude, one.longitude)
    np.testing.assert_allclose(project(one.latitude, one.longitude, plane), [[0.0, 0.0]], atol=1e-8)


def test_both_names_of_the_antimeridian_are_one_place() -> None:
    points = make_points([10.0, 10.0, 10.0], [180.0, -180.0, 179.999])
    projected = project(points.latitude, points.longitude, plane_around(points.latitude, points.longitude))
    np.testing.assert_array_equal(projected[0], projected[1])
    assert projected[0, 0] - projected[2, 0] == pytest.approx(109.5, abs=0.1), "east of the third"


def test_the_plane_does_not_depend_on_the_order_nor_on_the_number_of_blocks() -> None:
    random = np.random.default_rng(0)
    points = around(random.uniform(-9_000, 9_000, 150_000), random.uniform(-9_000, 9_000, 150_000))
    order = random.permutation(150_000)
    plane = plane_around(points.latitude, points.longitude)
    assert plane_around(points.latitude[order], points.longitude[order]) == plane
    whole = project(points.latitude, points.longitude, plane)
    part = project(points.latitude[140_000:], points.longitude[140_000:], plane)
    np.testing.assert_allclose(whole[140_000:], part, rtol=0.0, atol=1e-9)
