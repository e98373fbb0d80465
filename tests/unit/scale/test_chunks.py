"""Chunks give the points of a tile back, from a file as from memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_mlops.errors import DataError
from taxi_mlops.scale.chunks import MemoryChunk, keys_of
from taxi_mlops.scale.scatter import Scattered
from taxi_mlops.scale.spill import Spill


def scattered(counts, weighted, seed=0):
    n, random = sum(counts), np.random.default_rng(seed)
    position = random.permutation(n).astype(np.uint32)
    weight = random.uniform(0.0, 2.0, n if weighted else 0)
    return Scattered(random.uniform(-90, 90, n), random.uniform(-180, 180, n), position, weight, np.array(counts))


def points_of(chunk, keys):
    """Rows of latitude, longitude, position and, if there is one, weight."""
    parts = list(chunk.coordinates(keys))
    columns = [np.concatenate([np.empty(0), *[part[at] for part in parts]]) for at in (0, 1)]
    weight = [np.concatenate([np.empty(0), *[part.weight for part in parts]])] if chunk.weighted else []
    return np.array([*columns, chunk.positions(keys), *weight])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=8).map(lambda tiles: [*tiles, *tiles[::-1]]), st.booleans())
def test_points_of_keys(tmp_path_factory, counts, weighted):
    points = scattered(counts, weighted)
    weighted = len(points.weight) > 0
    columns = [points.latitude, points.longitude, points.position, *([points.weight] if weighted else [])]
    ends = np.cumsum(counts)
    spill = Spill.at(tmp_path_factory.mktemp("spill"))
    spill.make()
    spill.write_chunk(3, points)
    with spill.open(3) as file:
        np.testing.assert_array_equal(file.counts, counts)
        for chunk in (file, MemoryChunk.of(points)):
            assert chunk.weighted == weighted
            for tile in range(len(counts) // 2):
                for keys in (keys_of(tile), range(2 * tile + 1, 2 * tile + 2), range(2 * tile, len(counts))):
                    part = slice(ends[keys.start] - counts[keys.start], ends[keys.stop - 1])
                    np.testing.assert_array_equal(points_of(chunk, keys), np.array([one[part] for one in columns]))


def test_a_part_has_the_points_of_its_keys_alone():
    points = scattered([2, 0, 3, 4, 1, 5], weighted=True)
    whole = MemoryChunk.of(points)
    part = whole.part([5, 2, 3])
    np.testing.assert_array_equal(part.counts, whole.counts)
    assert len(part.points.position) == 12
    for keys in (keys_of(1), range(5, 6)):
        np.testing.assert_array_equal(points_of(part, keys), points_of(whole, keys))


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: b"x" + content[1:], lambda _: b""])
def test_a_damaged_file_is_refused(tmp_path, change):
    spill = Spill.at(tmp_path)
    spill.make()
    spill.write_chunk(0, scattered([2, 1], weighted=False))
    path = tmp_path / spill.chunk(0)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match="damaged"), spill.open(0):
        pytest.fail("opened")
