"""Distances on the sphere: known values, tiny distances, poles, antimeridian."""

import numpy as np
import pytest

from haversine_dbscan.geodesy import (
    EARTH_RADIUS_METRES,
    HALF_CIRCUMFERENCE_METRES,
    chord_length,
    great_circle_distance,
    unit_sphere,
)


def test_a_degree_of_latitude():
    assert great_circle_distance(10.0, 20.0, 11.0, 20.0) == pytest.approx(np.pi / 180 * EARTH_RADIUS_METRES, rel=1e-14)


def test_poles_antimeridian_and_antipodes():
    distances = great_circle_distance([90, 0, 0, 89], [0, 179.5, 0, 0], [90, 0, 0, 89], [123, -179.5, 180, 180])
    degree = np.pi / 180 * EARTH_RADIUS_METRES
    np.testing.assert_allclose(distances, [0, degree, HALF_CIRCUMFERENCE_METRES, 2 * degree], rtol=1e-12, atol=1e-9)


def test_distance_of_a_millimetre_keeps_its_digits():
    step = 2.0**-27  # degrees: exactly representable beside 33
    assert great_circle_distance(33.0, -70.0, 33.0 + step, -70.0) == pytest.approx(
        np.radians(step) * EARTH_RADIUS_METRES, rel=1e-12
    )


def test_chords_agree_with_the_great_circle():
    rng = np.random.default_rng(0)
    latitude, longitude = rng.uniform(-90, 90, 200), rng.uniform(-180, 180, 200)
    points = unit_sphere(latitude, longitude)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, rtol=1e-15)
    chords = np.linalg.norm(points[:-1] - points[1:], axis=1)
    distances = great_circle_distance(latitude[:-1], longitude[:-1], latitude[1:], longitude[1:])
    np.testing.assert_allclose(chords, [chord_length(distance) for distance in distances], rtol=1e-12)


def test_chord_of_more_than_half_the_earth_is_the_diameter():
    assert chord_length(1e9) == 2.0
    assert chord_length(10.0) == pytest.approx(10.0 / EARTH_RADIUS_METRES, rel=1e-12)
