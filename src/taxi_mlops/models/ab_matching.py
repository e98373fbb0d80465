"""Match the outcomes of an A/B test with the answers before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from taxi_mlops.domain import BoolArray, FloatArray
from taxi_mlops.models.ab_test import AbTest, ConflictingOutcomeError, Outcome
from taxi_mlops.storage.experiments import AbAnswerRow, AbOutcomeRow

Hit = Callable[[bool, FloatArray, FloatArray], BoolArray]
"""Returns whether places are in hotspots of the challenger (True) or champion: latitude, longitude float64 (n,)."""
_Content = tuple[float, float, datetime]
"""Latitude, longitude and time of an outcome: what must not differ under one id."""
_LOOKED_UP = 500
"""Ids in one query; SQLite allows 999 variables in old versions."""


def _parts(values: Sequence[str]) -> list[Sequence[str]]:
    return [values[first : first + _LOOKED_UP] for first in range(0, len(values), _LOOKED_UP)]


def _content(outcome: Outcome) -> _Content:
    return outcome.latitude, outcome.longitude, outcome.happened_at.astimezone(UTC)


def reference(outcome: Outcome) -> str:
    """Return the id of the answer, or the subject, that an outcome belongs to."""
    return outcome.answer or outcome.subject or ""


def fresh(outcomes: Sequence[Outcome], known: Mapping[str, _Content]) -> list[Outcome]:
    """Return the outcomes that are not known, each once. Raises ConflictingOutcomeError."""
    contents, found = dict(known), []
    for one in outcomes:
        if one.id not in contents:
            contents[one.id] = _content(one)
            found.append(one)
        elif contents[one.id] != _content(one):
            raise ConflictingOutcomeError(f"the id {one.id!r} was used before for another outcome")
    return found


def rows_of(
    test: AbTest, matched: Sequence[tuple[Outcome, _Matched]], hits: Sequence[bool], earlier: set[str]
) -> list[dict[str, Any]]:
    """Return the rows of outcomes; of each subject the first counts. earlier: subjects that have outcomes."""
    now, subjects = datetime.now(UTC), set(earlier)
    rows: list[dict[str, Any]] = []
    for (one, answer), is_hit in zip(matched, hits, strict=True):
        rows.append(
            {
                "test_id": test.id,
                "id": one.id,
                "answer_id": answer.id,
                "subject": answer.subject,
                "challenger": answer.challenger,
                "latitude": one.latitude,
                "longitude": one.longitude,
                "happened_at": one.happened_at,
                "received_at": now,
                "hit": is_hit,
                "counted": answer.subject not in subjects,
            }
        )
        subjects.add(answer.subject)
    return rows


def known_contents(connection: Connection, test: AbTest, ids: Sequence[str]) -> dict[str, _Content]:
    """Return the content of the outcomes of these ids that are stored."""
    row = AbOutcomeRow
    found: dict[str, _Content] = {}
    for part in _parts(ids):
        query = select(row.id, row.latitude, row.longitude, row.happened_at)
        for one in connection.execute(query.where(row.test_id == test.id, row.id.in_(part))):
            found[one.id] = one.latitude, one.longitude, one.happened_at
    return found


@dataclass(frozen=True, slots=True)
class _Matched:
    id: str
    subject: str
    challenger: bool


def answers_of(connection: Connection, test: AbTest, outcomes: Sequence[Outcome]) -> dict[str, _Matched]:
    """Return the answers that outcomes belong to, by answer id and by subject; of a subject the newest."""
    row = AbAnswerRow
    found: dict[str, _Matched] = {}
    for column, wanted in (
        (row.id, {one.answer for one in outcomes if one.answer is not None}),
        (row.subject, {one.subject for one in outcomes if one.subject is not None}),
    ):
        for part in _parts(sorted(wanted)):
            query = select(row.id, row.subject, row.challenger).where(row.test_id == test.id, column.in_(part))
            for one in connection.execute(query.order_by(row.answered_at)):
                found[one.id if column is row.id else one.subject] = _Matched(one.id, one.subject, one.challenger)
    return found


def hits_of(matched: Sequence[tuple[Outcome, _Matched]], hit: Hit) -> list[bool]:
    found = np.zeros(len(matched), dtype=np.bool_)
    for arm in (False, True):
        rows = [i for i, (_, answer) in enumerate(matched) if answer.challenger is arm]
        if rows:
            places = np.array([(matched[i][0].latitude, matched[i][0].longitude) for i in rows])
            found[rows] = hit(arm, places[:, 0].copy(), places[:, 1].copy())
    return [bool(one) for one in found]


def subjects_with_outcomes(connection: Connection, test: AbTest, subjects: set[str]) -> set[str]:
    row = AbOutcomeRow
    found: set[str] = set()
    for part in _parts(sorted(subjects)):
        query = select(row.subject).where(row.test_id == test.id, row.subject.in_(part))
        found.update(connection.scalars(query))
    return found
