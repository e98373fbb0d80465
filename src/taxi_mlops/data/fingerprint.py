"""Compute the fingerprint of points, by which runs are compared."""

from __future__ import annotations

import hashlib

import numpy as np

from taxi_mlops.domain import FloatArray

_PREFIX = b"taxi-mlops points, version 1\n"


def fingerprint(latitude: FloatArray, longitude: FloatArray, weight: FloatArray | None) -> str:
    """Return the SHA-256, in hexadecimal, of the points in their order.

    The digest is over a version line, then for each array that is there its name, data type and shape, and its
    bytes (little-endian float64). Points with weight 1 and points without weights have different fingerprints.
    """
    growing = Fingerprint()
    for name, array in (("latitude", latitude), ("longitude", longitude), ("weight", weight)):
        if array is not None:
            growing.begin(name, len(array))
            growing.update(array)
    return growing.hexdigest()


class Fingerprint:
    """A fingerprint that is computed in pieces: latitude, longitude and, if there is one, weight."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256(_PREFIX)

    def begin(self, name: str, n: int) -> None:
        """Start the array of this name and of shape (n,)."""
        self._digest.update(f"{name} <f8 ({n},)\n".encode())

    def update(self, values: FloatArray) -> None:
        """Add the next values of the array. Releases the GIL."""
        self._digest.update(np.ascontiguousarray(values, dtype="<f8").data)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
