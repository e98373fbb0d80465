"""The identity of points: what makes two runs comparable."""

from __future__ import annotations

import hashlib

import numpy as np

from taxi_mlops.domain import FloatArray

_PREFIX = b"taxi-mlops points, version 1\n"


def fingerprint(latitude: FloatArray, longitude: FloatArray, weight: FloatArray | None) -> str:
    """SHA-256, in hexadecimal, of the points in their order.

    The digest runs over a version line, then for each array that is there its name, data type and shape, and its
    bytes (little-endian float64). Points with weight 1 and points without weights have different fingerprints.
    """
    growing = Fingerprint()
    for name, array in (("latitude", latitude), ("longitude", longitude), ("weight", weight)):
        if array is not None:
            growing.begin(name, len(array))
            growing.update(array)
    return growing.hexdigest()


class Fingerprint:
    """A fingerprint that grows: latitude, longitude and, where there is one, weight, each piece by piece."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256(_PREFIX)

    def begin(self, name: str, n: int) -> None:
        """The next pieces are of this array of shape (n,)."""
        self._digest.update(f"{name} <f8 ({n},)\n".encode())

    def update(self, values: FloatArray) -> None:
        """The next values of the array. Others can work meanwhile."""
        self._digest.update(np.ascontiguousarray(values, dtype="<f8").data)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
