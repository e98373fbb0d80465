"""Read points from JSON and GPX documents as Arrow tables in memory.

GeoJSON (RFC 7946), one Feature a line (RFC 8142), GBFS station files, JSON records, one record a line, and the points
of GPX 1.1 tracks, routes and waypoints. Coordinates become the columns `latitude` and `longitude`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.etree import ElementTree

from taxi_mlops.data.crs import identified
from taxi_mlops.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

MAX_DOCUMENT_BYTES = 1 << 30
"""A document is loaded whole, and takes several times its size in memory."""

_RECORD_SEPARATOR = "\x1e"
_POINT_TAGS = {"trkpt", "rtept", "wpt"}


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """The rows of a document, and the system of its coordinates; None is degrees."""

    rows: pa.Table
    crs: str | None = None


def read_json(content: BinaryIO) -> Document:
    """Read the points of a JSON document. Raises DataError if it has none that can be read."""
    text = _bounded(content).decode("utf-8-sig", errors="strict")
    try:
        try:
            document = json.loads(text)
        except json.JSONDecodeError:
            return Document(_table(_records(_lines(text))))
        return Document(_table(_records(_rows_in(document))), _crs_of(document))
    except RecursionError:
        raise DataError("this JSON is nested too deeply to have records of trips") from None


def _crs_of(document: Any) -> str | None:  # noqa: ANN401 - any JSON
    """Return the system that GeoJSON of 2008 may name; since RFC 7946 there are only degrees."""
    if not (isinstance(document, Mapping) and document.get("crs")):
        return None
    crs = document["crs"]
    properties = crs.get("properties") if isinstance(crs, Mapping) else None
    return identified(properties.get("name") if isinstance(properties, Mapping) else crs)


def _rows_in(document: Any) -> list[Any]:  # noqa: ANN401 - any JSON
    """Return the records or features of a document; GBFS and others have them as the only list of an object."""
    if isinstance(document, list):
        return document
    if isinstance(document, Mapping) and "type" not in document:
        inner = document["data"] if isinstance(document.get("data"), Mapping) else document
        lists = [
            value for value in inner.values() if isinstance(value, list) and value and isinstance(value[0], Mapping)
        ]
        if len(lists) == 1:
            return lists[0]
    return [document]


def read_gpx(content: BinaryIO) -> Document:
    """Read the points of a GPX document: latitude, longitude and, if they have one, the time."""
    data = _bounded(content)
    if b"<!DOCTYPE" in data[:10_000] or b"<!ENTITY" in data[:10_000]:
        raise DataError("this GPX file declares entities, which are not expanded; export it again without a DOCTYPE")
    rows: list[dict[str, Any]] = []
    try:
        for _, element in ElementTree.iterparse(io.BytesIO(data)):  # noqa: S314 - entities are refused above
            if element.tag.rpartition("}")[2] in _POINT_TAGS:
                time = next((child.text for child in element if child.tag.rpartition("}")[2] == "time"), None)
                rows.append({"latitude": element.get("lat"), "longitude": element.get("lon"), "time": time})
                element.clear()
    except ElementTree.ParseError as error:
        raise DataError(f"the GPX file is truncated or corrupt ({error}); export it again") from error
    if not rows:
        raise DataError("this GPX file has no points")
    return Document(_table(rows))


def _bounded(content: BinaryIO) -> bytes:
    data = content.read(MAX_DOCUMENT_BYTES + 1)
    if len(data) > MAX_DOCUMENT_BYTES:
        raise DataError(
            f"the document is larger than {MAX_DOCUMENT_BYTES >> 20:,} MiB; convert it to Parquet or CSV, "
            "for example with ogr2ogr"
        )
    return bytes(data)


def _lines(text: str) -> list[Any]:
    documents = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().strip(_RECORD_SEPARATOR)
        if not stripped:
            continue
        try:
            documents.append(json.loads(stripped))
        except json.JSONDecodeError as error:
            raise DataError(f"line {number} is not JSON ({error}); is the file truncated?") from error
    return documents


def _records(documents: Iterable[Any]) -> list[dict[str, Any]]:
    """Return one flat record for each feature or record."""
    rows: list[dict[str, Any]] = []
    for document in documents:
        if not isinstance(document, Mapping):
            raise DataError(f"this is JSON, but has no records or GeoJSON features ({str(document)[:40]!r})")
        kind = document.get("type")
        if kind == "FeatureCollection" and isinstance(document.get("features"), list):
            rows.extend(_feature(feature) for feature in document["features"])
        elif kind == "Feature":
            rows.append(_feature(document))
        elif kind in {"Point", "MultiPoint"} and "coordinates" in document:
            pairs = [document["coordinates"]] if kind == "Point" else document["coordinates"]
            rows.extend(_position(pair) for pair in pairs)
        elif isinstance(kind, str) and "coordinates" in document:
            raise DataError(f"this GeoJSON holds a {kind}, not points")
        else:
            rows.append(_flat(document))
    if not any(rows):
        raise DataError("this JSON has no records and no points")
    return rows


def _feature(feature: object) -> dict[str, Any]:
    if not isinstance(feature, Mapping):
        raise DataError(f"a feature of this GeoJSON is {str(feature)[:40]!r}")
    geometry = feature.get("geometry")
    if geometry is None:
        position: dict[str, Any] = {"latitude": None, "longitude": None}
    elif isinstance(geometry, Mapping) and geometry.get("type") == "Point":
        position = _position(geometry.get("coordinates"))
    else:
        kind = geometry.get("type") if isinstance(geometry, Mapping) else geometry
        raise DataError(f"this GeoJSON holds a {kind}, not points; take the points or the centroids first")
    properties = feature.get("properties") or {}
    if not isinstance(properties, Mapping):
        raise DataError(f"the properties of a feature of this GeoJSON are {str(properties)[:40]!r}, not an object")
    return {**_flat(properties), **position}


def _flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the plain values of a record, nested ones by names such as `pickup.lat`; points remain JSON text."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and "coordinates" not in value:
            flat |= _flat(value, f"{name}.")
        elif isinstance(value, Mapping) or (isinstance(value, list) and _is_position(value)):
            flat[name] = json.dumps(value)
        elif not isinstance(value, list):
            flat[name] = value
    return flat


def _is_position(values: Sequence[Any]) -> bool:
    return len(values) == 2 and all(isinstance(value, float | int) for value in values)


def _position(pair: object) -> dict[str, Any]:
    """Return the position of a pair: longitude comes first (RFC 7946, 3.1.1); an altitude is ignored."""
    if isinstance(pair, list) and not pair:
        return {"latitude": None, "longitude": None}
    if not isinstance(pair, list) or len(pair) < 2:
        raise DataError(f"a point of this GeoJSON has the coordinates {str(pair)[:40]!r}, not [longitude, latitude]")
    return {"latitude": pair[1], "longitude": pair[0]}


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    import pyarrow as pa

    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):  # of several types, or beyond 64 bits
        return pa.array([None if value is None else str(value) for value in values])
