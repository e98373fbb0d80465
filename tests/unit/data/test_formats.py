"""The same points from every format, and files that are none of them named for what they are."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from taxi_mlops.data.loader import DataLoader
from taxi_mlops.errors import DataError

ROWS = [(48.860524, 2.361411), (-33.45, -70.6), (48.850191, 2.350439), (48.870806, 2.340831)]


def csv(delimiter: str = ",", decimal: str = ".", end: str = "\n") -> str:
    lines = [delimiter.join(("id", "lat", "lon"))]
    lines += [
        delimiter.join((str(number), *(str(value).replace(".", decimal) for value in row)))
        for number, row in enumerate(ROWS)
    ]
    return end.join(lines) + end


def zipped(*members: tuple[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members:
            archive.writestr(name, text)
    return content.getvalue()


def table() -> pa.Table:
    return pa.table({"lat": [row[0] for row in ROWS], "lon": [row[1] for row in ROWS]})


def ipc(stream: bool, compressed: bool = False) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd" if compressed else None)
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(sink, table().schema, options=options) as writer:
        writer.write_table(table(), max_chunksize=3)
    return sink.getvalue()


def geoparquet(crs: object = None) -> bytes:
    column = {"encoding": "WKB", "geometry_types": ["Point"]} | ({"crs": crs} if crs else {})
    geo = {"version": "1.1.0", "primary_column": "where", "columns": {"where": column}}
    shapes = shapely.to_wkb(shapely.points([row[::-1] for row in ROWS])).tolist()
    stored = pa.table({"id": range(len(ROWS)), "where": pa.array(shapes, pa.binary())})
    sink = io.BytesIO()
    pq.write_table(stored.replace_schema_metadata({"geo": json.dumps(geo)}), sink)
    return sink.getvalue()


def features() -> list[dict[str, object]]:
    return [
        {"type": "Feature", "properties": {"n": 1}, "geometry": {"type": "Point", "coordinates": [lon, lat, 7]}}
        for lat, lon in ROWS
    ]


def write(folder: Path, content: bytes | str, name: str = "trips.dat") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, latitude: str = "lat", longitude: str = "lon") -> list[tuple[float, float]]:
    loader = DataLoader([path], latitude_column=latitude, longitude_column=longitude)
    return [pair for batch in loader.coordinates() for pair in zip(*(array.tolist() for array in batch), strict=True)]


GPX = "".join(
    [
        '<?xml version="1.0"?><gpx xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>',
        *(f'<trkpt lat="{lat}" lon="{lon}"><time>2016-06-01T00:00:00Z</time></trkpt>' for lat, lon in ROWS),
        "</trkseg></trk></gpx>",
    ]
)


TABLES = """semicolons; tabs; bars; decimal commas; tabs and decimal commas; crlf; blank lines; lines of blanks; sep=;
titles; titles with the delimiter of other files; quoted; a name of two lines; UTF-16 with mark; UTF-16; UTF-8 with mark
Latin-1; UTF-8; gzip; bz2; zstd; zip; zip with clutter; Arrow; Arrow compressed; Arrow stream"""
TABLES = TABLES.replace("sep=;", "sep line").replace("\n", ";").split(";")
DOCUMENTS = """GeoParquet; GeoParquet with CRS84; GeoJSON; GeoJSON indented; GeoJSON gzip; a feature a line
features with record separators; MultiPoint; JSON records; JSON lines; GBFS; GPX""".replace("\n", ";").split(";")
UNREADABLE = """web page; web page after blanks; Git LFS; PDF; SQLite; pickle; old Excel; Excel; archive of two
empty archive
Parquet in an archive; web page in gzip; XML; entities; GPX cut; JSON cut; empty object; list; list of lists; polygon
line; other projection; UTF-16 cut""".replace("\n", ";").split(";")


@pytest.mark.parametrize(
    "content",
    [
        csv(";"),
        csv("\t"),
        csv("|"),
        csv(";", ","),
        csv("\t", ","),
        csv(end="\r\n"),
        csv().replace("\n", "\n\n"),
        csv().replace("\n", "\n   \n"),
        "sep=;\n" + csv(";"),
        "Trips of June\nexported today\n\n" + csv(),
        "Trips;of;June\n" + csv("\t"),
        csv().replace(",2.361411", ',"2.361411"'),
        csv().replace("id", '"the\nnumber"'),
        csv().encode("utf-16"),
        csv().encode("utf-16-le"),
        csv().encode("utf-8-sig"),
        csv().replace("id", "Numéro").encode("latin-1"),
        csv().replace("id", "№").encode(),
        gzip.compress(csv().encode()),
        bz2.compress(csv().encode()),
        pa.compress(csv().encode(), "zstd", asbytes=True),
        zipped(("trips.csv", csv())),
        zipped(("__MACOSX/._trips.csv", "x"), ("README.txt", "x"), ("folder/trips.csv", csv(";"))),
        ipc(stream=False),
        ipc(stream=False, compressed=True),
        ipc(stream=True),
    ],
    ids=TABLES,
)
def test_the_same_points_from_every_table(tmp_path, content):
    assert read(write(tmp_path, content)) == ROWS


def test_decimal_commas_between_commas_are_quoted(tmp_path):
    rows = "".join(f'"{lat}","{lon}"\n'.replace(".", ",") for lat, lon in ROWS)
    assert read(write(tmp_path, "lat,lon\n" + rows)) == ROWS


@pytest.mark.parametrize(
    "content",
    [
        geoparquet(),
        geoparquet({"name": "WGS 84 (CRS84)", "id": {"authority": "OGC", "code": "CRS84"}}),
        json.dumps({"type": "FeatureCollection", "features": features()}),
        json.dumps({"type": "FeatureCollection", "features": features()}, indent=1),
        gzip.compress(json.dumps({"type": "FeatureCollection", "features": features()}).encode()),
        "".join(f"{json.dumps(feature)}\n" for feature in features()),
        "".join(f"\x1e{json.dumps(feature)}\n" for feature in features()),
        json.dumps({"type": "MultiPoint", "coordinates": [row[::-1] for row in ROWS]}),
        json.dumps([{"latitude": lat, "longitude": lon} for lat, lon in ROWS]),
        "".join(f'{{"latitude": {lat}, "longitude": {lon}}}\n' for lat, lon in ROWS),
        json.dumps({"ttl": 5, "data": {"stations": [{"latitude": lat, "longitude": lon} for lat, lon in ROWS]}}),
        GPX,
    ],
    ids=DOCUMENTS,
)
def test_the_same_points_from_every_document(tmp_path, content):
    assert read(write(tmp_path, content), "latitude", "longitude") == ROWS


def test_the_form_of_a_gpx_file_with_the_time_is_kept(tmp_path):
    loader = DataLoader([write(tmp_path, GPX)], latitude_column="latitude", longitude_column="longitude")
    assert loader.tables[0].columns == ("latitude", "longitude", "time")
    assert loader.count_rows() == len(ROWS)


MISSING = ["", " ", "NA", " NA", "n/a", "N/A", "null", "NULL", "None", "none", "NaN", " nan ", "\\N", "-", " - "]


@pytest.mark.parametrize("cell", MISSING)
@pytest.mark.parametrize("kind", ["csv", "parquet", "json", "arrow"])
def test_one_rule_for_what_is_missing(tmp_path, cell, kind):
    latitude, longitude = [cell, "1.5", "2"], ["3", "4", cell]
    if kind == "csv":
        content = "lat,lon\n" + "".join(f"{row[0]},{row[1]}\n" for row in zip(latitude, longitude, strict=True))
        path = write(tmp_path, content)
    elif kind == "json":
        rows = [{"lat": row[0], "lon": row[1]} for row in zip(latitude, longitude, strict=True)]
        path = write(tmp_path, json.dumps(rows))
    else:
        path = tmp_path / "t"
        stored = pa.table({"lat": latitude, "lon": longitude})
        if kind == "parquet":
            pq.write_table(stored, path)
        else:
            with pa.ipc.new_file(str(path), stored.schema) as writer:
                writer.write_table(stored)
    found = read(path)
    assert np.array_equal(found, [(np.nan, 3), (1.5, 4), (2, np.nan)], equal_nan=True)


def test_a_blank_cell_after_the_first_block_changes_nothing_before_it(tmp_path):
    """pyarrow reads blocks of 8 MiB; the rows of those before the cell come once, and none is lost."""
    rows = 500_000
    values = np.arange(rows) / rows
    lines = [f"{number},{value},{-value}\n" for number, value in enumerate(values)]
    lines[rows - 10] = "x, ,\n"
    path = write(tmp_path, "id,lat,lon\n" + "".join(lines))
    found = np.array(read(path))
    values[rows - 10] = np.nan
    assert np.array_equal(found[:, 0], values, equal_nan=True)
    assert np.array_equal(found[:, 1], -values, equal_nan=True)


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_quoted_line_breaks_may_lie_at_the_border_of_blocks(tmp_path, compress):
    rows = 170_000
    note = '"left at the back door' + " " * 40 + '\nring twice"'
    content = "id,note,lat,lon\n" + "".join(f"7,{note},{number / rows},2.5\n" for number in range(rows))
    found = read(write(tmp_path, compress(content.encode())))
    assert len(found) == rows
    assert found[-1] == ((rows - 1) / rows, 2.5)


def test_lines_without_a_header_have_numbers_for_names(tmp_path):
    path = write(tmp_path, "".join(f"1,2008-02-02 15:00:00,{lon},{lat}\n" for lat, lon in ROWS))
    loader = DataLoader([path], latitude_column="4", longitude_column="3")
    assert not loader.tables[0].has_header
    assert read(path, "4", "3") == ROWS


def test_the_sample_holds_the_first_rows(tmp_path):
    from taxi_mlops.data.tables import open_table

    sample = open_table(write(tmp_path, csv(";", ","))).sample(["lon", "lat"])
    assert sample.to_pydict() == {"lon": [str(row[1]) for row in ROWS], "lat": [str(row[0]) for row in ROWS]}
    for content in (ipc(stream=True), geoparquet(), GPX):
        opened = open_table(write(tmp_path, content))
        (latitude,) = opened.sample([opened.columns[-2 if content is not GPX else 0]])
        assert latitude.to_pylist()[:2] in ([48.860524, -33.45], ["48.860524", "-33.45"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html>\n<html></html>", "this is a web page"),
        (b"  <html><body>", "this is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer.*git lfs pull"),
        (b"%PDF-1.7", "PDF document"),
        (b"SQLite format 3\0" + bytes(80), "SQLite database"),
        (b"\x80\x05\x95", "Python pickle"),
        (b"\xd0\xcf\x11\xe0" + bytes(80), "old Excel workbook"),
        (zipped(("[Content_Types].xml", ""), ("xl/workbook.xml", "")), "Excel workbook"),
        (zipped(("a.csv", csv()), ("b.csv", csv())), r"holds 2 files \(a\.csv, b\.csv\)"),
        (zipped(), "zip archive is empty"),
        (zipped(("trips.parquet", "PAR1PAR1")), "a compressed parquet file"),
        (gzip.compress(b"<html>"), "this is a web page"),
        (b"<?xml version='1.0'?><kml/>", "this is KML; convert it to GeoJSON"),
        ('<?xml version="1.0"?><!DOCTYPE gpx [<!ENTITY a "b">]><gpx></gpx>', "declares entities"),
        (GPX[:-40], "truncated or corrupt"),
        ('{"a": 1', "line 1 is not JSON"),
        ("{}", "no records and no points"),
        ('["a", [1, 2]]', "columns: '\\[\"a\"'"),
        ("[[1, 2]]", "has no records or GeoJSON features"),
        (json.dumps({"type": "Polygon", "coordinates": []}), "holds a Polygon, not points"),
        (
            json.dumps({"type": "Feature", "geometry": {"type": "LineString", "coordinates": []}, "properties": {}}),
            "holds a LineString, not points",
        ),
        (geoparquet({"name": "Grid", "id": {"authority": "EPSG", "code": 99999}}), "EPSG:99999: no such system"),
        (b"\xff\xfea\0,\0b", "not utf-16-le|columns"),
    ],
    ids=UNREADABLE,
)
def test_what_cannot_be_read_is_named_for_what_it_is(tmp_path, content, said):
    with pytest.raises(DataError, match=said) as raised:
        read(write(tmp_path, content), "lat", "lon")
    assert "trips.dat" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>', "this is KML; convert it to GeoJSON"),
        (b"\xef\xbb\xbf\n<!-- made by hand -->\n<kml>", "this is KML"),
        (b'<?xml version="1.0"?>\n<!-- a -->\n<kml:kml xmlns:kml="x">', "this is KML"),
        (b'<osm version="0.6"><node id="1" lat="2" lon="3"/></osm>', "this is an extract of OpenStreetMap"),
        (b'<?xml version="1.0"?><TrainingCenterDatabase xmlns="x">', "this is a TCX track; convert it to GPX"),
        (b'<wfs:FeatureCollection xmlns:wfs="x">', "this is GML; convert it to GeoJSON"),
        (b'<svg width="1"></svg>', "this is an SVG picture"),
        (b'<?xml version="1.0"?><trips><trip/></trips>', "this is XML; export the trips as CSV"),
        (lzma.compress(csv().encode()), "this is an xz archive; unpack it with: xz -d"),
        (zipped(("doc.kml", '<kml xmlns="x">')), "this is KML"),
        ("[" * 100_000 + "]" * 100_000, "this JSON is nested too deeply"),
        ('[{"lat": 1.5, "lon": 2.5, "a": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}]", "nested too deeply"),
    ],
)
def test_xml_and_other_texts_are_named_for_what_they_are(tmp_path, content, said):
    with pytest.raises(DataError, match=said):
        read(write(tmp_path, content), "lat", "lon")


def test_columns_between_angle_brackets_are_columns(tmp_path):
    rows = "".join(f"{lat},{lon}\n" for lat, lon in ROWS)
    assert read(write(tmp_path, "<lat>,<lon>\n" + rows), "<lat>", "<lon>") == ROWS


def test_records_nested_as_deeply_as_can_be_parsed_are_read(tmp_path):
    record = '[{"latitude": 48.5, "longitude": 2.5, "a": ' + '{"a":' * 300 + "1" + "}" * 300 + "}]"
    assert read(write(tmp_path, record), "latitude", "longitude") == [(48.5, 2.5)]


def test_an_encrypted_archive_is_named(tmp_path):
    content = bytearray(zipped(("trips.csv", csv())))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + offset] |= 1
    with pytest.raises(DataError, match=r"trips\.csv in the zip archive is encrypted"):
        read(write(tmp_path, bytes(content)))
