"""The point sets of `engine.py`: trips of one city, many cities at one density, and sets made to be difficult."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from santiago import FloatArray, plane, santiago

BLOCK = 100_000
"""Points of a city of `cities`."""
_AT_ONCE = 20_000_000
_APART = 100_000.0
"""Metres from one of them to the next; each is some 80 km long."""


class Difficult(NamedTuple):
    """A set with the parameters that make it difficult; min_samples as a function of n. Points are (n, 2)."""

    make: Callable[[np.random.Generator, int], FloatArray]
    eps: float
    min_samples: Callable[[int], int]
    spherical: bool = False


def cities(folder: Path, n: int) -> FloatArray:
    """Return (n, 2) metres: as many copies of a sampled Santiago side by side as n takes, so that density is fixed."""
    city = plane(santiago(folder, BLOCK))
    city -= city.min(axis=0)
    rng = np.random.default_rng(1)
    points = np.empty((n, 2))
    for number, begin in enumerate(range(0, n, BLOCK)):
        block = points[begin : begin + BLOCK]
        block[:] = city[: len(block)] + rng.normal(0, 50.0, block.shape)
        block += np.array(divmod(number, 32)) * _APART
    return points


def one_city(folder: Path, n: int, *, degrees: bool) -> FloatArray:
    """Return (n, 2) degrees or metres: the trips of Santiago, drawn again and again; in blocks, for little memory."""
    points = np.empty((n, 2))
    middle = np.cos(np.mean(np.radians(santiago(folder, BLOCK)[:, 0])))
    for begin in range(0, n, _AT_ONCE):
        block = points[begin : begin + _AT_ONCE]
        block[:] = santiago(folder, len(block), seed=begin)
        if not degrees:
            block[:] = plane(block, middle)
    return points


def _two_cells(rng: np.random.Generator, n: int) -> FloatArray:
    points = rng.uniform(0, 0.5, (n, 2))
    points[n // 2 :, 0] += 0.75
    return points


def _line(_: np.random.Generator, n: int) -> FloatArray:
    return np.stack([np.arange(n, dtype=np.float64), np.zeros(n)], axis=1)


def _two_blobs(rng: np.random.Generator, n: int) -> FloatArray:
    points = rng.uniform(0, 0.6, (n, 2))
    points[: n // 2, 0] *= -1.0
    points[n // 2 :, 0] += 1.0 + 1e-9
    return points


def _duplicates(rng: np.random.Generator, n: int) -> FloatArray:
    return rng.uniform(0, 30, (1000, 2))[rng.integers(0, 1000, n)]


def _noise(rng: np.random.Generator, n: int) -> FloatArray:
    return rng.uniform(0, np.sqrt(n), (n, 2))


def _one_cluster(rng: np.random.Generator, n: int) -> FloatArray:
    return rng.uniform(0, np.sqrt(n / 10.0), (n, 2))


def _power_law(rng: np.random.Generator, n: int) -> FloatArray:
    which = np.minimum(rng.zipf(1.3, n), 100_000)
    centres = rng.uniform(0, 2000.0, (100_001, 2))
    return centres[which] + rng.normal(0, 1.0, (n, 2)) * rng.pareto(1.5, (n, 1)).clip(0, 100)


def _world_of_cities(rng: np.random.Generator, n: int) -> FloatArray:
    centres = _world(rng, max(n // 5000, 1))
    points = centres[rng.integers(0, len(centres), n)] + rng.normal(0, 0.005, (n, 2))
    points[:, 0] = points[:, 0].clip(-90, 90)
    points[:, 1] = (points[:, 1] + 180.0) % 360.0 - 180.0
    return points


def _world(rng: np.random.Generator, n: int) -> FloatArray:
    return np.stack([np.degrees(np.arcsin(rng.uniform(-1, 1, n))), rng.uniform(-180, 180, n)], axis=1)


DIFFICULT = {
    "two cells just under min_samples": Difficult(_two_cells, 1.0, lambda n: n // 2 + 1),
    "a line of points eps apart": Difficult(_line, 1.0, lambda _: 3),
    "two blobs just over eps apart": Difficult(_two_blobs, 1.0, lambda _: 10),
    "heavy duplicates": Difficult(_duplicates, 1.0, lambda n: n // 200),
    "uniform noise": Difficult(_noise, 1.0, lambda _: 20),
    "one huge cluster": Difficult(_one_cluster, 1.0, lambda _: 10),
    "densities by a power law": Difficult(_power_law, 1.0, lambda _: 10),
    "cities all over the world": Difficult(_world_of_cities, 100.0, lambda _: 10, spherical=True),
    "noise all over the world, eps 10 m": Difficult(_world, 10.0, lambda _: 5, spherical=True),
}


def make_points(name: str, n: int, folder: Path) -> FloatArray:
    """Return a set by its name."""
    if name in ("santiago", "santiago in degrees"):
        return one_city(folder, n, degrees=name != "santiago")
    if name == "cities":
        return cities(folder, n)
    return DIFFICULT[name].make(np.random.default_rng(0), n)
