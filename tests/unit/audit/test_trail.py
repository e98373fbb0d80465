"""The audit trail: journal, store and log."""

from __future__ import annotations

import json
import logging

import pytest

from taxi_mlops.audit import stored
from taxi_mlops.audit.acts import MAX_DETAILS, MAX_TEXT, Action, Outcome
from taxi_mlops.audit.caller import CALLER, Caller
from taxi_mlops.audit.listing import ActFilter, list_acts
from taxi_mlops.audit.trail import AuditTrail
from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.monitoring.logs import is_logging, run_logs
from taxi_mlops.monitoring.secrets import SecretFilter
from taxi_mlops.service_urls import ServiceUrl


@pytest.fixture
def url(tmp_path):
    return ServiceUrl(f"sqlite:///{tmp_path / 'experiments.db'}")


@pytest.fixture
def trail(tmp_path, url):
    return AuditTrail(tmp_path / "audit", url, SecretFilter({"hunter22"}))


@pytest.fixture
def warnings():
    """The lines that the person who calls is shown."""
    lines = []
    token = CALLER.set(Caller(warn=lines.append))
    yield lines
    CALLER.reset(token)


def listed(trail, **wanted):
    acts, reason = list_acts(trail, ActFilter(**wanted))
    assert reason is None
    return acts


def test_an_act_is_in_the_journal_and_then_in_the_store(trail):
    with trail.acting(Action.MODEL_PROMOTED, "city", before="1") as draft:
        (begun,) = trail.waiting()
        assert (begun.outcome, begun.subject) == (Outcome.UNKNOWN, "city")
        draft.subject = "city@2"
    (waiting,) = trail.waiting()  # the database is not made for it
    assert waiting == begun.ended(Outcome.DONE, "city@2", {"before": "1"})
    assert listed(trail) == (waiting,)
    assert trail.waiting() == ()
    assert listed(trail) == (waiting,)


def test_an_act_that_fails_says_why(trail):
    with pytest.raises(UsageError), trail.acting(Action.DATA_TAGGED, "trips@3"):
        raise UsageError("the tag is there with hunter22")
    with pytest.raises(ZeroDivisionError), trail.acting(Action.DATA_TAGGED, "trips@3"):
        raise ZeroDivisionError("hunter22")
    assert [(act.outcome, act.details) for act in listed(trail)] == [
        (Outcome.FAILED, {"reason": "ZeroDivisionError"}),
        (Outcome.FAILED, {"reason": "the tag is there with ***"}),
    ]


def test_nothing_secret_and_nothing_endless_is_noted(trail):
    more = {f"more_{number}": number for number in range(2 * MAX_DETAILS)}
    trail.note(
        Action.COMPARISON_RUN,
        "x" * 10_000,
        data="https://lab:secret@host/trips?token=abcdefgh",
        password="swordfish",
        note="hunter22\x1b[1m" + "y" * 10_000,
        **more,
    )
    (act,) = trail.waiting()
    assert len(act.subject) == MAX_TEXT
    assert len(act.details) == MAX_DETAILS
    assert act.details["data"] == "https://lab:***@host/trips?token=***"
    assert act.details["password"] == "***"
    assert act.details["note"].startswith("***\ufffd[1my")
    assert len(act.details["note"]) == MAX_TEXT


def test_a_store_that_is_away_loses_nothing(trail, monkeypatch, warnings):
    listed(trail)
    stored.store_acts(trail.store, (trail.new(Action.AB_ENDED, "first"),))

    def refuse(_url, _acts):
        raise ServiceError("postgresql://lab:***@db/taxi: no connection")

    monkeypatch.setattr(stored, "store_acts", refuse)
    with trail.acting(Action.MODEL_PROMOTED, "city@2"):
        pass
    (line,) = warnings
    assert line.startswith("the audit trail has it in ")
    assert line.endswith("until the experiment store can be written: postgresql://lab:***@db/taxi: no connection")
    acts, reason = list_acts(trail, ActFilter())
    assert [act.subject for act in acts] == ["city@2"]
    assert reason == "postgresql://lab:***@db/taxi: no connection"
    monkeypatch.undo()
    assert [act.subject for act in listed(trail)] == ["city@2", "first"]
    assert trail.waiting() == ()


def test_a_journal_that_cannot_be_written_is_no_loss_either(tmp_path, url, warnings):
    (tmp_path / "file").write_text("", encoding="utf-8")
    trail = AuditTrail(tmp_path / "file" / "audit", url)
    with trail.acting(Action.BACKUP_PRUNED, "place"):
        pass
    assert [act.subject for act in listed(trail)] == ["place"]
    assert warnings == []
    with AuditTrail(tmp_path / "file" / "audit", None).acting(Action.BACKUP_PRUNED, "elsewhere"):
        pass
    (line,) = warnings
    assert line.startswith("an act is missing in the audit trail, since ")
    assert '"subject": "elsewhere"' in line


def test_without_a_store_acts_stay_in_the_journal(tmp_path):
    trail = AuditTrail(tmp_path / "audit", None)
    trail.note(Action.STACK_STOPPED, "stack")
    trail.deliver_or_warn()
    assert [act.subject for act in listed(trail)] == ["stack"]


def test_acts_are_found_by_who_did_them_what_it_was_and_when(trail):
    trail.note(Action.MODEL_PROMOTED, "city@2")
    trail.note(Action.MODEL_ROLLED_BACK, "city@1")
    trail.note(Action.AB_ENDED, "city")
    token = CALLER.set(Caller("deployment promote", "bob@host"))
    trail.note(Action.MODEL_PROMOTED, "city@3")
    CALLER.reset(token)
    everything = listed(trail)
    assert [act.subject for act in everything] == ["city@3", "city", "city@1", "city@2"]
    assert [act.subject for act in listed(trail, action="model")] == ["city@3", "city@1", "city@2"]
    assert [act.subject for act in listed(trail, action="model.promoted")] == ["city@3", "city@2"]
    assert listed(trail, action="mod") == ()
    assert listed(trail, action="model_promoted") == ()
    assert [act.subject for act in listed(trail, actor="bob@host")] == ["city@3"]
    assert [act.subject for act in listed(trail, since=everything[1].at)] == ["city@3", "city"]
    assert [act.subject for act in listed(trail, limit=2)] == ["city@3", "city"]


def test_an_act_is_an_event_of_the_log(trail, tmp_path):
    with run_logs(tmp_path / "log.jsonl", "run-1", "info", verbose=False):
        trail.note(Action.MODEL_PROMOTED, "city@2", champion_before="1")
    (line,) = map(json.loads, (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines())
    (act,) = trail.waiting()
    assert (line["event"], line["level"], line["run_id"]) == ("audited", "info", "run-1")
    assert (line["action"], line["subject"], line["outcome"]) == ("model.promoted", "city@2", "done")
    assert (line["act_id"], line["actor"], line["champion_before"]) == (act.id, act.actor, "1")


def test_outside_of_a_run_nothing_is_printed(trail, capfd, monkeypatch):
    monkeypatch.setattr(logging.getLogger("taxi_mlops"), "handlers", [logging.NullHandler()])  # without pytest's
    assert not is_logging()
    trail.note(Action.MODEL_PROMOTED, "city@2")
    assert capfd.readouterr() == ("", "")
