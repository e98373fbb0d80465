"""Find pairs of latitude and longitude columns by their names.

A name is split into words (`PickupLat`, `pickup_latitude`, `start lat`, `origin.lng` …). One word means latitude or
longitude, others may mean the end of the trip; the rest must be the same in both names of a pair. Names such as `y` and
`x` are less specific: whether those columns hold degrees must be checked by their values.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

TripEnd = Literal["pickup", "dropoff"]

_LATITUDES = frozenset({"lat", "lats", "latitude", "latitudes", "latitud", "latitudine", "breitengrad", "breite"})
_LONGITUDES = frozenset(
    {"lon", "lng", "long", "longitude", "longitudes", "longitud", "longitudine", "langengrad", "lange", "laengengrad"}
)
_ABBREVIATED = 4
"""Letters up to which the name of an axis is short, as `long` is."""
_YS = frozenset({"y", "ycoord", "coordy", "northing", "ycoordinate"})
_XS = frozenset({"x", "xcoord", "coordx", "easting", "xcoordinate"})
_PICKUPS = frozenset(
    {"pickup", "pick", "pu", "start", "started", "begin", "beginning", "origin", "orig", "origen", "from", "source"}
    | {"src", "departure", "depart", "inicio", "restaurant", "store", "merchant", "sender", "o"}
)
_DROPOFFS = frozenset(
    {"dropoff", "drop", "do", "end", "ended", "stop", "finish", "destination", "dest", "destino", "to", "arrival"}
    | {"arrive", "fin", "final", "delivery", "customer", "recipient", "d"}
)
_FILLERS = frozenset(
    {"up", "off", "location", "loc", "point", "position", "pos", "coord", "coordinate", "coordinates", "deg"}
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_AXIS = "latitude|longitude|latitud|longitud|lat|lng|lon|long"
_FUSED = re.compile(
    r"(?P<end>pickup|dropoff|start|end|origin|orig|destination|dest|from|to|begin|finish)?"
    rf"(?P<kind>station|location|centroid|point|stop|store|customer|cust|raw|gps|geo)?(?P<axis>{_AXIS})(?P<other_axis>{_AXIS})?"
)


@dataclass(frozen=True, slots=True)
class CoordinatePair:
    """Two columns that hold latitude and longitude.

    end: which end of the trip their names mean. divisor: converts their values to degrees: ten million for names such
    as `latitudeE7`.
    """

    latitude: str
    longitude: str
    end: TripEnd | None
    divisor: float = 1.0


@dataclass(frozen=True, slots=True)
class _Axes:
    """The words for the two coordinates."""

    latitudes: frozenset[str]
    longitudes: frozenset[str]


_DEGREES = _Axes(_LATITUDES, _LONGITUDES)
_PLANE = _Axes(_YS, _XS)


def find_pairs(columns: Sequence[str]) -> tuple[CoordinatePair, ...]:
    """Return every pair of columns whose names differ only in latitude and longitude, in the columns' order.

    A name that appears twice, or two columns that mean the same, make every pair of them a candidate. Other words for
    the same end (`pickup_lat`, `start_lon`), and other spellings of the axes (`lat`, `longitude`), are a pair only
    where neither has a better partner; columns of two ends never are.
    """
    return _pairs(columns, _DEGREES)


def candidates(columns: Sequence[str], points: TripEnd) -> tuple[CoordinatePair, ...]:
    """Return the pairs that may hold one end of the trips: those whose names say so, else those that name no end."""
    return _of_end(find_pairs(columns), points)


def plane_candidates(columns: Sequence[str], points: TripEnd) -> tuple[CoordinatePair, ...]:
    """Return the pairs named y and x that may hold one end of the trips, chosen as `candidates` are."""
    return _of_end(_pairs(columns, _PLANE), points)


def end_of(column: str) -> TripEnd | None:
    """Return the end of the trips that a name means; None if it means none, or both."""
    ends = {_end(word) for word in _words(column)} - {None}
    return ends.pop() if len(ends) == 1 else None


def divisor_of(column: str) -> float:
    """Return the divisor that converts a column to degrees: ten million for `latitudeE7`, a million for `lat_e6`."""
    match _words(column):
        case [*_, "e", "5" | "6" | "7" as exponent]:
            return float(10 ** int(exponent))
    return 1.0


def longitude_stands_first(column: str) -> bool | None:
    """Return whether the name of a column of both coordinates has longitude first, as `lnglat`; None if it is open."""
    words = [word for word in _words(column) if word in _LATITUDES | _LONGITUDES]
    return words[0] in _LONGITUDES if len(words) == 2 and words[0] != words[1] else None


def _of_end(pairs: tuple[CoordinatePair, ...], points: TripEnd) -> tuple[CoordinatePair, ...]:
    named = tuple(pair for pair in pairs if pair.end == points)
    return named or tuple(pair for pair in pairs if pair.end is None)


def _pairs(columns: Sequence[str], axes: _Axes) -> tuple[CoordinatePair, ...]:
    understood = [(column, meaning) for column in columns if (meaning := _meaning(column, axes)) is not None]
    matches = [
        (one, other)
        for one in understood
        for other in understood
        if one[1].axis == "latitude" and other[1].axis == "longitude" and one[1].sense == other[1].sense
    ]
    for alike in (_same_words_and_spelling, _same_words):
        best = [match for match in matches if alike(match[0][1], match[1][1])]
        taken = {column for match in best for column, _ in match}
        matches = [match for match in matches if match in best or not taken & {match[0][0], match[1][0]}]
    return tuple(CoordinatePair(one[0], other[0], one[1].end, divisor_of(one[0])) for one, other in matches)


def _same_words(one: _Meaning, other: _Meaning) -> bool:
    return one.words == other.words


def _same_words_and_spelling(one: _Meaning, other: _Meaning) -> bool:
    """Whether two names differ in nothing but `lat` and `lon`, or `latitude` and `longitude`."""
    return one.words == other.words and (len(one.word) > _ABBREVIATED) == (len(other.word) > _ABBREVIATED)


@dataclass(frozen=True, slots=True)
class _Meaning:
    """The meaning of a name.

    word: that of the axis. words: all others. rest: those that are neither an end of the trip nor mean nothing.
    """

    word: str
    axis: Literal["latitude", "longitude"]
    end: TripEnd | None
    words: tuple[str, ...]
    rest: tuple[str, ...]

    @property
    def sense(self) -> tuple[TripEnd | None, tuple[str, ...]]:
        """What both names of a pair must share."""
        return self.end, self.rest


def _meaning(column: str, known: _Axes) -> _Meaning | None:
    """Return the meaning of a name; None if it does not name exactly one axis and at most one end."""
    words = _words(column)
    axes = [word for word in words if word in known.latitudes | known.longitudes]
    if len(axes) != 1:
        return None
    others = tuple(word for word in words if word != axes[0])
    ends = {_end(word) for word in others} - {None}
    if len(ends) > 1:
        return None
    axis: Literal["latitude", "longitude"] = "latitude" if axes[0] in known.latitudes else "longitude"
    rest = tuple(word for word in others if _end(word) is None and word not in _FILLERS)
    return _Meaning(axes[0], axis, next(iter(ends), None), others, rest)


def _end(word: str) -> TripEnd | None:
    if word in _PICKUPS:
        return "pickup"
    return "dropoff" if word in _DROPOFFS else None


def _words(column: str) -> list[str]:
    """Return the words of a name in lower case, without accents; words that were written as one are separated."""
    plain = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode()
    words = [word.lower() for word in _WORD.findall(plain)]
    apart: list[str] = []
    for word in words:
        fused = _FUSED.fullmatch(word)
        apart.extend([part for part in fused.groups() if part] if fused else [word])
    return apart
