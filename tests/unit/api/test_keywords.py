"""Keyword arguments: their signature and description, and errors in their words."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Unpack

import numpy as np
import pytest

from taxi_mlops.api.keywords import in_keywords, plain_values, takes_keywords
from taxi_mlops.data.request import DatasetParameters, LoadRequest
from taxi_mlops.errors import DataError
from taxi_mlops.parameters import parameters_of

NAMES = {
    "lat": str | None,
    "lon": str | None,
    "points": str,
    "sample": int | None,
    "threads": int | None,
    "bbox": str,
    "crs": str,
}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("use --lat a_1 --lon a2 or --lat b --lon c", 'use lat="a_1", lon="a2" or lat="b", lon="c"'),
        ('try --lat "pickup lat" --lon "b c" (around Rome)', 'try lat="pickup lat", lon="b c" (around Rome)'),
        ("say so with --lat y --lon x", 'say so with lat="y", lon="x"'),
        ("--lat and --lon need a file: x", "lat and lon need a file: x"),
        ("--points dropoff goes without --lat and --lon, which", 'points="dropoff" goes without lat and lon, which'),
        ("take them with --points pickup.", 'take them with points="pickup".'),
        ("with a box: --bbox=-2,-7,2,7", 'with a box: bbox="-2,-7,2,7"'),
        ("--sample 500 says too much; --threads 9 is more", "sample=500 says too much; threads=9 is more"),
        ("name the columns by their numbers: --lat 2 --lon 3", 'name the columns by their numbers: lat="2", lon="3"'),
        ("try --crs EPSG:32719 (Santiago)", 'try crs="EPSG:32719" (Santiago)'),
        ("a rule of thumb, which --threads overrides", "a rule of thumb, which threads overrides"),
        ("they were taken as X, as --crs says", "they were taken as X, as crs says"),
        ("(--sample) fewer", "(sample) fewer"),
        ("resume with: taxi compare --resume runs/a", "resume with: taxi compare --resume runs/a"),
    ],
)  # fmt: skip
def test_flags_become_keyword_arguments(message, expected):
    assert in_keywords(message, NAMES) == expected


@takes_keywords(LoadRequest, DatasetParameters)
def example(first: int, /, **given: Unpack[DatasetParameters]) -> dict:
    """Do something.

    Parameters
    ----------
    first : int
        Its own.

    Returns
    -------
    dict
        What was given.
    """
    if first < 0:
        raise DataError("name them with --lat north")
    return dict(given)


def test_a_function_shows_every_parameter_with_its_default():
    shown = inspect.signature(example).parameters
    declared = parameters_of(LoadRequest, without=["data"])
    assert list(shown) == ["first", *declared]
    assert [shown[name].default for name in declared] == [one.default for one in declared.values()]
    described = inspect.getdoc(example)
    assert described.startswith("Do something.\n\nParameters\n----------\nfirst : int\n    Its own.\npoints : default:")
    assert all(f"    {one.description}\n" in described for one in declared.values())
    assert described.endswith("\n\nReturns\n-------\ndict\n    What was given.")
    assert example(1, lat="north") == {"lat": "north"}


def test_its_errors_are_in_these_words():
    with pytest.raises(DataError, match=r'^name them with lat="north"$'):
        example(-1)


def test_values_of_paths_and_numpy_are_plain():
    plain = plain_values({"zones": Path("a") / "b", "sample": np.int64(3), "eps": np.float32(0.5), "lat": "x"})
    assert plain == {"zones": "a/b", "sample": 3, "eps": 0.5, "lat": "x"}
    assert [type(value) for value in plain.values()] == [str, int, float, str]
