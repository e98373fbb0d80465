"""The audit trail in the experiment store, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import threading

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from taxi_mlops.audit.acts import Act, Action, Outcome
from taxi_mlops.audit.listing import ActFilter, list_acts
from taxi_mlops.audit.stored import stored_acts
from taxi_mlops.audit.trail import AuditTrail
from taxi_mlops.cli.main import app
from taxi_mlops.errors import ServiceError
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.storage.database import Database


@pytest.fixture
def trail(store_url, tmp_path):
    Database(store_url).upgrade()
    return AuditTrail(tmp_path / "audit", store_url)


def rows(url):
    with Database(url).transaction() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT id, subject, outcome FROM audit ORDER BY id"))]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody'",
        "UPDATE audit SET outcome = 'failed' WHERE subject = 'city@2'",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE subject = 'city@2'",
        "TRUNCATE audit",
        "INSERT INTO audit SELECT * FROM audit WHERE true ON CONFLICT (id) DO UPDATE SET actor = 'nobody'",
    ],
)
def test_rows_cannot_be_changed_or_removed(trail, store_url, statement):
    database = Database(store_url)
    if statement.startswith("TRUNCATE") and database.engine.dialect.name == "sqlite":
        statement = "DELETE FROM audit"  # there is no other way
    with trail.acting(Action.MODEL_PROMOTED, "city@2"):
        pass
    before = rows(store_url)
    assert [row[1:] for row in before] == [("city@2", "done")]
    upsert_of_sqlite = statement.startswith("INSERT") and database.engine.dialect.name == "sqlite"
    if upsert_of_sqlite:  # the row is ignored before there is a conflict
        with database.transaction() as connection:
            connection.execute(text(statement))
    else:
        with pytest.raises(ServiceError, match="the audit trail is append-only"), database.transaction() as connection:
            connection.execute(text(statement))
    assert rows(store_url) == before
    assert [act.actor for act in stored_acts(store_url, None, None, None, 10)] != ["nobody"]


def test_a_row_of_sqlite_is_not_replaced(tmp_path):
    url = ServiceUrl(f"sqlite:///{tmp_path / 'experiments.db'}")
    Database(url).upgrade()
    with AuditTrail(tmp_path / "audit", url).acting(Action.MODEL_PROMOTED, "city@2"):
        pass
    before = rows(url)
    with Database(url).transaction() as connection:
        columns = "id, at, recorded_at, actor, host, origin, action, subject, outcome, details"
        others = columns.replace("subject", "'city@3'")
        connection.execute(text(f"INSERT OR REPLACE INTO audit ({columns}) SELECT {others} FROM audit"))
    assert rows(url) == before


def test_an_act_comes_back_as_it_was(trail, store_url):
    details = {"rows": 12, "share": 0.25, "replace": False, "month": None, "data": "Straße \u2603"}
    trail.note(Action.DATA_COMMITTED, "trips@3", **details)
    (act,) = trail.waiting()
    trail.deliver()
    assert stored_acts(store_url, None, None, None, 10) == (act,)
    assert act.details == details
    assert trail.waiting() == ()


def test_acts_of_many_processes_are_stored_once(trail, store_url):
    for number in range(40):
        trail.note(Action.SWEEP_RUN, f"sweep-{number}")
    failures = []

    def deliver():
        try:
            trail.deliver()
        except ServiceError as error:
            failures.append(error)

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    trail.deliver()
    assert failures == []
    assert sorted(row[1] for row in rows(store_url)) == sorted(f"sweep-{number}" for number in range(40))


def test_acts_wait_for_a_postgresql_that_is_away(tmp_path, new_database):
    """Its address refuses connections first, and answers later."""
    away = ServiceUrl("postgresql://lab:hunter2@127.0.0.1:1/taxi")
    trail = AuditTrail(tmp_path / "audit", away)
    with trail.acting(Action.MODEL_PROMOTED, "city@2"):
        pass
    acts, reason = list_acts(trail, ActFilter())
    assert [(act.subject, act.outcome) for act in acts] == [("city@2", Outcome.DONE)]
    assert "hunter2" not in reason
    back = AuditTrail(tmp_path / "audit", new_database())
    assert list_acts(back, ActFilter()) == (acts, None)
    assert back.waiting() == ()


def test_the_command_lists_and_filters(trail, store_url, tmp_path, monkeypatch):
    monkeypatch.setenv("TAXI_EXPERIMENTS_URL", store_url.reveal())
    monkeypatch.setenv("TAXI_RUNS_DIR", str(tmp_path / "runs"))
    run = CliRunner()
    assert run.invoke(app, ["audit"]).stdout == "no acts yet\n"
    trail.note(Action.MODEL_PROMOTED, "city@2", champion_before="1")
    trail.note(Action.DATA_COMMITTED, "trips@3", rows=12_000)
    trail.deliver()
    printed = run.invoke(app, ["audit", "--since", "1h", "--action", "data"]).stdout.splitlines()
    assert printed[0].split() == ["time", "(UTC)", "who", "where", "action", "what", "outcome", "details"]
    assert "data.committed" in printed[1]
    assert "rows 12,000" in printed[1]
    assert len(printed) == 2
    found = [Act.model_validate(one) for one in json.loads(run.invoke(app, ["audit", "--json"]).stdout)]
    assert [act.subject for act in found] == ["trips@3", "city@2"]
    assert run.invoke(app, ["audit", "--actor", "nobody"]).stdout == "no acts match\n"
    assert run.invoke(app, ["audit", "--since", "2100-01-01", "--json"]).stdout == "[]\n"
