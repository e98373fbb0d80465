"""Check the answers of trials, bring them to canonical form, and store each distinct one once, by its digest."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.domain import NOISE, BoolArray, Clustering, LabelArray
from taxi_mlops.trials.protocol import CORE_MASK_FILE, LABELS_FILE


class InvalidClusteringError(Exception):
    """An answer that is not a valid clustering; the message shows the value."""


def read_answer(scratch: Path, n: int) -> Clustering:
    """Read the answer that a child left in `scratch`; return it checked and in canonical form.

    Raises InvalidClusteringError if it is not a clustering of `n` points.
    """
    core_mask = scratch / CORE_MASK_FILE
    found = Clustering(_read(scratch / LABELS_FILE), _read(core_mask) if core_mask.exists() else None)
    return checked_clustering(found, n)


def checked_clustering(answer: object, n: int) -> Clustering:
    """Return an answer checked and in canonical form. Raises InvalidClusteringError as `read_answer` does."""
    if not isinstance(answer, Clustering):
        raise InvalidClusteringError(f"fit returned {type(answer).__name__}, not a Clustering")
    labels = canonical_labels(_checked_labels(np.asarray(answer.labels), n))
    core_mask = None if answer.core_mask is None else _checked_core_mask(np.asarray(answer.core_mask), n)
    return Clustering(labels, core_mask, answer.about)


def canonical_labels(labels: LabelArray) -> LabelArray:
    """Number the clusters in the order of the first point of each. labels: int32 of shape (n,), dense. O(n)."""
    members = np.flatnonzero(labels != NOISE)
    first_points = np.empty(int(labels.max(initial=NOISE)) + 1, dtype=np.intp)
    # Of several values assigned to one element the last one stays: in reverse order, the first point.
    first_points[labels[members[::-1]]] = members[::-1]
    numbers = np.empty(first_points.size, dtype=np.int32)
    numbers[np.argsort(first_points)] = np.arange(first_points.size, dtype=np.int32)
    canonical = np.full(labels.shape, NOISE, dtype=np.int32)
    canonical[members] = numbers[labels[members]]
    return canonical


def store_clustering(clustering: Clustering, labels: Path) -> str:
    """Store a canonical clustering in the folder `labels` and return its digest; an existing answer is kept.

    The digest is the SHA-256 over the labels (little-endian int32) and the core mask.
    """
    digest = _digest(clustering)
    labels.mkdir(parents=True, exist_ok=True)
    labels_file, core_file = _files(labels, digest)
    if not labels_file.exists():
        # The labels last: if they exist, the answer is complete.
        if clustering.core_mask is not None:
            _write(core_file, clustering.core_mask)
        _write(labels_file, clustering.labels)
    return digest


def open_clustering(labels: Path, digest: str) -> Clustering:
    """Map a stored clustering into memory, read-only: labels int32 of shape (n,), core mask bool of shape (n,) or None.

    Raises FileNotFoundError if the folder has none of this digest.
    """
    labels_file, core_file = _files(labels, digest)
    return Clustering(
        labels=np.asarray(np.load(labels_file, mmap_mode="r", allow_pickle=False)),
        core_mask=np.asarray(np.load(core_file, mmap_mode="r", allow_pickle=False)) if core_file.exists() else None,
    )


def _read(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidClusteringError(f"{path.stem} cannot be read: {error}") from error
    return np.asarray(array)


def _checked_labels(labels: NDArray[Any], n: int) -> LabelArray:
    if labels.shape != (n,):
        raise InvalidClusteringError(f"labels have shape {labels.shape}, expected ({n},)")
    if not np.issubdtype(labels.dtype, np.integer):
        raise InvalidClusteringError(f"labels have dtype {labels.dtype}, expected integers")
    lowest, highest = (int(labels.min()), int(labels.max())) if n else (NOISE, NOISE)
    if lowest < NOISE:
        raise InvalidClusteringError(f"label {lowest} is below {NOISE}, the label of noise")
    if highest >= n:
        raise InvalidClusteringError(f"label {highest} for {n} points: clusters must be numbered densely from 0")
    checked: LabelArray = labels.astype(np.int32)
    missing = np.flatnonzero(np.bincount(checked[checked != NOISE], minlength=highest + 1) == 0)
    if missing.size:
        raise InvalidClusteringError(
            f"no point has label {missing[0]}, yet labels go up to {highest}: clusters must be numbered densely from 0"
        )
    return checked


def _checked_core_mask(core_mask: NDArray[Any], n: int) -> BoolArray:
    if core_mask.shape != (n,):
        raise InvalidClusteringError(f"core_mask has shape {core_mask.shape}, expected ({n},)")
    if core_mask.dtype != np.bool_:
        raise InvalidClusteringError(f"core_mask has dtype {core_mask.dtype}, expected bool")
    return core_mask


def _digest(clustering: Clustering) -> str:
    hashed = sha256(np.ascontiguousarray(clustering.labels, dtype="<i4").data)
    hashed.update(b"without core mask" if clustering.core_mask is None else b"with core mask")
    if clustering.core_mask is not None:
        hashed.update(np.ascontiguousarray(clustering.core_mask).data)
    return hashed.hexdigest()


def _files(labels: Path, digest: str) -> tuple[Path, Path]:
    return labels / f"{digest}.labels.npy", labels / f"{digest}.core_mask.npy"


def _write(path: Path, array: NDArray[Any]) -> None:
    """Write the file atomically, also if this process is killed."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
