"""Cleaning drops what a rule names, counts it under that name, and changes nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_mlops.data.preprocessor import CleanedCoordinates, CleaningOptions, Rule, TaxiTripPreprocessor
from taxi_mlops.data.regions import BoundingBox

NEW_YORK = BoundingBox(40.4, -74.4, 41.1, -73.4)
TIMES_SQUARE, KENNEDY = (40.758, -73.985), (40.645, -73.785)


def clean(pairs: list[tuple[float, float]], region: BoundingBox | None = NEW_YORK, batch: int = 1000):
    preprocessor = TaxiTripPreprocessor(CleaningOptions(region=region))
    rows = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    for start in range(0, len(rows), batch):
        preprocessor.add(rows[start : start + batch, 0], rows[start : start + batch, 1])
    return preprocessor.finish()


def left(cleaned: CleanedCoordinates) -> list[tuple[float, float]]:
    return list(zip(cleaned.latitude.tolist(), cleaned.longitude.tolist(), strict=True))


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ((np.nan, -73.985), Rule.MISSING),
        ((40.758, np.nan), Rule.MISSING),
        ((np.nan, np.nan), Rule.MISSING),
        ((np.nan, 500.0), Rule.MISSING),
        ((0.0, 0.0), Rule.ZERO),
        ((-0.0, 0.0), Rule.ZERO),
        ((90.5, -73.985), Rule.OUT_OF_RANGE),
        ((40.758, -360.5), Rule.OUT_OF_RANGE),
        ((40.758, -180.5), Rule.OUTSIDE_REGION),
        ((np.inf, -73.985), Rule.OUT_OF_RANGE),
        ((-73.985, 40.758), Rule.SWAPPED),
        ((0.0, -73.985), Rule.OUTSIDE_REGION),
        ((51.5, -0.1), Rule.OUTSIDE_REGION),
    ],
)
def test_each_bad_row_counts_under_its_rule(row, rule):
    cleaned = clean([TIMES_SQUARE, row, KENNEDY])
    assert left(cleaned) == [TIMES_SQUARE, KENNEDY]
    assert cleaned.dropped == {**dict.fromkeys(map(str, Rule), 0), rule: 1}
    assert (cleaned.rows_read, cleaned.rows_used) == (3, 2)
    np.testing.assert_array_equal(cleaned.row, [0, 2])


def test_swapped_rows_are_not_repaired():
    cleaned = clean([TIMES_SQUARE] * 9 + [TIMES_SQUARE[::-1]], region=None)
    assert left(cleaned) == [TIMES_SQUARE] * 9
    assert cleaned.dropped[Rule.SWAPPED] == 1


def test_duplicates_and_order_are_kept():
    rows = [KENNEDY, TIMES_SQUARE, TIMES_SQUARE, KENNEDY]
    assert left(clean(rows)) == rows


def test_the_box_is_inclusive():
    corners = [(40.4, -74.4), (41.1, -73.4)]
    assert left(clean(corners)) == corners


def test_no_rows_leave_no_region():
    cleaned = clean([(np.nan, np.nan)], region=None)
    assert cleaned.region is None
    assert cleaned.latitude.shape == cleaned.longitude.shape == (0,)


def on_one_turn(latitude: float, longitude: float) -> tuple[float, float]:
    return latitude, longitude - 360 * np.sign(longitude) if abs(longitude) > 180 else longitude


coordinate = st.one_of(
    st.floats(-100, 200), st.sampled_from([np.nan, 0.0, -0.0, np.inf, 40.7, -74.0, 40.0, 90.0, 180.0, -180.0])
)


@given(st.lists(st.tuples(coordinate, coordinate)), st.integers(1, 7), st.sampled_from([None, NEW_YORK]))
def test_every_row_is_either_kept_where_it_is_or_counted_once(rows, batch, region):
    cleaned = clean(rows, region, batch)
    assert cleaned.rows_read == len(rows)
    assert cleaned.latitude.size == cleaned.longitude.size == cleaned.row.size == cleaned.rows_used
    assert cleaned.row.dtype == np.int64
    assert (np.diff(cleaned.row) > 0).all()
    assert left(cleaned) == [on_one_turn(*rows[row]) for row in cleaned.row]
    if cleaned.region is not None:
        assert cleaned.region.contains(cleaned.latitude, cleaned.longitude).all()


@given(st.lists(st.tuples(coordinate, coordinate)), st.integers(1, 7))
def test_batches_make_no_difference(rows, batch):
    whole, parts = clean(rows, None), clean(rows, None, batch)
    assert left(whole) == left(parts)
    np.testing.assert_array_equal(whole.row, parts.row)
    assert whole.dropped == parts.dropped


@pytest.mark.parametrize("share_west", [1, 4, 10, 16, 19])
def test_points_on_both_sides_of_the_antimeridian_are_kept_and_far_ones_dropped(share_west):
    rows = [(-16.8, -179.9995)] * share_west + [(-16.8, 179.9995)] * (20 - share_west)
    cleaned = clean([*rows, (-16.8, 160.0), (-16.8, -160.0)], region=None)
    assert left(cleaned) == rows
    assert cleaned.region.crosses_antimeridian
    assert cleaned.dropped[Rule.OUTSIDE_REGION] == 2


def test_longitudes_from_0_to_360_are_kept_and_said():
    cleaned = clean([(40.75, 286.0), (40.76, 286.25), (40.75, 250.0), (np.nan, 286.0)])
    assert left(cleaned) == [(40.75, -74.0), (40.76, -73.75)]
    np.testing.assert_array_equal(cleaned.row, [0, 1])
    assert cleaned.notes == (
        "2 longitudes beyond ±180 degrees, as where they are counted from 0 to 360, "
        "were moved by 360 degrees to the same meridian",
    )


def test_longitudes_either_side_of_greenwich_from_0_to_360_are_one_city():
    rows = [(51.5, 0.1), (51.5, 359.9)] * 5
    assert left(clean(rows, region=None)) == [(51.5, 0.1), (51.5, 359.9 - 360)] * 5


def test_wild_longitudes_that_are_dropped_are_not_spoken_of():
    assert clean([TIMES_SQUARE, (40.75, 250.0)]).notes == ()
