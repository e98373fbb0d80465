"""Write a workload to disk, so that every trial maps the same points into memory instead of receiving a copy."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.domain import Parameters, Points, Provenance, Workload

_DESCRIPTION = "workload.json"
_LATITUDE = "latitude.npy"
_LONGITUDE = "longitude.npy"
_WEIGHT = "weight.npy"
_ROW = "row.npy"


def write_workload(points: Points, parameters: Parameters, folder: Path) -> None:
    """Write points and parameters into `folder`, which is created if it does not exist.

    Arrays become `.npy` files of float64 (rows: int64), the rest `workload.json`. Earlier files are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / _LATITUDE, points.latitude, allow_pickle=False)
    np.save(folder / _LONGITUDE, points.longitude, allow_pickle=False)
    for name, array in ((_WEIGHT, points.weight), (_ROW, points.row)):
        if array is None:
            (folder / name).unlink(missing_ok=True)
        else:
            np.save(folder / name, array, allow_pickle=False)
    provenance = {
        "uri": points.provenance.uri,
        "schema": points.provenance.schema,
        "data_version": points.provenance.data_version,
        "rows_read": points.provenance.rows_read,
        "rows_used": points.provenance.rows_used,
        "dropped": dict(points.provenance.dropped),
        "notes": list(points.provenance.notes),
        "columns": list(points.provenance.columns),
        "crs": points.provenance.crs,
    }
    description = {
        "n": len(points),
        "fingerprint": points.fingerprint,
        "provenance": provenance,
        "parameters": asdict(parameters),
    }
    (folder / _DESCRIPTION).write_text(json.dumps(description, indent=2), encoding="utf-8")


def open_workload(folder: Path) -> Workload:
    """Map the workload of `folder` into memory. The arrays are read-only, of shape (n,).

    Raises FileNotFoundError if the folder holds none.
    """
    description = _description(folder)
    weight, row = folder / _WEIGHT, folder / _ROW
    provenance = description["provenance"]
    points = Points(
        latitude=_map(folder / _LATITUDE),
        longitude=_map(folder / _LONGITUDE),
        weight=_map(weight) if weight.exists() else None,
        fingerprint=description["fingerprint"],
        provenance=Provenance(**provenance | {name: tuple(provenance[name]) for name in ("notes", "columns")}),
        row=_map(row) if row.exists() else None,
    )
    return Workload(points, Parameters(**description["parameters"]))


def workload_size(folder: Path) -> int:
    """Return the number of points of the workload in `folder`."""
    return int(_description(folder)["n"])


def _description(folder: Path) -> dict[str, Any]:
    description: dict[str, Any] = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
    return description


def _map(path: Path) -> NDArray[Any]:
    # A plain array over the mapping, since implementations may not accept subclasses of ndarray.
    mapped: NDArray[Any] = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    return mapped
