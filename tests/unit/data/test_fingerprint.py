"""The fingerprint is of the content and of nothing else."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from taxi_mlops.data.fingerprint import fingerprint

LATITUDE = np.array([1.5, 2.5, 3.5])
LONGITUDE = np.array([4.0, 5.0, 6.0])


def test_is_the_digest_that_its_documentation_says():
    spelled_out = b"taxi-mlops points, version 1\n"
    spelled_out += b"latitude <f8 (3,)\n" + LATITUDE.astype("<f8").tobytes()
    spelled_out += b"longitude <f8 (3,)\n" + LONGITUDE.astype("<f8").tobytes()
    assert fingerprint(LATITUDE, LONGITUDE, None) == hashlib.sha256(spelled_out).hexdigest()


def test_memory_layout_does_not_matter():
    table = np.array([LATITUDE, LONGITUDE]).T.copy()
    assert fingerprint(table[:, 0], table[:, 1], None) == fingerprint(LATITUDE, LONGITUDE, None)
    assert fingerprint(LATITUDE.astype(">f8"), LONGITUDE, None) == fingerprint(LATITUDE, LONGITUDE, None)


@pytest.mark.parametrize(
    ("latitude", "longitude", "weight"),
    [
        (np.nextafter(LATITUDE, 9), LONGITUDE, None),
        (LATITUDE[::-1], LONGITUDE[::-1], None),
        (LONGITUDE, LATITUDE, None),
        (LATITUDE[:2], LONGITUDE[:2], None),
        (LATITUDE, LONGITUDE, np.ones(3)),
        (np.r_[LATITUDE, LONGITUDE[:1]], LONGITUDE[1:], None),
    ],
    ids=["one ulp", "order", "swapped", "fewer", "weighted", "shifted"],
)
def test_any_difference_shows(latitude, longitude, weight):
    assert fingerprint(latitude, longitude, weight) != fingerprint(LATITUDE, LONGITUDE, None)
