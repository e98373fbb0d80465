"""Tables of the experiment store: comparisons, their workloads, adapters, trials, values, data; A/B tests; audit.

Seconds are wall-clock seconds unless named otherwise. Times are UTC. The schema changes by migrations only.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time. SQLite has no time zones, so times are stored in UTC and returned as aware datetimes."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class PlainText(TypeDecorator[str]):
    """Text without NUL characters, which PostgreSQL rejects and a crashing library may print."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else value.replace("\x00", "\ufffd")


class Base(DeclarativeBase):
    """The base of all tables of the experiment store."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        int: BigInteger,
        str: PlainText,
    }


class DataSetRow(Base):
    """The points of one version of one source, after cleaning."""

    __tablename__ = "data_sets"
    __table_args__ = (UniqueConstraint("fingerprint", "uri", "data_version"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    fingerprint: Mapped[str]
    uri: Mapped[str]
    data_version: Mapped[str]
    trip_schema: Mapped[str]
    rows_read: Mapped[int]
    rows_used: Mapped[int]
    points: Mapped[int]
    weighted: Mapped[bool]
    dropped: Mapped[dict[str, Any]]


class ComparisonRow(Base):
    """One comparison. `document` is its `comparison.json`; `content` is the digest of what was recorded."""

    __tablename__ = "comparisons"
    __table_args__ = (Index(None, "created_at"), Index(None, "data_set_id", "created_at"))

    run_id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    content: Mapped[str]
    folder: Mapped[str]
    data_set_id: Mapped[int] = mapped_column(Integer, ForeignKey("data_sets.id"))
    eps_metres: Mapped[float]
    min_samples: Mapped[int]
    metric: Mapped[str]
    threads: Mapped[int]
    repeats: Mapped[int]
    seed: Mapped[int]
    reference: Mapped[str | None]
    trials_seconds: Mapped[float]
    host: Mapped[str]
    system: Mapped[str]
    processor: Mapped[str]
    logical_cpus: Mapped[int]
    memory_bytes: Mapped[int]
    python: Mapped[str]
    taxi_mlops: Mapped[str]
    schema_version: Mapped[int]
    document: Mapped[dict[str, Any]]

    data_set: Mapped[DataSetRow] = relationship()
    adapters: Mapped[list[AdapterRow]] = relationship(cascade="all, delete-orphan", passive_deletes=True)
    workloads: Mapped[list[WorkloadRow]] = relationship(cascade="all, delete-orphan", passive_deletes=True)


class WorkloadRow(Base):
    """One workload of a comparison; `main` is the one that the comparison and its adapters are about."""

    __tablename__ = "workloads"

    run_id: Mapped[str] = mapped_column(ForeignKey("comparisons.run_id", ondelete="CASCADE"), primary_key=True)
    workload: Mapped[str] = mapped_column(primary_key=True)
    points: Mapped[int]
    fingerprint: Mapped[str]
    eps_metres: Mapped[float]
    min_samples: Mapped[int]
    reference: Mapped[str | None]


class AdapterRow(Base):
    """One adapter of a comparison. `created_at` is the comparison's, for listing an adapter by date."""

    __tablename__ = "adapters"
    __table_args__ = (Index(None, "adapter", "created_at"),)

    run_id: Mapped[str] = mapped_column(ForeignKey("comparisons.run_id", ondelete="CASCADE"), primary_key=True)
    adapter: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    version: Mapped[str | None]
    exact: Mapped[bool | None]
    status: Mapped[str]
    reason: Mapped[str | None]
    rank: Mapped[int | None]
    verdict: Mapped[str | None]

    trials: Mapped[list[TrialRow]] = relationship(cascade="all, delete-orphan", passive_deletes=True)
    values: Mapped[list[ValueRow]] = relationship(cascade="all, delete-orphan", passive_deletes=True)


class TrialRow(Base):
    """One trial, however it ended."""

    __tablename__ = "trials"
    __table_args__ = (
        ForeignKeyConstraint(["run_id", "adapter"], ["adapters.run_id", "adapters.adapter"], ondelete="CASCADE"),
        Index(None, "adapter", "finished_at"),
    )

    run_id: Mapped[str] = mapped_column(primary_key=True)
    adapter: Mapped[str] = mapped_column(primary_key=True)
    workload: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    block: Mapped[int] = mapped_column(primary_key=True)
    finished_at: Mapped[datetime]
    status: Mapped[str]
    cause: Mapped[str | None]
    exit_code: Mapped[int | None]
    total_seconds: Mapped[float | None]
    cold_start_seconds: Mapped[float | None]
    prepare_seconds: Mapped[float | None]
    fit_seconds: Mapped[float | None]
    fit_user_seconds: Mapped[float | None]
    fit_system_seconds: Mapped[float | None]
    peak_memory_bytes: Mapped[int | None]
    labels_digest: Mapped[str | None]
    n_clusters: Mapped[int | None]
    n_noise: Mapped[int | None]


class ValueRow(Base):
    """One number of an adapter on a workload, by its dotted name in `comparison.json`."""

    __tablename__ = "figures"  # codespell:ignore figures
    __table_args__ = (
        ForeignKeyConstraint(["run_id", "adapter"], ["adapters.run_id", "adapters.adapter"], ondelete="CASCADE"),
        Index(None, "name", "adapter"),
    )

    run_id: Mapped[str] = mapped_column(primary_key=True)
    adapter: Mapped[str] = mapped_column(primary_key=True)
    workload: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[float]


class AbTestRow(Base):
    """An A/B test of two versions of a hotspot model. `running_model` is its model while it runs, for one at a time.

    Areas are the shares of the judged area that the hotspots of a version cover. Seconds of shadow answers are sums.
    """

    __tablename__ = "ab_tests"
    __table_args__ = (UniqueConstraint("running_model"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    model: Mapped[str]
    running_model: Mapped[str | None]
    champion: Mapped[str]
    challenger: Mapped[str]
    share: Mapped[float]
    shadow: Mapped[bool]
    salt: Mapped[str]
    champion_area: Mapped[float]
    challenger_area: Mapped[float]
    max_errors: Mapped[float]
    max_slowdown: Mapped[float]
    max_noise: Mapped[float]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    decision: Mapped[str | None]
    reason: Mapped[str | None]
    guard_rail: Mapped[str | None]
    shadow_requests: Mapped[int]
    shadow_points: Mapped[int]
    shadow_agreed: Mapped[int]
    shadow_seconds: Mapped[float]
    shadow_champion_seconds: Mapped[float]


class AbAnswerRow(Base):
    """An answer of the service during an A/B test. `subject` is the keyed hash of the caller's key."""

    __tablename__ = "ab_answers"
    __table_args__ = (Index(None, "test_id", "subject"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    test_id: Mapped[int] = mapped_column(Integer, ForeignKey("ab_tests.id", ondelete="CASCADE"))
    subject: Mapped[str]
    challenger: Mapped[bool]
    answered_at: Mapped[datetime]
    points: Mapped[int]
    inside: Mapped[int]
    seconds: Mapped[float]


class AbOutcomeRow(Base):
    """What really happened, in the order of arrival. `id` is the caller's; `counted` for the first of each subject."""

    __tablename__ = "ab_outcomes"
    __table_args__ = (UniqueConstraint("test_id", "id"), Index(None, "test_id", "subject"))

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    test_id: Mapped[int] = mapped_column(Integer, ForeignKey("ab_tests.id", ondelete="CASCADE"))
    id: Mapped[str]
    answer_id: Mapped[str]
    subject: Mapped[str]
    challenger: Mapped[bool]
    latitude: Mapped[float]
    longitude: Mapped[float]
    happened_at: Mapped[datetime]
    received_at: Mapped[datetime]
    hit: Mapped[bool]
    counted: Mapped[bool]


class AuditRow(Base):
    """An act: who did what to what, when, and how it ended. `id` sorts by time. Rows are never changed nor removed.

    Triggers of the migration refuse that. Without row ids, which SQLite would let someone replace a row by.
    """

    __tablename__ = "audit"
    __table_args__ = (Index(None, "at"), {"sqlite_with_rowid": False})

    id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    actor: Mapped[str]
    host: Mapped[str]
    origin: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    outcome: Mapped[str]
    details: Mapped[dict[str, Any]]
