"""Recognise the format of a file by its first bytes; unsupported ones are named in the error."""

from __future__ import annotations

import re
import zipfile
from typing import Literal

from taxi_mlops.errors import DataError

Format = Literal["csv", "parquet", "arrow", "arrow stream", "geojson", "gpx", "geodata"]
Compression = Literal["gzip", "bz2", "zstd", "lz4"]

_COMPRESSIONS: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
)
_UNREADABLE: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; fetch it with: git lfs pull"),
    (b"%PDF", "a PDF document; export the trips as CSV or Parquet"),
    (b"SQLite format 3\0", "an SQLite database; export a table of trips as CSV or Parquet"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook; save its sheet as CSV"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it and name one file"),
    (b"Rar!", "a RAR archive; unpack it and name one file"),
    (b"\x89HDF", "an HDF5 file; export the trips as CSV or Parquet"),
    (b"\x80\x02", "a Python pickle, which could run code; save the trips as Parquet"),
    (b"\x80\x03", "a Python pickle, which could run code; save the trips as Parquet"),
    (b"\x80\x04", "a Python pickle, which could run code; save the trips as Parquet"),
    (b"\x80\x05", "a Python pickle, which could run code; save the trips as Parquet"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"Obj\x01", "an Avro file; convert the trips to CSV or Parquet"),
    (b"ORC", "an ORC file; convert the trips to CSV or Parquet"),
    (b"\xfd7zXZ\0", "an xz archive; unpack it with: xz -d"),
    (b"MZ", "a program for Windows"),
    (b"\x7fELF", "a program"),
)
_FORMATS: tuple[tuple[bytes, Format], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow stream"),
    (b"fgb\x03", "geodata"),
    (b"\x00\x00\x27\x0a" + bytes(20), "geodata"),  # the file .shp of a Shapefile
)
_SQLITE = b"SQLite format 3\0"
_SQLITE_APPLICATION = slice(68, 72)
_GEOPACKAGES = (b"GPKG", b"GP10", b"GP11")
_HTML = re.compile(rb"\s*(<!--.*?-->\s*)?<(!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_PROLOG = rb"(?:<\?xml\b.*?\?>|<!--.*?-->|<!DOCTYPE\b[^>\[]*(?:\[[^\]]*\])?[^>]*>|\s)*"
_XML = re.compile(_PROLOG + rb"<(?:\w+:)?(?P<root>[A-Za-z]\w*)[\s/>]", re.DOTALL)
_XML_KINDS = {
    b"kml": "KML; convert it to GeoJSON, for example with: ogr2ogr trips.geojson trips.kml",
    b"osm": "an extract of OpenStreetMap (XML), not trips",
    b"svg": "an SVG picture",
    b"trainingcenterdatabase": "a TCX track; convert it to GPX, for example with gpsbabel",
    b"featurecollection": "GML; convert it to GeoJSON, for example with: ogr2ogr trips.geojson trips.gml",
}
_OTHER_XML = "XML; export the trips as CSV, Parquet, GeoJSON or GPX"
_UTF8_MARK = b"\xef\xbb\xbf"
_TAR_MAGIC_AT = 257
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")


def compression_of(start: bytes) -> Compression | None:
    """Return the compression of a file that starts with these bytes, or None."""
    return next((name for magic, name in _COMPRESSIONS if start.startswith(magic)), None)


def format_of(start: bytes) -> Format:
    """Return the format of a file by its first 1,000 bytes or so, uncompressed.

    Raises DataError, which names the format and what to do, for an unsupported one. Other text is assumed to be CSV.
    """
    for magic, kind in _FORMATS:
        if start.startswith(magic):
            return kind
    if start.startswith(_SQLITE) and start[_SQLITE_APPLICATION] in _GEOPACKAGES:
        return "geodata"
    for magic, what in _UNREADABLE:
        if start.startswith(magic):
            raise DataError(f"this is {what}")
    if start[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar":
        raise DataError("this is a tar archive; unpack it and name its files")
    text = start.removeprefix(_UTF8_MARK)
    if _HTML.match(text):
        raise DataError("this is a web page (HTML), not data; perhaps a sign-in or an error page: fetch the file again")
    xml = _XML.match(text)
    if xml is not None and (text.lstrip().startswith(b"<?") or xml["root"].lower() in {b"gpx", *_XML_KINDS}):
        if xml["root"].lower() == b"gpx":
            return "gpx"
        raise DataError(f"this is {_XML_KINDS.get(xml['root'].lower(), _OTHER_XML)}")
    if re.match(rb"[\s\x1e]*(\{|\[\s*[\[{\]])", text):
        return "geojson"
    return "csv"


def is_zipped_shapefile(archive: zipfile.ZipFile) -> bool:
    """Return whether a zip archive is one Shapefile, whose parts are files of their own."""
    return sum(member.filename.lower().endswith(".shp") for member in archive.infolist()) == 1


def only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Return the only file of trips in a zip archive.

    Raises DataError if there are several (they are listed) or none, if it is encrypted, or if the archive is a
    workbook.
    """
    members = archive.infolist()
    names = {member.filename for member in members}
    if "[Content_Types].xml" in names:
        raise DataError("this is an Excel workbook or another Office document; save its sheet as CSV")
    wanted = [member for member in members if not member.is_dir() and not _is_clutter(member.filename)]
    if not wanted:
        raise DataError("the zip archive is empty")
    if len(wanted) > 1:
        listed = ", ".join(member.filename for member in wanted[:5]) + (", …" if len(wanted) > 5 else "")
        raise DataError(f"the zip archive holds {len(wanted)} files ({listed}); unpack it and name one, or a pattern")
    if wanted[0].flag_bits & 0x1:
        raise DataError(f"{wanted[0].filename} in the zip archive is encrypted; unpack it with its password")
    return wanted[0]


def _is_clutter(name: str) -> bool:
    parts = name.split("/")
    return parts[0] == "__MACOSX" or parts[-1].startswith(".") or parts[-1].lower().startswith("readme")
