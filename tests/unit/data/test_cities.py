"""Places lie around the cities that an atlas shows there, or around none."""

from __future__ import annotations

import pytest

from taxi_mlops.data.cities import City, city_near


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected"),
    [
        (40.75, -73.98, "New York City (US)"),
        (40.75, 286.02, "New York City (US)"),
        (-33.45, -70.66, "Santiago (CL)"),
        (52.49, 13.42, "Berlin (DE)"),
        (-36.85, 174.76, "Auckland (NZ)"),
        (-36.85, -185.24, "Auckland (NZ)"),
    ],
)
def test_the_city_of_a_place(latitude, longitude, expected):
    assert str(city_near(latitude, longitude)) == expected


def test_the_largest_city_gives_the_name_and_not_the_nearest_suburb():
    city = city_near(59.3143, 18.0735)  # Södermalm
    assert (city.name, city.country, city.population > 1_000_000) == ("Stockholm", "SE", True)
    assert isinstance(city, City)


@pytest.mark.parametrize(
    ("latitude", "longitude"), [(0.0, 0.0), (-73.98, 40.75), (90.5, 0.0), (0.0, 361.0), (float("nan"), 0.0)]
)
def test_no_city_at_sea_in_antarctica_and_out_of_range(latitude, longitude):
    assert city_near(latitude, longitude) is None
