"""Convert coordinates of other systems to WGS 84 degrees, and find the likely system of given values.

Systems are named by authority and code, as `EPSG:32719`; None stands for degrees of WGS 84. x is the easting or
longitude and y the northing or latitude, whichever stands first in the system's definition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from taxi_mlops.data.cities import City, city_at
from taxi_mlops.data.validator import shortened
from taxi_mlops.domain import FloatArray
from taxi_mlops.errors import DataError

if TYPE_CHECKING:
    import pyproj

WGS84 = "EPSG:4326"
_DEGREES_OF_WGS84 = {WGS84, "OGC:CRS84", "EPSG:4979"}
_CODE = re.compile(
    r"(?:urn:ogc:def:crs:|https?://www\.opengis\.net/def/crs/)?"
    r"(?:(?P<authority>[A-Za-z]+)[:/](?:[\d.]*[:/])?)?(?P<code>[A-Za-z]*\d+)"
)
"""Also URNs and addresses of the Open Geospatial Consortium."""

_NATIONAL = (
    *(3857, 3035, 5070, 3979),  # Web Mercator, Europe, United States, Canada
    *(27700, 2157, 29902),  # Great Britain, Ireland
    *(2154, 27572, 28992, 31370, 3812, 2169),  # France, Netherlands, Belgium, Luxembourg
    *(31466, 31467, 31468, 31469, 3068, 2056, 21781, 31287),  # Germany, Switzerland, Austria
    *(2180, 2178, 5514, 23700, 3844, 7801),  # Poland, Czechia and Slovakia, Hungary, Romania, Bulgaria
    *(2100, 3765, 3794, 3003, 3004, 3763),  # Greece, Croatia, Slovenia, Italy, Portugal
    *(3057, 3006, 3011, 3879, 3301, 3059, 3346),  # Iceland, Sweden, Finland, Estonia, Latvia, Lithuania
    *(2039, 2932, 3414, 2326, 3826, 5179, 5186),  # Israel, Qatar, Singapore, Hong Kong, Taiwan, Korea
    *(6674, 6675, 6677, 2193, 3111, 3308),  # Japan, New Zealand, Australia
    *(3116, 9377, 6372, 22185, 2950),  # Colombia, Mexico, Argentina, Montreal
    *(2263, 32118, 2249, 26986, 2272, 2248, 26985, 2283, 2240, 2236, 2253, 3435, 26971, 3734, 3735),  # eastern states
    *(2276, 2277, 2278, 2232, 2227, 2229, 2230, 2269, 2285),  # western states
)
"""EPSG codes of Web Mercator, of national grids, and of the states' systems of large cities of the United States."""
_RARER = (4546, 4547, 4548, 4549, 3375, 3424, 2223)
_UTM_EASTINGS = (160_000.0, 840_000.0)
_UTM_NORTHING = 10_000_000.0
_LIKELIER_NATIONAL = 3.0
"""A city within the system's own country is more evidence than one in any of 120 zones that cover the earth."""
_LIKELIER_NAMED = 100.0
_LESS_LIKELY_EXCHANGED = 0.3
_WORTH_NAMING = 0.02
"""Of the likeliest system's score."""
_NAMED = 3


def normalized(text: str) -> str:
    """Return `EPSG:32719` for it, for `epsg:32719`, `32719`, and the forms of OGC. Raises ValueError for other text."""
    match = _CODE.fullmatch(text.strip())
    if match is None:
        raise ValueError("should be an authority and a code, such as EPSG:32719")
    return f"{(match['authority'] or 'EPSG').upper()}:{match['code'].upper()}"


def identified(definition: object) -> str | None:
    """Return the code of the system that a file describes, as a code, WKT or PROJJSON; None for degrees of WGS 84.

    Raises DataError if it is none that has a code.
    """
    import pyproj

    if isinstance(definition, dict):
        named = definition.get("id")
        if isinstance(named, dict) and {"authority", "code"} <= named.keys():
            return system(f"{named['authority']}:{named['code']}")
    if isinstance(definition, str):
        with suppress(ValueError):
            return system(normalized(definition))
    try:
        authority = pyproj.CRS.from_user_input(definition).to_authority()
    except pyproj.exceptions.CRSError:
        authority = None
    if authority is None:
        name = definition.get("name") if isinstance(definition, dict) else definition
        raise DataError(
            f"its points are in a system of coordinates without a code ({shortened(name, 60)}); "
            "convert them to degrees (EPSG:4326) first, or say the system with --crs"
        )
    return system(":".join(authority))


def system(code: str) -> str | None:
    """Return the code of a system of coordinates, None for degrees of WGS 84.

    Raises DataError if there is no such system, or it is not one of places on the ground.
    """
    if code in _DEGREES_OF_WGS84:
        return None
    known = _system(code)
    if not (known.is_projected or known.is_geographic):
        raise DataError(f"{code} ({known.name}) is not a system of geographic or projected coordinates")
    return code


def title(code: str) -> str:
    """Return code and name of a system: `EPSG:32719 (WGS 84 / UTM zone 19S)`."""
    return f"{code} ({_system(code).name})"


def is_projected(code: str | None) -> bool:
    """Return whether the coordinates of a system are lengths and not angles."""
    return code is not None and bool(_system(code).is_projected)


def to_degrees(x: FloatArray, y: FloatArray, code: str) -> tuple[FloatArray, FloatArray]:
    """Return latitude and longitude of WGS 84 in degrees: n coordinates of shape (n,), infinite where there is none.

    (0, 0), which devices write when they have no fix, stays (0, 0); NaN stays NaN. Conversions are those of PROJ
    (https://proj.org) for the two systems, without grids of corrections that have to be downloaded.
    """
    longitude, latitude = _transformer(code).transform(x, y)
    no_fix = (x == 0) & (y == 0)
    unknown = np.isnan(x) | np.isnan(y)
    latitude, longitude = (np.where(unknown, np.nan, np.where(no_fix, 0.0, value)) for value in (latitude, longitude))
    return latitude, longitude


def place_in(code: str, latitude: float, longitude: float) -> tuple[float, float]:
    """Return x and y of a place in degrees of WGS 84."""
    x, y = _transformer(code).transform(longitude, latitude, direction="INVERSE")
    return float(x), float(y)


def conversion_note(code: str, latitude: float, longitude: float) -> str:
    """Return a sentence about the conversion of coordinates around a place in degrees, with its accuracy if known."""
    import pyproj

    place_in(code, latitude, longitude)
    transformer = _transformer(code)
    try:
        accuracy = transformer.get_last_used_operation().accuracy
    except pyproj.exceptions.ProjError:  # there is only one
        accuracy = transformer.accuracy
    about = f", accurate to about {accuracy:g} m" if accuracy > 0 else ""
    return f"Converted from {title(code)} to degrees of WGS 84{about}"


@dataclass(frozen=True, slots=True)
class LikelySystem:
    """A system in which some coordinates lie around a city.

    exchanged: only if what was taken for x is y. score: how likely it is, compared with others.
    """

    code: str
    city: City
    exchanged: bool
    score: float

    @property
    def place(self) -> str:
        """The name of the system, and the city: `WGS 84 / UTM zone 19S, around Santiago (CL)`."""
        return f"{_system(self.code).name}, around {self.city}"


def likely_systems(x: float, y: float, names: Iterable[str] = ()) -> list[LikelySystem]:
    """Return the systems in which a point lies near a city, at most three, the likeliest first.

    x, y: medians of some coordinates. names: of their columns, in which the code or the zone may stand.

    The zones of UTM and the most used national systems are tried, both ways round. One is the likelier, the more
    people live in a city near the point.
    """
    said = {number.lstrip("0") for name in names for number in re.findall(r"\d+", name)}
    found: list[LikelySystem] = []
    for exchanged in (False, True):
        east, north = (y, x) if exchanged else (x, y)
        for code, latitude, longitude in (*_in_utm_zones(east, north), *_in_grids(east, north)):
            near = city_at(latitude, longitude)
            if near is None:
                continue
            city, score = near
            score *= _LIKELIER_NATIONAL if code in _NATIONAL else 1.0
            score *= _LIKELIER_NAMED if said & {str(code), *_zone(code)} else 1.0
            score *= _LESS_LIKELY_EXCHANGED if exchanged else 1.0
            found.append(LikelySystem(f"EPSG:{code}", city, exchanged, score))
    found.sort(key=lambda each: each.score, reverse=True)
    return [each for each in found[:_NAMED] if each.score >= _WORTH_NAMING * found[0].score]


def _in_utm_zones(x: float, y: float) -> Iterator[tuple[int, float, float]]:
    """EPSG code, latitude and longitude for each zone of UTM on both hemispheres in which there is such a point."""
    if not (_UTM_EASTINGS[0] <= x <= _UTM_EASTINGS[1] and 0 <= y <= _UTM_NORTHING):
        return
    for north, base in ((True, 32600), (False, 32700)):
        longitude, latitude = _projection(base + 31)(x, y, inverse=True)
        if np.isfinite(latitude) and (latitude >= 0) == north and abs(latitude) <= 84:
            for zone in range(1, 61):
                yield base + zone, latitude, (longitude - 3 + 6 * zone - 183 + 180) % 360 - 180


def _zone(code: int) -> tuple[str, ...]:
    """Return the number of a zone of UTM, for names of columns."""
    return (str(code % 100),) if code // 100 in {326, 327} else ()


def _in_grids(x: float, y: float) -> Iterator[tuple[int, float, float]]:
    for code in (*_NATIONAL, *_RARER):
        longitude, latitude = _projection(code)(x, y, inverse=True)
        area = _system(f"EPSG:{code}").area_of_use
        if area and area.south <= latitude <= area.north and area.west <= longitude <= area.east:
            yield code, latitude, longitude


@cache
def _projection(code: int) -> pyproj.Proj:
    """Return the projection alone, without the shift of the datum by some 100 m, which takes much longer to find."""
    import pyproj

    return pyproj.Proj(f"EPSG:{code}")


@cache
def _transformer(code: str) -> pyproj.Transformer:
    import pyproj

    return pyproj.Transformer.from_crs(_system(code), WGS84, always_xy=True)


@cache
def _system(code: str) -> pyproj.CRS:
    import pyproj

    try:
        return pyproj.CRS.from_user_input(code)
    except pyproj.exceptions.CRSError as error:
        raise DataError(f"{code}: no such system of coordinates; https://epsg.io lists those of EPSG") from error
