"""The experiment store's schema, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text

from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.recording.store import StoreRecorder
from taxi_mlops.runs.stored_trials import stored_trials, trials_query
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.storage.database import VERSION_TABLE, Database, scripts
from taxi_mlops.storage.experiments import Base, ComparisonRow
from taxi_mlops.testing.sample_runs import make_run
from taxi_mlops.testing.sample_store import fill_store

TABLES = ("trials", "figures")  # codespell:ignore figures


@pytest.fixture
def database(store_url):
    return Database(store_url)


def tables(database):
    with database.transaction() as connection:
        return set(inspect(connection).get_table_names())


def test_up_and_down_and_up_again(database):
    database.upgrade()
    assert tables(database) == {*Base.metadata.tables, VERSION_TABLE}
    database.downgrade("base")
    assert tables(database) == {VERSION_TABLE}
    database.upgrade()
    assert tables(database) == {*Base.metadata.tables, VERSION_TABLE}


def test_every_revision_goes_up_and_down(database, tmp_path):
    """With a run in it: a store that any earlier version made is brought to the current schema, and back."""
    revisions = [script.revision for script in scripts().walk_revisions()][::-1]
    assert revisions[0] == "0001"
    StoreRecorder(database.url).record(make_run(tmp_path / "run"))
    for revision in reversed(revisions):
        database.downgrade(revision)
        assert database.upgrade() == revisions[-1]
        with database.transaction() as connection:
            assert connection.execute(text("SELECT count(*) FROM comparisons")).scalar() == 1
    for revision in revisions:
        database.downgrade("base")
        assert database.upgrade(revision) == revision
        assert database.upgrade() == revisions[-1]


def test_trials_of_an_adapter_are_found_by_an_index(database):
    database.upgrade()
    with database.transaction() as connection:
        fill_store(connection, comparisons=50, adapters=10, trials=10)
    query = trials_query("adapter3", datetime(2026, 1, 2, tzinfo=UTC), 100)
    with database.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        dialect = database.engine.dialect
        statement = query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN QUERY PLAN" if dialect.name == "sqlite" else "EXPLAIN"
        plan = "\n".join(str(row) for row in connection.execute(text(f"{explain} {statement}".replace(":", r"\:"))))
    assert "ix_trials_adapter_finished_at" in plan
    assert "Seq Scan" not in plan


def test_trials_are_listed_by_adapter_and_date(database, tmp_path):
    run = make_run(tmp_path / "run")
    assert stored_trials(database.url, "swift", None, 10) == ()
    StoreRecorder(database.url).record(run)
    expected = sorted(record.finished_at for record in run.trials if record.outcome.trial.adapter == "swift")
    everything = stored_trials(database.url, "swift", None, 100)
    assert [trial.finished_at for trial in everything] == expected[::-1]
    assert stored_trials(database.url, "swift", expected[1], 100) == everything[: len(expected) - 1]
    assert stored_trials(database.url, "swift", None, 2) == everything[:2]
    assert stored_trials(database.url, "nobody", None, 2) == ()


def test_the_migrations_make_what_the_models_say(database):
    database.upgrade()
    options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
    with database.transaction() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_a_migration_that_fails_leaves_the_schema_as_it_was(database):
    database.upgrade()
    database.downgrade("base")
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE trials (id INTEGER)"))  # the last of the migration's tables but one
    with pytest.raises(ServiceError, match="trials"):
        database.upgrade()
    assert tables(database) == {"trials", VERSION_TABLE}


def test_a_store_of_a_newer_version_is_refused(database):
    database.upgrade()
    with database.transaction() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(ServiceError, match="another version of taxi-mlops"):
        database.upgrade()


def test_many_recorders_at_once_make_one_store(store_url, tmp_path):
    runs = [make_run(tmp_path / str(number), f"run-{number}") for number in range(4)]
    failures = []

    def record(run):
        try:
            StoreRecorder(store_url).record(run)
        except ServiceError as error:
            failures.append(error)

    threads = [threading.Thread(target=record, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with Database(store_url).transaction() as connection:
        assert set(connection.scalars(select(ComparisonRow.run_id))) == {run.run_id for run in runs}


def test_a_wrong_password_is_not_repeated(new_database):
    right = new_database()
    wrong = ServiceUrl(right.reveal().replace("sl%2Fash%40t", "wr%2Fong%40one"))
    with pytest.raises(ServiceError, match="password authentication failed") as raised:
        Database(wrong).upgrade()
    assert "wr%2F" not in str(raised.value)
    assert "wr/ong" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://lab:s3cret@host/taxi", "SQLite or PostgreSQL, not mysql"),
        ("no-url-s3cret", "is not the URL of a database"),
        ("postgresql://lab:s3cret@host:port/taxi", "is not the URL of a database"),
        ("oracledb2://lab:s3cret@host/taxi", "is not the URL of a database|not oracledb2"),
    ],
)
def test_a_url_of_something_else_is_a_mistake(url, said):
    with pytest.raises(UsageError, match=said):
        Database(ServiceUrl(url))


def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    path = tmp_path / "notes.db"
    path.write_text("not a database at all, but somebody's notes", encoding="utf-8")
    with pytest.raises(ServiceError, match="not a database"):
        Database(ServiceUrl(f"sqlite:///{path}")).upgrade()
    assert path.read_text(encoding="utf-8").startswith("not a database")


def test_runs_recorded_before_there_were_several_workloads_are_kept(database, tmp_path):
    database.upgrade()
    StoreRecorder(database.url).record(make_run(tmp_path / "run"))
    with database.transaction() as connection:
        before = [connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() for table in TABLES]
    database.downgrade("0001")
    database.upgrade()
    with database.transaction() as connection:
        for table, count in zip(TABLES, before, strict=True):
            rows = connection.execute(text(f"SELECT workload FROM {table}")).scalars().all()
            assert rows == ["main"] * count


def test_values_and_trials_of_several_workloads_are_separate(database, tmp_path):
    run = make_run(tmp_path / "run", "several", sizes=(100, 300))
    StoreRecorder(database.url).record(run)
    query = f"SELECT value FROM {TABLES[1]} WHERE adapter = 'swift' AND name = 'fit_seconds_median' ORDER BY value"
    with database.transaction() as connection:
        assert connection.execute(text(query)).scalars().all() == pytest.approx([0.051, 0.153, 0.51])
        trials = connection.execute(text("SELECT count(DISTINCT workload), count(*) FROM trials")).one()
        workloads = connection.execute(text("SELECT workload, points FROM workloads ORDER BY points")).all()
    assert tuple(trials) == (3, len(run.trials))
    assert [tuple(row) for row in workloads] == [("n100", 100), ("n300", 300), ("main", 1000)]
