"""The features of one entity at a time, and whether they are too old."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from taxi_mlops.features.definitions import Entity, Feature

Value = int | float | None


@dataclass(frozen=True, slots=True)
class FeatureValues:
    """The features of an entity.

    model, version: of the hotspots. key: id of the hotspot, or number of the trip. at: the time that they are of, on
    the trips' clocks. stale: whether that is too long ago. features: None is unknown.
    """

    model: str
    version: str
    entity: Entity
    key: int
    at: datetime
    stale: bool
    features: Mapping[str, Value]


def shortest_freshness(features: Sequence[Feature]) -> timedelta | None:
    """Return the age from which one of the features is too old; None if none ages."""
    return min((one.freshness for one in features if one.freshness is not None), default=None)


def is_stale(features: Sequence[Feature], age: timedelta) -> bool:
    """Return whether one of the features is too old."""
    shortest = shortest_freshness(features)
    return shortest is not None and age > shortest
