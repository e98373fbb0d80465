"""A/B tests, their answers and outcomes in the experiment store's database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from taxi_mlops.domain import BoolArray, FloatArray
from taxi_mlops.errors import UsageError
from taxi_mlops.models.ab_test import (
    AbTest,
    Answer,
    ConflictingOutcomeError,
    Evidence,
    Limits,
    Outcome,
    ShadowCounts,
    Stored,
)
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.storage.database import Database
from taxi_mlops.storage.experiments import AbAnswerRow, AbOutcomeRow, AbTestRow

Hit = Callable[[bool, FloatArray, FloatArray], BoolArray]
"""Returns whether places are in hotspots of the challenger (True) or champion: latitude, longitude float64 (n,)."""
_Content = tuple[float, float, datetime]
"""Latitude, longitude and time of an outcome: what must not differ under one id."""
PURGED_AT_ONCE = 5000
"""Rows of a table that one transaction deletes, so that no other waits long for it."""
_LOOKED_UP = 500
"""Ids in one query; SQLite allows 999 variables in old versions."""


class TestRunningError(UsageError):
    """The model has a running test already."""

    __test__ = False


class AbStore:
    """Reads and writes A/B tests. The database is created and migrated when it is first written.

    Every method raises ServiceError if the database cannot be used.
    """

    def __init__(self, url: ServiceUrl) -> None:
        """Take the URL of the experiment store. Raises UsageError for one of an unknown kind."""
        self._database = Database(url)
        self._is_current = False

    def start(
        self,
        model: str,
        versions: tuple[str, str],
        share: float,
        salt: str,
        limits: Limits,
        areas: tuple[float, float],
        shadow: bool = False,
    ) -> AbTest:
        """Store a new test. versions, areas: of champion and challenger. Raises TestRunningError if one is running."""
        row = AbTestRow(
            model=model,
            running_model=model,
            champion=versions[0],
            challenger=versions[1],
            share=share,
            salt=salt,
            champion_area=areas[0],
            challenger_area=areas[1],
            max_errors=limits.errors,
            max_slowdown=limits.slowdown,
            max_noise=limits.noise,
            started_at=datetime.now(UTC),
            shadow=shadow,
            shadow_requests=0,
            shadow_points=0,
            shadow_agreed=0,
            shadow_seconds=0.0,
            shadow_champion_seconds=0.0,
        )
        self._prepare()
        with self._database.transaction() as connection, Session(connection) as session:
            if session.scalars(_running(model)).one_or_none() is not None:
                raise TestRunningError(
                    f"model {model!r} has a running A/B test; end it first: taxi ab stop --name {model}"
                )
            session.add(row)
            session.commit()
            return _test(row)

    def running(self, model: str) -> AbTest | None:
        """Return the running test of a model; None if there is none."""
        return self._found(_running(model))

    def latest(self, model: str) -> AbTest | None:
        """Return the newest test of a model, running or not; None if there is none."""
        return self._found(select(AbTestRow).where(AbTestRow.model == model).order_by(AbTestRow.id.desc()).limit(1))

    def _found(self, query: Any) -> AbTest | None:  # noqa: ANN401 - a query for rows of tests
        if not self._database.exists:
            return None
        self._prepare()
        with self._database.errors(), self._database.engine.connect() as connection, Session(connection) as session:
            row = session.scalars(query).one_or_none()
            return None if row is None else _test(row)

    def end(self, test: AbTest, decision: str, reason: str) -> bool:
        """End a test, and return whether it was running."""
        ended = {"running_model": None, "ended_at": datetime.now(UTC), "decision": decision, "reason": reason}
        with self._database.transaction() as connection:
            done = connection.execute(
                update(AbTestRow).where(AbTestRow.id == test.id, AbTestRow.running_model.is_not(None)).values(**ended)
            )
            return done.rowcount == 1

    def note_guard_rail(self, test: AbTest, reason: str) -> None:
        """Store that a guard rail was hit: the challenger gets no more requests, in any process. The first stays."""
        with self._database.transaction() as connection:
            connection.execute(
                update(AbTestRow)
                .where(AbTestRow.id == test.id, AbTestRow.guard_rail.is_(None))
                .values(guard_rail=reason)
            )

    def add_shadow(self, counts: Mapping[int, ShadowCounts]) -> None:
        """Add counts of shadow answers to those of tests, by their ids, all in one transaction."""
        if not counts:
            return
        row = AbTestRow
        with self._database.transaction() as connection:
            for test_id, more in counts.items():
                connection.execute(
                    update(row)
                    .where(row.id == test_id)
                    .values(
                        shadow_requests=row.shadow_requests + more.requests,
                        shadow_points=row.shadow_points + more.points,
                        shadow_agreed=row.shadow_agreed + more.agreed,
                        shadow_seconds=row.shadow_seconds + more.seconds,
                        shadow_champion_seconds=row.shadow_champion_seconds + more.champion_seconds,
                    )
                )

    def add_answers(self, answers: Sequence[Answer]) -> None:
        """Store answers; those that are there already, from an attempt that was cut off, stay as they are."""
        if answers:
            with self._database.transaction() as connection:
                insert = _inserts(connection)(AbAnswerRow).on_conflict_do_nothing()
                connection.execute(insert, [asdict(answer) for answer in answers])

    def add_outcomes(self, test: AbTest, outcomes: Sequence[Outcome], hit: Hit) -> Stored:
        """Store outcomes, all in one transaction, each with the answer that it belongs to.

        Of each subject the first counts. Raises ConflictingOutcomeError, and stores none, if an id was used before for
        another outcome.
        """
        with self._database.transaction() as connection:
            fresh = _fresh(outcomes, _known(connection, test, [one.id for one in outcomes]))
            answers = _answers(connection, test, fresh)
            matched = [(one, answers[_reference(one)]) for one in fresh if _reference(one) in answers]
            earlier = _subjects_with_outcomes(connection, test, {answer.subject for _, answer in matched})
            rows = _rows(test, matched, _hits(matched, hit), earlier)
            if rows:
                connection.execute(_inserts(connection)(AbOutcomeRow), rows)
        counts = Counter((row["hit"], row["challenger"]) for row in rows)
        return Stored(
            stored=len(rows),
            repeated=len(outcomes) - len(fresh),
            unmatched=tuple(sorted(one.id for one in fresh if _reference(one) not in answers)),
            hits=(counts[True, False], counts[True, True]),
            misses=(counts[False, False], counts[False, True]),
        )

    def evidence(self, test: AbTest) -> Evidence:
        """Return what a test has collected so far."""
        outcomes = (
            select(AbOutcomeRow.challenger, AbOutcomeRow.hit)
            .where(AbOutcomeRow.test_id == test.id, AbOutcomeRow.counted)
            .order_by(AbOutcomeRow.number)
        )
        all_outcomes = select(func.count()).where(AbOutcomeRow.test_id == test.id)
        answers = (
            select(
                AbAnswerRow.challenger,
                func.count(),
                func.count(AbAnswerRow.subject.distinct()),
                func.sum(AbAnswerRow.points),
                func.sum(AbAnswerRow.inside),
            )
            .where(AbAnswerRow.test_id == test.id)
            .group_by(AbAnswerRow.challenger)
        )
        with self._database.errors(), self._database.engine.connect() as connection:
            rows = connection.execute(outcomes).all()
            total = connection.execute(all_outcomes).scalar_one()
            arms = {bool(row[0]): row for row in connection.execute(answers)}
        found = np.array(rows, dtype=np.bool_).reshape(len(rows), 2)

        def of(arm: bool, column: int) -> int:
            return int(arms[arm][column]) if arm in arms else 0

        noise = [None if not of(arm, 3) else 1.0 - of(arm, 4) / of(arm, 3) for arm in (False, True)]
        return Evidence(
            found[:, 0].copy(),
            found[:, 1].copy(),
            (of(False, 2), of(True, 2)),
            (of(False, 1), of(True, 1)),
            (noise[0], noise[1]),
            total - len(rows),
        )

    def purge(self, ended_before: datetime) -> int:
        """Delete answers and outcomes of tests that ended before a time, `PURGED_AT_ONCE` of each at most.

        Returns how many were deleted. The tests, their decisions and reasons stay.
        """
        if not self._database.exists:
            return 0
        self._prepare()
        ended = select(AbTestRow.id).where(AbTestRow.ended_at < ended_before)
        removed = 0
        for row, key in ((AbOutcomeRow, AbOutcomeRow.number), (AbAnswerRow, AbAnswerRow.id)):
            old = select(key).where(row.test_id.in_(ended)).limit(PURGED_AT_ONCE)
            with self._database.transaction() as connection:
                removed += connection.execute(delete(row).where(key.in_(old))).rowcount
        return removed

    def _prepare(self) -> None:
        if not self._is_current:
            self._database.upgrade()
            self._is_current = True


def _running(model: str) -> Any:  # noqa: ANN401 - a query for rows of tests
    return select(AbTestRow).where(AbTestRow.running_model == model)


def _inserts(connection: Connection) -> Any:  # noqa: ANN401 - the insert of either dialect
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert


def _test(row: AbTestRow) -> AbTest:
    return AbTest(
        id=row.id,
        model=row.model,
        champion=row.champion,
        challenger=row.challenger,
        share=row.share,
        salt=row.salt,
        champion_area=row.champion_area,
        challenger_area=row.challenger_area,
        limits=Limits(row.max_errors, row.max_slowdown, row.max_noise),
        started_at=row.started_at,
        shadow=row.shadow,
        shadow_counts=ShadowCounts(
            row.shadow_requests, row.shadow_points, row.shadow_agreed, row.shadow_seconds, row.shadow_champion_seconds
        ),
        ended_at=row.ended_at,
        decision=row.decision,
        reason=row.reason,
        guard_rail=row.guard_rail,
    )


def _parts(values: Sequence[str]) -> list[Sequence[str]]:
    return [values[first : first + _LOOKED_UP] for first in range(0, len(values), _LOOKED_UP)]


def _content(outcome: Outcome) -> _Content:
    return outcome.latitude, outcome.longitude, outcome.happened_at.astimezone(UTC)


def _reference(outcome: Outcome) -> str:
    """Return the id of the answer, or the subject, that an outcome belongs to."""
    return outcome.answer or outcome.subject or ""


def _fresh(outcomes: Sequence[Outcome], known: Mapping[str, _Content]) -> list[Outcome]:
    """Return the outcomes that are not known, each once. Raises ConflictingOutcomeError."""
    contents, fresh = dict(known), []
    for one in outcomes:
        if one.id not in contents:
            contents[one.id] = _content(one)
            fresh.append(one)
        elif contents[one.id] != _content(one):
            raise ConflictingOutcomeError(f"the id {one.id!r} was used before for another outcome")
    return fresh


def _rows(
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


def _known(connection: Connection, test: AbTest, ids: Sequence[str]) -> dict[str, _Content]:
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


def _answers(connection: Connection, test: AbTest, outcomes: Sequence[Outcome]) -> dict[str, _Matched]:
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


def _hits(matched: Sequence[tuple[Outcome, _Matched]], hit: Hit) -> list[bool]:
    found = np.zeros(len(matched), dtype=np.bool_)
    for arm in (False, True):
        rows = [i for i, (_, answer) in enumerate(matched) if answer.challenger is arm]
        if rows:
            places = np.array([(matched[i][0].latitude, matched[i][0].longitude) for i in rows])
            found[rows] = hit(arm, places[:, 0].copy(), places[:, 1].copy())
    return [bool(one) for one in found]


def _subjects_with_outcomes(connection: Connection, test: AbTest, subjects: set[str]) -> set[str]:
    row = AbOutcomeRow
    found: set[str] = set()
    for part in _parts(sorted(subjects)):
        query = select(row.subject).where(row.test_id == test.id, row.subject.in_(part))
        found.update(connection.scalars(query))
    return found
