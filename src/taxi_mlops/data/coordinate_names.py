"""Pairs of latitude and longitude columns, found by their names.

A name is split into words (`PickupLat`, `pickup_latitude`, `start lat`, `origin.lng` …). One word says latitude or
longitude, others may say the end of the trip; what is left must be the same in both names of a pair.
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
_FUSED = re.compile(
    r"(?P<end>pickup|dropoff|start|end|origin|orig|destination|dest|from|to|begin|finish)?"
    r"(?P<kind>station|location|centroid|point)?(?P<axis>latitude|longitude|latitud|longitud|lat|lng|lon|long)"
)


@dataclass(frozen=True, slots=True)
class CoordinatePair:
    """Two columns that hold latitude and longitude; `end` where their names say which end of the trip."""

    latitude: str
    longitude: str
    end: TripEnd | None


def find_pairs(columns: Sequence[str]) -> tuple[CoordinatePair, ...]:
    """Every pair of columns whose names differ in nothing but latitude and longitude, in the columns' order.

    A name that appears twice, or two columns that mean the same, make every pair of them a candidate.
    """
    understood = [(column, meaning) for column in columns if (meaning := _meaning(column)) is not None]
    return tuple(
        CoordinatePair(latitude, longitude, meaning.end)
        for latitude, meaning in understood
        for longitude, other in understood
        if meaning.axis == "latitude"
        and other.axis == "longitude"
        and (meaning.end, meaning.rest) == (other.end, other.rest)
    )


def candidates(columns: Sequence[str], points: TripEnd) -> tuple[CoordinatePair, ...]:
    """The pairs that may hold one end of the trips: those whose names say so, else those that name no end."""
    pairs = find_pairs(columns)
    named = tuple(pair for pair in pairs if pair.end == points)
    return named or tuple(pair for pair in pairs if pair.end is None)


@dataclass(frozen=True, slots=True)
class _Meaning:
    axis: Literal["latitude", "longitude"]
    end: TripEnd | None
    rest: tuple[str, ...]


def _meaning(column: str) -> _Meaning | None:
    """What a name says; None where it does not name exactly one axis and at most one end."""
    words = _words(column)
    axes = [word for word in words if word in _LATITUDES | _LONGITUDES]
    if len(axes) != 1:
        return None
    rest = [word for word in words if word != axes[0]]
    ends = {_end(word) for word in rest} - {None}
    if len(ends) > 1:
        return None
    axis: Literal["latitude", "longitude"] = "latitude" if axes[0] in _LATITUDES else "longitude"
    kept = tuple(word for word in rest if _end(word) is None and word not in _FILLERS)
    return _Meaning(axis, next(iter(ends), None), kept)


def _end(word: str) -> TripEnd | None:
    if word in _PICKUPS:
        return "pickup"
    return "dropoff" if word in _DROPOFFS else None


def _words(column: str) -> list[str]:
    """The words of a name in lower case, without accents; words that were written as one are taken apart."""
    plain = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode()
    words = [word.lower() for word in _WORD.findall(plain)]
    apart: list[str] = []
    for word in words:
        fused = _FUSED.fullmatch(word)
        apart.extend([part for part in fused.groups() if part] if fused else [word])
    return apart
