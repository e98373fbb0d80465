"""Check whether coordinates are plausible: not radians, not latitude and longitude exchanged, in the right system.

Clusters of wrong coordinates would not look wrong: distances are those of another place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from taxi_mlops.data.cities import City, city_at, city_near
from taxi_mlops.data.crs import LikelySystem, conversion_note, likely_systems, place_in, title
from taxi_mlops.data.preprocessor import CleanedCoordinates
from taxi_mlops.data.schemas import Coordinates, Place, PointColumn
from taxi_mlops.domain import FloatArray
from taxi_mlops.errors import DataError

_POINTS_FOR_MEDIANS = 100_000
_STRAY = 0.1
"""Share of values up to which they may be errors."""
_FAR_MORE = 10.0
"""Coordinates are doubtful if the city of the exchanged ones has so many times as many inhabitants."""


def check_plausibility(
    cleaned: CleanedCoordinates, place: Place, where: str, *, named_by_user: bool, box_given: bool
) -> CleanedCoordinates:
    """Return the coordinates with a note on what is doubtful.

    named_by_user: the user named the columns of this file, so that an exchange is noted and not an error.
    box_given: the user gave a box in degrees that the points lie in, so that they are not radians.

    Raises DataError naming the file (`where`) and what to do, if the points are radians, or are far from every city
    but, exchanged, near one.
    """
    if not cleaned.latitude.size:
        return cleaned
    if isinstance(place, Coordinates | PointColumn) and place.crs:
        return replace(cleaned, notes=(*cleaned.notes, *_notes_on_conversion(cleaned, place, place.crs)))
    if not box_given:
        _refuse_radians(cleaned.latitude, cleaned.longitude, where)
    middle = Middle.of(cleaned.latitude, cleaned.longitude)
    if not middle.looks_exchanged:
        return cleaned
    if isinstance(place, Coordinates) and not named_by_user and middle.city is None:
        keep = f"if they are right, say so with {place.flags}"
        raise DataError(f"{where}: {middle}. Exchange them with {place.exchanged.flags}; {keep}")
    note = str(middle)
    if isinstance(place, Coordinates):
        note += f": if they are, exchange them with {place.exchanged.flags}"
    return replace(cleaned, notes=(*cleaned.notes, note[0].upper() + note[1:]))


def _notes_on_conversion(cleaned: CleanedCoordinates, place: Place, crs: str) -> Iterator[str]:
    """Yield a note that the points were converted and, if they are far from every city, the more likely systems."""
    middle = Middle.of(cleaned.latitude, cleaned.longitude)
    yield conversion_note(crs, middle.latitude, middle.longitude)
    if middle.city is None:
        likely = likely_systems(*place_in(crs, middle.latitude, middle.longitude), place.columns)
        others = f" Likelier is {_flags(likely, place)}" if likely else ""
        yield f"In {title(crs)} the points are more than 100 km from every city; is it the right system?{others}"


def longitude_is_first(first: FloatArray, second: FloatArray) -> bool | None:
    """Return whether the first of two coordinates is the longitude, by some values; None if either may be.

    first, second: float64 of shape (n,), NaN if missing. A value beyond 90 is not a latitude; if there is none, the
    order decides that puts the points near a city, if the other one is far from all of them.
    """
    beyond = [bool((np.abs(values) > 90).mean() > _STRAY) for values in (first, second)]
    if beyond[0] != beyond[1]:
        return beyond[0]
    middle = Middle.of(first, second)
    if middle.looks_exchanged:
        return True
    return False if Middle(middle.longitude, middle.latitude).looks_exchanged else None


def advice_on_range(latitude: FloatArray, longitude: FloatArray, place: Place) -> str:
    """Return what to do about columns of which many values are not degrees; empty if that is not known.

    latitude, longitude: some of the values, float64 of shape (n,), NaN if missing.
    """
    middle = Middle.of(latitude, longitude)
    if abs(middle.latitude) > 360 or abs(middle.longitude) > 360:
        return _advice_on_system(middle.longitude, middle.latitude, place)
    if not (abs(middle.latitude) > 90 and abs(middle.longitude) <= 90):
        return ""
    if not isinstance(place, Coordinates):
        return "latitude and longitude look exchanged; correct the file"
    city = f" (around {middle.exchanged})" if middle.exchanged else ""
    return f"latitude and longitude look exchanged: try {place.exchanged.flags}{city}"


def _advice_on_system(x: float, y: float, place: Place) -> str:
    """Return the likely systems of projected coordinates with these medians, and how to name them."""
    likely = likely_systems(x, y, place.columns)
    scaled = _as_scaled_degrees(x, y)
    if scaled and not (likely and likely[0].score > scaled[1]):
        return f"they look like degrees times {scaled[0]}; divide them"
    if not likely:
        return (
            "if they are projected coordinates, say of which system with --crs EPSG:CODE (https://epsg.io lists them); "
            "else correct the file, or name other columns with --lat and --lon"
        )
    return f"they look like projected coordinates: convert them with {_flags(likely, place)}"


def _as_scaled_degrees(x: float, y: float) -> tuple[str, float] | None:
    """Return the power of ten by which degrees of a city may be multiplied, with the city and a score."""
    found = [
        (f"{10**exponent:,} (around {near[0]})", near[1])
        for exponent in range(2, 8)
        if (near := city_at(y / 10**exponent, x / 10**exponent))
    ]
    return max(found, key=lambda each: each[1], default=None)


def _flags(likely: list[LikelySystem], place: Place) -> str:
    """Return the options of the command line for some systems."""

    def of(one: LikelySystem) -> str:
        flags = f"--crs {one.code} ({one.place})"
        if one.exchanged and isinstance(place, Coordinates):
            return f"{flags} and {place.exchanged.flags}"
        return f"{flags}, x and y exchanged" if one.exchanged else flags

    return " or ".join(map(of, likely))


def _refuse_radians(latitude: FloatArray, longitude: FloatArray, where: str) -> None:
    """Raise DataError for radians. As degrees, such points are all in the open sea of the Gulf of Guinea."""
    pi = np.pi
    if not (_within(latitude, -pi / 2, pi / 2) and (_within(longitude, -pi, pi) or _within(longitude, 0.0, 2 * pi))):
        return
    city = Middle.of(np.degrees(latitude), np.degrees(longitude)).city
    raise DataError(
        f"{where}: no latitude is beyond ±{pi / 2:.3f} and no longitude beyond {'±' if longitude.min() < 0 else ''}"
        f"{pi if longitude.max() <= pi else 2 * pi:.3f}, as in radians{f' (around {city})' if city else ''}; convert "
        "them to degrees, for example with numpy.degrees. If they are degrees, in the sea around (0, 0), say so with "
        "a box: --bbox=-2,-7,2,7"
    )


def _within(values: FloatArray, least: float, largest: float) -> bool:
    return bool(least <= values.min() and values.max() <= largest)


@dataclass(frozen=True, slots=True)
class Middle:
    """Medians of latitude and longitude in degrees, and the cities near them."""

    latitude: float
    longitude: float

    @classmethod
    def of(cls, latitude: FloatArray, longitude: FloatArray) -> Middle:
        """Return the medians of n points, of every k-th if there are very many; NaN if there are none."""
        step = 1 + latitude.size // _POINTS_FOR_MEDIANS
        some = np.column_stack((latitude[::step], longitude[::step]))
        some = some[~np.isnan(some).any(axis=1)]
        return cls(*map(float, np.median(some, axis=0))) if some.size else cls(np.nan, np.nan)

    @property
    def city(self) -> City | None:
        """The city near the points."""
        return city_near(self.latitude, self.longitude)

    @property
    def exchanged(self) -> City | None:
        """The city near the points with latitude and longitude exchanged."""
        return city_near(self.longitude, self.latitude)

    @property
    def looks_exchanged(self) -> bool:
        """Whether the points are much more plausible with latitude and longitude exchanged."""
        here, there = self.city, self.exchanged
        return there is not None and (here is None or there.population >= _FAR_MORE * here.population)

    def __str__(self) -> str:
        here = f"around {self.city}" if self.city else "more than 100 km from every city"
        return (
            f"latitude and longitude look exchanged: the medians are {self.latitude:.4f} and {self.longitude:.4f}, "
            f"{here}; the other way round the points lie around {self.exchanged}"
        )
