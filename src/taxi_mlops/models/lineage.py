"""Give hotspots ids that stay the same from version to version, and list splits, mergers, births and deaths.

Two hotspots are alike if they share core points and area: the mean of two Dice coefficients, of the places that lie in
the other's hotspot, and of the outlines' areas. They are linked if at least half of the places of one lie in the other.
Along links, from the most alike on, each hotspot gives its id to one of the next version.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from taxi_mlops.domain import NOISE
from taxi_mlops.models.hotspot_model import HotspotModel, IdArray
from taxi_mlops.results.model_card import Changes, Merger, Split

if TYPE_CHECKING:
    from shapely import Geometry

LINKED = 0.5


@dataclass(frozen=True, slots=True)
class Lineage:
    """ids: of the rows of the new version, int64 (k,). changes: against the version before."""

    ids: IdArray
    changes: Changes


@dataclass(frozen=True, slots=True)
class _Link:
    old: int
    new: int
    similarity: float


def trace(old: HotspotModel, new: HotspotModel, version: str, next_id: int) -> Lineage:
    """Match the hotspots of a new version to those before, and give them ids.

    version: of the old one. next_id: the least id that no version has used.
    """
    links = _links(old, new)
    partner = _partners(links)
    fresh = iter(range(next_id, next_id + len(new)))
    ids = [old.ids[partner[row]] if row in partner else next(fresh) for row in range(len(new))]
    numbered = np.array(ids, dtype=np.int64)
    return Lineage(numbered, _changes(old, numbered, links, len(partner), version))


def compare(old: HotspotModel, new: HotspotModel, version: str) -> Changes:
    """Return how the hotspots of two versions with ids correspond. version: of the old one."""
    links = _links(old, new)
    return _changes(old, new.ids, links, len(_partners(links)), version)


def _partners(links: Sequence[_Link]) -> dict[int, int]:
    """Return the old hotspot that each new one continues, along links from the most alike on."""
    partner: dict[int, int] = {}
    given: set[int] = set()
    for link in links:
        if link.new not in partner and link.old not in given:
            partner[link.new] = link.old
            given.add(link.old)
    return partner


def _changes(old: HotspotModel, ids: IdArray, links: Sequence[_Link], kept: int, version: str) -> Changes:
    """Describe the links. ids: of the new hotspots."""
    parts: dict[int, list[int]] = defaultdict(list)
    wholes: dict[int, list[int]] = defaultdict(list)
    for link in links:
        parts[link.old].append(int(ids[link.new]))
        wholes[link.new].append(int(old.ids[link.old]))
    splits = (Split(id=int(old.ids[row]), into=tuple(into)) for row, into in sorted(parts.items()) if len(into) > 1)
    mergers = (Merger(id=int(ids[row]), of=tuple(of)) for row, of in sorted(wholes.items()) if len(of) > 1)
    return Changes(
        version=version,
        hotspots_before=len(old),
        kept=kept,
        born=tuple(int(ids[row]) for row in range(len(ids)) if row not in wholes),
        vanished=tuple(int(old.ids[row]) for row in range(len(old)) if row not in parts),
        splits=tuple(splits),
        mergers=tuple(mergers),
    )


def _links(old: HotspotModel, new: HotspotModel) -> list[_Link]:
    """Return the links between the rows of two versions, the most alike first."""
    in_old, in_new = _shared(new, old), _shared(old, new)
    places_old, places_new = _places(old), _places(new)
    found: list[_Link] = []
    for pair in sorted({*in_old, *((i, j) for j, i in in_new)}, key=lambda pair: (pair[1], pair[0])):
        j, i = pair
        of_new, of_old = in_old.get((j, i), 0), in_new.get((i, j), 0)
        if of_new >= LINKED * places_new[j] or of_old >= LINKED * places_old[i]:
            places = (of_new + of_old) / (places_new[j] + places_old[i])
            area = _area_similarity(old.geometries[i], new.geometries[j])
            found.append(_Link(i, j, places if area is None else (places + area) / 2.0))
    return sorted(found, key=lambda link: (-link.similarity, link.old, link.new))


def _shared(of: HotspotModel, within: HotspotModel) -> dict[tuple[int, int], int]:
    """Return how many places of each hotspot lie in each hotspot of the other model, by their rows; zeros left out."""
    rows = within.rows_at(of.latitude, of.longitude)
    inside = rows != NOISE
    pairs, counts = np.unique(np.column_stack((of.hotspot[inside], rows[inside])), axis=0, return_counts=True)
    return {(int(a), int(b)): int(count) for (a, b), count in zip(pairs, counts, strict=True)}


def _places(model: HotspotModel) -> IdArray:
    return np.bincount(model.hotspot, minlength=len(model))


def _area_similarity(old: Geometry, new: Geometry) -> float | None:
    """Return Dice's coefficient of two outlines' areas; None if neither has one."""
    import shapely

    first, second = shapely.make_valid(old), shapely.make_valid(new)
    total = shapely.area(first) + shapely.area(second)
    if total == 0.0:
        return None
    return float(2.0 * shapely.area(shapely.intersection(first, second)) / total)
