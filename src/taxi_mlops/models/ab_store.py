"""A/B tests, their answers and outcomes in the experiment store's database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from taxi_mlops.audit.acts import Act, Action, Detail
from taxi_mlops.audit.stored import insert_acts
from taxi_mlops.audit.trail import AuditTrail
from taxi_mlops.errors import UsageError
from taxi_mlops.models.ab_matching import (
    Hit,
    answers_of,
    fresh,
    hits_of,
    known_contents,
    reference,
    rows_of,
    subjects_with_outcomes,
)
from taxi_mlops.models.ab_test import (
    AbTest,
    Answer,
    Evidence,
    Limits,
    Outcome,
    ShadowCounts,
    Stored,
)
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.storage.database import Database
from taxi_mlops.storage.experiments import AbAnswerRow, AbOutcomeRow, AbTestRow

PURGED_AT_ONCE = 5000
"""Rows of a table that one transaction deletes, so that no other waits long for it."""


class TestRunningError(UsageError):
    """The model has a running test already."""

    __test__ = False


class AbStore:
    """Reads and writes A/B tests. The database is created and migrated when it is first written.

    What changes is noted in the audit trail, in the same transaction. Every method raises ServiceError if the database
    cannot be used.
    """

    def __init__(self, url: ServiceUrl, audit: AuditTrail) -> None:
        """Take the URL of the experiment store. Raises UsageError for one of an unknown kind."""
        self._database = Database(url)
        self._audit = audit
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
            session.flush()
            act = self._noted(
                connection, Action.AB_STARTED, model, champion=versions[0], challenger=versions[1], share=share
            )
            test = _test(row)
            session.commit()
        self._audit.log(act)
        return test

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
            if done.rowcount != 1:
                return False
            act = self._noted(
                connection,
                Action.AB_ENDED,
                test.model,
                test=test.id,
                champion=test.champion,
                challenger=test.challenger,
                decision=decision,
                reason=reason,
            )
        self._audit.log(act)
        return True

    def note_guard_rail(self, test: AbTest, reason: str) -> None:
        """Store that a guard rail was hit: the challenger gets no more requests, in any process. The first stays."""
        with self._database.transaction() as connection:
            done = connection.execute(
                update(AbTestRow)
                .where(AbTestRow.id == test.id, AbTestRow.guard_rail.is_(None))
                .values(guard_rail=reason)
            )
            if done.rowcount != 1:
                return
            act = self._noted(
                connection,
                Action.AB_CHALLENGER_STOPPED,
                test.model,
                test=test.id,
                challenger=test.challenger,
                reason=reason,
            )
        self._audit.log(act)

    def note_sender(self, test: AbTest, actor: str) -> None:
        """Note in the audit trail that someone stores outcomes of a test from now on. actor: the name of the key."""
        act = self._audit.new(Action.AB_OUTCOMES_STORED, test.model, {"test": test.id}, actor=actor)
        with self._database.transaction() as connection:
            insert_acts(connection, (act,))
        self._audit.log(act)

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
            new = fresh(outcomes, known_contents(connection, test, [one.id for one in outcomes]))
            answers = answers_of(connection, test, new)
            matched = [(one, answers[reference(one)]) for one in new if reference(one) in answers]
            earlier = subjects_with_outcomes(connection, test, {answer.subject for _, answer in matched})
            rows = rows_of(test, matched, hits_of(matched, hit), earlier)
            if rows:
                connection.execute(_inserts(connection)(AbOutcomeRow), rows)
        counts = Counter((row["hit"], row["challenger"]) for row in rows)
        return Stored(
            stored=len(rows),
            repeated=len(outcomes) - len(new),
            unmatched=tuple(sorted(one.id for one in new if reference(one) not in answers)),
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
            act = None
            with self._database.transaction() as connection:
                rows = connection.execute(delete(row).where(key.in_(old))).rowcount
                if rows:
                    before = ended_before.isoformat(timespec="seconds")
                    act = self._noted(connection, Action.AB_PURGED, row.__tablename__, rows=rows, ended_before=before)
            if act is not None:
                self._audit.log(act)
            removed += rows
        return removed

    def _noted(self, connection: Connection, action: Action, subject: str, /, **details: Detail) -> Act:
        """Add an act to the audit trail within a transaction; log it once that is committed."""
        act = self._audit.new(action, subject, details)
        insert_acts(connection, (act,))
        return act

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
