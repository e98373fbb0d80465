"""What an act of the audit trail holds."""

from __future__ import annotations

import getpass
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_mlops.audit.acts import MAX_TEXT, Action, Outcome, new_act, plain
from taxi_mlops.audit.caller import CALLER, Caller, system_user


@pytest.fixture
def called():
    token = CALLER.set(Caller("deployment sweep", "alice@laptop"))
    yield
    CALLER.reset(token)


def test_who_it_is_does_not_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("LOGNAME", "mallory")
    monkeypatch.setenv("USER", "mallory")
    assert getpass.getuser() == "mallory"
    assert system_user() != "mallory"


def test_a_user_without_a_name_has_a_number(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 3_999_999_999)
    assert system_user() == "uid 3999999999"


def test_the_caller_is_who_acts_and_a_key_goes_before(called):
    act = new_act(Action.SWEEP_RUN, "sweep-1", {}, Outcome.DONE)
    assert (act.actor, act.origin) == ("alice@laptop", "deployment sweep")
    assert new_act(Action.SWEEP_RUN, "sweep-1", {}, Outcome.DONE, "key-7").actor == "key-7"


def test_ids_sort_by_time():
    ids = [new_act(Action.SWEEP_RUN, "s", {}, Outcome.DONE).id for _ in range(50)]
    assert [one[:23] for one in ids] == sorted(one[:23] for one in ids)
    assert len(set(ids)) == 50


@given(st.text(max_size=3 * MAX_TEXT))
def test_texts_are_one_bounded_line_without_codes(text):
    shown = plain(text)
    assert len(shown) <= MAX_TEXT
    assert all(one.isprintable() for one in shown)
    assert not (len(text) <= MAX_TEXT and text.isprintable()) or shown == text


def test_what_a_terminal_would_obey_is_replaced():
    assert plain("a\x1b[2Jb\r\nc") == "a\ufffd[2Jb\ufffd\ufffdc"
