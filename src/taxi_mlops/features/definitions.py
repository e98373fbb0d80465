"""The definitions of all features: the one place that says what each is, in which unit, and of what.

A feature's version grows whenever its values change for the same trips. Stored values keep the versions that they were
computed by, and are refused by a program with others.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from taxi_mlops.errors import UsageError

Entity = Literal["hotspot", "trip"]
Kind = Literal["integer", "number"]

LONG_WINDOWS = (4, 24)
"""Hours before a row's time of which mean and spread are taken."""
WEEKS = 4
"""Past weeks of which the same hour is taken."""
WEEK_HOURS = 168
_HOURLY = timedelta(hours=2)
"""Rows are made for every hour: a value that is older shows that a build was missed."""


@dataclass(frozen=True, slots=True)
class Feature:
    """What one feature is. freshness: the age from which a value is too old; None if it does not age."""

    name: str
    version: int
    kind: Kind
    unit: str
    entity: Entity
    freshness: timedelta | None
    description: str


def _of_hotspot(name: str, kind: Kind, unit: str, description: str) -> Feature:
    return Feature(name, 1, kind, unit, "hotspot", _HOURLY, description)


def _of_trip(name: str, kind: Kind, unit: str, description: str) -> Feature:
    return Feature(name, 1, kind, unit, "trip", None, description)


def _of_end(end: str, verb: str) -> tuple[Feature, ...]:
    """Return the features of the trips that begin, or end, at a hotspot."""
    unit = "trips per hour"
    return (
        _of_hotspot(f"{end}_1h", "integer", "trips", f"Trips that {verb} here in the last hour."),
        *(
            feature
            for hours in LONG_WINDOWS
            for feature in (
                _of_hotspot(f"{end}_mean_{hours}h", "number", unit, f"Mean of the last {hours} hours."),
                _of_hotspot(f"{end}_spread_{hours}h", "number", unit, f"Standard deviation of the last {hours} hours."),
            )
        ),
        _of_hotspot(
            f"{end}_week_ago", "integer", "trips", f"Trips that {verb} in the hour from this time on, a week ago."
        ),
        _of_hotspot(f"{end}_mean_weeks", "number", unit, f"Mean of this hour in the past {WEEKS} weeks."),
        _of_hotspot(
            f"{end}_spread_weeks", "number", unit, f"Standard deviation of this hour in the past {WEEKS} weeks."
        ),
    )


FEATURES: tuple[Feature, ...] = (
    *_of_end("pickups", "began"),
    *_of_end("dropoffs", "ended"),
    *(
        _of_hotspot(
            f"balance_{hours}h", "integer", "trips", f"Trips that ended less those that began, in the last {hours} h."
        )
        for hours in (1, *LONG_WINDOWS)
    ),
    _of_hotspot("trip_length_mean_24h", "number", "metres", "Mean length of trips that began in the last 24 hours."),
    _of_hotspot("trip_length_spread_24h", "number", "metres", "Standard deviation of these lengths."),
    _of_hotspot(
        "busier_hotspot_distance",
        "number",
        "metres",
        "To the centre of the nearest hotspot with more pickups in the last 24 hours.",
    ),
    _of_trip("origin", "integer", "hotspot", "Hotspot that the trip began in."),
    _of_trip("destination", "integer", "hotspot", "Hotspot that the trip ended in."),
    _of_trip("hour_of_week", "integer", "hour", "Hour of the week that the trip began in, from Monday 0:00."),
)
"""All features, in the order of tables and lists."""


def of_entity(entity: Entity) -> tuple[Feature, ...]:
    """Return the features of an entity."""
    return tuple(feature for feature in FEATURES if feature.entity == entity)


def chosen(names: Sequence[str] | None, entity: Entity) -> tuple[Feature, ...]:
    """Return the features of these names, or all of the entity. Raises UsageError for a name that is not among them."""
    known = {feature.name: feature for feature in of_entity(entity)}
    if names is None:
        return tuple(known.values())
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            advice = f"did you mean {near[0]!r}?" if near else "see: taxi features list"
            raise UsageError(f"a {entity} has no feature {name!r}; {advice}")
    return tuple(known[name] for name in names)


def versions() -> dict[str, int]:
    """Return the version of each feature."""
    return {feature.name: feature.version for feature in FEATURES}
