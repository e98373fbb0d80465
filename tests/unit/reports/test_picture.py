"""Points as pixels, and colours so that neighbours differ."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from taxi_mlops.reports.colouring import colour, neighbours
from taxi_mlops.reports.picture import MAX_PICTURE_BYTES, NOISE_COLOUR, PALETTE, Extent, draw


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGBA"))


def rgb(name):
    return tuple(int(name[i : i + 2], 16) for i in (1, 3, 5))


def test_every_point_is_drawn_where_it_is_in_the_colour_of_its_cluster():
    east = np.array([-900.0, 900.0, 900.0, -900.0])
    north = np.array([-900.0, -900.0, 900.0, 900.0])
    region = np.array([0, 1, 2, -1], dtype=np.int32)
    picture = draw(east, north, region, Extent(-1000.0, -1000.0, 1000.0, 1000.0))
    image = pixels(picture)
    assert image.shape[:2] == (picture.height, picture.width)
    drawn = np.argwhere(image[..., 3] > 0)
    found = {
        (row < picture.height / 2, column < picture.width / 2): tuple(image[row, column, :3]) for row, column in drawn
    }
    south_west, south_east, north_east = (PALETTE[number] for number in picture.colours)
    assert found == {
        (False, True): rgb(south_west),
        (False, False): rgb(south_east),
        (True, False): rgb(north_east),
        (True, True): rgb(NOISE_COLOUR),
    }
    assert len({south_west, south_east, north_east}) == 3
    assert picture.outside == 0


def test_a_pixel_takes_the_cluster_with_most_of_its_points_and_more_points_are_stronger():
    east = np.concatenate([np.full(3, 10.0), np.full(5, 10.0), np.full(40, 500.0), [900.0]])
    region = np.concatenate([np.full(3, 0), np.full(5, 1), np.full(40, 0), [0]]).astype(np.int32)
    picture = draw(east, np.full(len(east), 500.0), region, Extent(0.0, 0.0, 1000.0, 1000.0))
    image = pixels(picture)
    middles = [(int((1 - 0.5) * picture.height), int(metres / 1000 * picture.width)) for metres in (10, 500, 900)]
    shared, busy, quiet = (image[middle] for middle in middles)
    assert tuple(shared[:3]) == rgb(PALETTE[picture.colours[1]])
    assert tuple(busy[:3]) == tuple(quiet[:3]) == rgb(PALETTE[picture.colours[0]])
    assert busy[3] > quiet[3]


def test_points_outside_are_counted_and_not_drawn():
    picture = draw(
        np.array([5.0, 5000.0]), np.array([5.0, 5.0]), np.array([0, -1], dtype=np.int32), Extent(0.0, 0.0, 100.0, 100.0)
    )
    assert picture.outside == 1
    drawn = np.argwhere(pixels(picture)[..., 3] > 0)
    assert np.ptp(drawn, axis=0).tolist() == [2, 2], "one point, grown by a pixel all around"


def test_millions_of_points_stay_below_the_limit():
    generator = np.random.default_rng(0)
    n = 2_000_000
    east, north = generator.uniform(0.0, 30_000.0, (2, n))
    region = generator.integers(-1, 500, n).astype(np.int32)
    picture = draw(east, north, region, Extent(0.0, 0.0, 30_000.0, 30_000.0))
    assert len(picture.png) <= MAX_PICTURE_BYTES
    assert np.count_nonzero(pixels(picture)[..., 3]) > 50_000


def test_neighbours_are_regions_with_nothing_between_them():
    picture = np.full((20, 60), -2, dtype=np.int32)
    picture[5:15, 0:5] = 0
    picture[5:15, 25:30] = 1
    picture[5:15, 50:55] = 2
    picture[10, 15] = -1
    assert neighbours(picture, 3).tolist() == [[0, 1], [1, 2]]
    assert neighbours(np.full((4, 4), -1, dtype=np.int32), 0).shape == (0, 2)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300))
def test_neighbours_never_share_a_colour_on_a_plane_map(seed, n):
    """The Voronoi diagram of single pixels is a plane map; diagonal touches are none."""
    generator = np.random.default_rng(seed)
    picture = np.full((80, 80), -2, dtype=np.int32)
    places = generator.choice(80 * 80, n, replace=False)
    picture.ravel()[places] = np.arange(n)
    pairs = neighbours(picture, n)
    chosen = colour(pairs, n, len(PALETTE))
    assert chosen.min() >= 0
    assert chosen.max() < len(PALETTE)
    # Ties of the distance can tear a territory in two; six colours are proven for whole ones.
    assert np.count_nonzero(chosen[pairs[:, 0]] == chosen[pairs[:, 1]]) <= 0.01 * len(pairs)


def test_with_too_few_colours_as_few_neighbours_as_possible_share_one():
    complete = np.array([[a, b] for a in range(4) for b in range(a + 1, 4)])
    chosen = colour(complete, 4, 3)
    assert sorted(np.bincount(chosen, minlength=3).tolist()) == [1, 1, 2]


@pytest.mark.parametrize("n", [0, 1])
def test_there_may_be_nothing_to_colour(n):
    assert len(colour(np.empty((0, 2), dtype=np.int64), n, 6)) == n
