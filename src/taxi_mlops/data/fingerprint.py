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
    digest = hashlib.sha256(_PREFIX)
    for name, array in (("latitude", latitude), ("longitude", longitude), ("weight", weight)):
        if array is None:
            continue
        stored = np.ascontiguousarray(array, dtype="<f8")
        digest.update(f"{name} {stored.dtype.str} {stored.shape}\n".encode())
        digest.update(stored.data)
    return digest.hexdigest()
