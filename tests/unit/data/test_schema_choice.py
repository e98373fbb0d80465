"""Which columns are taken where names alone do not say it, and what the refusals suggest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from taxi_mlops.data.loader import DataLoader
from taxi_mlops.errors import DataError

PARIS, NEW_YORK, ROME = (48.86, 2.32), (40.75, -73.98), (41.89, 12.49)


def write(folder: Path, header: str, row: str, place: tuple[float, float] = NEW_YORK, name: str = "trips.csv") -> Path:
    """Thirty rows; in `row` stand {lat} and {lon}, and {lat2} and {lon2}, a kilometre or so away."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(30):
        lat, lon = (middle + rng.uniform(-0.01, 0.01) for middle in place)
        values = {"lat": lat, "lon": lon, "lat2": lat + 0.01, "lon2": lon + 0.01}
        rows.append(row.format(**{name: f"{value:.6f}" for name, value in values.items()}))
    path = folder / name
    path.write_text("\n".join([*([header] if header else []), *rows, ""]))
    return path


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as raised:
        list(DataLoader([path], **options).coordinates())
    return str(raised.value).removeprefix(f"{path}: ")


def first(path: Path, **options: object) -> tuple[float, float]:
    latitude, longitude = next(DataLoader([path], **options).coordinates())
    return round(float(np.median(latitude)), 1), round(float(np.median(longitude)), 1)


BOTH_ENDS = ("pickup_lat,pickup_lon,dropoff_lat,dropoff_lon", "{lat},{lon},{lat2},{lon2}")


@pytest.mark.parametrize(
    ("latitude", "longitude", "ends"),
    [
        ("pickup_lat", "dropoff_lon", "pickup_lat is of the pickups and dropoff_lon of the dropoffs"),
        ("dropoff_lat", "pickup_lon", "dropoff_lat is of the dropoffs and pickup_lon of the pickups"),
        ("1", "4", "pickup_lat is of the pickups and dropoff_lon of the dropoffs"),
    ],
)
def test_columns_of_two_ends_are_refused_with_both_pairs(tmp_path, latitude, longitude, ends):
    path = write(tmp_path, *BOTH_ENDS)
    assert refusal(path, latitude_column=latitude, longitude_column=longitude) == (
        f"{ends}; name two columns of one end: --lat pickup_lat --lon pickup_lon or --lat dropoff_lat --lon dropoff_lon"
    )


def test_columns_of_two_ends_are_never_suggested(tmp_path):
    said = refusal(write(tmp_path, "pickup_lat,dropoff_lon", "{lat},{lon}"))
    assert said.endswith("say which ones hold degrees with --lat COLUMN --lon COLUMN")


def test_two_pairs_of_one_end_are_refused_with_both(tmp_path):
    path = write(tmp_path, "lat,lon,latitude,longitude", "{lat},{lon},{lat2},{lon2}")
    assert refusal(path) == (
        "several pairs of columns may hold the pickup points; choose with "
        "--lat lat --lon lon or --lat latitude --lon longitude"
    )


@pytest.mark.parametrize(
    ("header", "row", "columns"),
    [
        ("end_lat,end_lng", "{lat},{lon}", "end_lat and end_lng"),
        ("end_x,end_y", "{lon},{lat}", "end_y and end_x"),
        ("dropoff_location", "POINT({lon} {lat})", "dropoff_location"),
        ("id;drop off", "7;{lat}, {lon}", '"drop off"'),
    ],
)
@pytest.mark.parametrize("points", ["pickup", "dropoff"])
def test_points_of_the_other_end_alone_are_said(tmp_path, header, row, columns, points):
    other = "dropoff" if points == "pickup" else "pickup"
    if points == "dropoff":
        for one, two in (("end", "start"), ("dropoff", "pickup"), ("drop off", "pick up")):
            header, columns = header.replace(one, two), columns.replace(one, two)
    path = write(tmp_path, header, row)
    assert refusal(path, points=points) == (
        f"there are no {points} points, but {other} points in {columns}: take them with --points {other}"
    )
    assert first(path, points=other) == (40.8, -74.0)


@pytest.mark.parametrize(
    ("row", "place", "flags"),
    [
        ("7,{lon},{lat}", PARIS, "--lat 3 --lon 2 (around Paris (FR))"),
        ("{lat},{lon},2008-02-02 15:00:00", PARIS, "--lat 1 --lon 2 (around Paris (FR))"),
        (
            "{lon},{lat},1,{lon2},{lat2}",
            NEW_YORK,
            "--lat 2 --lon 1 (around New York City (US)) or --lat 5 --lon 4 (around New York City (US))",
        ),
        ("{lat},{lon}", (5.32, 5.31), "--lat 1 --lon 2 or --lat 2 --lon 1"),
        ("7,POINT({lon} {lat})", PARIS, "--lat 2"),
        ("7;{lon};{lat}", PARIS, "--lat 3 --lon 2 (around Paris (FR))"),
        ("{lat} {lon} 0 1213084687", (37.75, -122.39), "--lat 1 --lon 2 (around San Francisco (US))"),
        ("1,2", PARIS, "--lat N --lon M"),
    ],
)
def test_without_a_header_the_order_is_read_off_the_values(tmp_path, row, place, flags):
    said = refusal(write(tmp_path, "", row, place))
    assert said == f"the first line holds data, not names; name the columns by their numbers: {flags}"


def test_without_a_header_missing_cells_say_nothing(tmp_path):
    path = write(tmp_path, "", "7,{lon},{lat}", PARIS)
    path.write_text(path.read_text() + "8,,\n9,NA,-\n")
    assert refusal(path).endswith("--lat 3 --lon 2 (around Paris (FR))")
    assert first(path, latitude_column="3", longitude_column="2") != (2.3, 48.9)


@pytest.mark.parametrize("form", ["POINT({lat} {lon})", '{{""coordinates"":[{lat},{lon}]}}'])
def test_points_with_latitude_first_are_refused_and_read_by_lat(tmp_path, form):
    """As in the taxis of Rome (CRAWDAD), whose WKT has latitude first."""
    path = write(tmp_path, "id,where", f'7,"{form}"', ROME)
    said = refusal(path)
    assert "look exchanged: the medians are 12.48" in said
    assert "around Rome (IT); say --lat where if latitude stands first, --lon where if longitude does" in said
    assert first(path, latitude_column="where") == (41.9, 12.5)
    assert DataLoader([path], latitude_column="where").schema.title.endswith(": latitude, longitude")
    assert first(path, longitude_column="where") == (12.5, 41.9)
    right = write(tmp_path, "id,where", '7,"POINT({lon} {lat})"', ROME)
    assert first(right) == first(right, latitude_column="where") == (41.9, 12.5)


def test_numbers_between_blanks_are_columns(tmp_path):
    """As in the taxis of San Francisco (cabspotting)."""
    path = write(tmp_path, "", "{lat} {lon} 0 1213084687", (37.75, -122.39), "new_abboip.txt")
    assert first(path, latitude_column="1", longitude_column="2") == (37.8, -122.4)
    named = write(tmp_path, "lat lon occupancy time", "{lat} {lon} 0 1213084687", (37.75, -122.39))
    assert first(named) == (37.8, -122.4)
    pairs = write(tmp_path, "where", "{lat} {lon}", PARIS)
    assert first(pairs) == (48.9, 2.3)
    words = write(tmp_path, "where", "POINT({lon} {lat})", PARIS)
    assert first(words) == (48.9, 2.3)


@pytest.mark.parametrize(
    ("header", "row", "place"),
    [
        # Geolife (Microsoft Research): six lines, then rows without names
        ("Geolife trajectory\nWGS 84\nAltitude is in Feet\nReserved 3\n0,2,255,My Track,0,0,2,8421376\n0",
         "{lat},{lon},0,492,39744.12,2008-10-23,02:53:04", (39.98, 116.32)),
        # T-Drive (Microsoft Research)
        ("", "1,2008-02-02 15:36:08,{lon},{lat}", (39.92, 116.51)),
    ],
)  # fmt: skip
def test_public_files_without_names_are_answered_with_the_numbers(tmp_path, header, row, place):
    said = refusal(write(tmp_path, header, row, place))
    assert said.startswith("the first line holds data, not names; name the columns by their numbers: --lat ")
    assert said.endswith("(around Beijing (CN))")


@pytest.mark.parametrize(
    ("header", "row", "place"),
    [
        # Vélib' stations (opendata.paris.fr): pairs among semicolons
        ("Identifiant station;Nom station;Coordonnées géographiques", "16107;Benjamin Godard;{lat},{lon}", PARIS),
        # kiosks of Austin MetroBike (data.austintexas.gov qd73-bsdg)
        ("Kiosk ID,Kiosk Name,Location", '7,x,"({lat}, {lon})"', (30.27, -97.74)),
        # bike stations of Helsinki (hri.fi): x is the longitude
        ("FID,ID,Nimi,Kapasiteet,x,y", "1,501,Hanasaari,10,{lon},{lat}", (60.17, 24.94)),
        # bikes of Mobike in Shanghai, August of 2016
        ("orderid,bikeid,start_time,start_location_x,start_location_y,end_location_x,end_location_y",
         "1,2,2016-08-01,{lon},{lat},{lon2},{lat2}", (31.23, 121.47)),
        # Socrata exports of points
        ("Trip ID,Pickup Centroid Location,Dropoff Centroid  Location", "1,POINT ({lon} {lat}),POINT ({lon2} {lat2})",
         (41.88, -87.63)),
    ],
)  # fmt: skip
def test_public_files_whose_values_show_the_points(tmp_path, header, row, place):
    assert first(write(tmp_path, header, row, place)) == (round(place[0], 1), round(place[1], 1))
