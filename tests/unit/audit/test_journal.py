"""The files of acts that are not in the store yet."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from taxi_mlops.audit.acts import Action, Outcome, new_act
from taxi_mlops.audit.journal import AT_ONCE, Journal


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "deep" / "audit")


def begun(subject="city@2"):
    return new_act(Action.MODEL_PROMOTED, subject, {"champion_before": "1"}, Outcome.UNKNOWN)


def test_an_act_that_is_being_done_is_left_alone(journal):
    act = begun()
    entry = journal.begin(act)
    assert journal.acts() == (act,)
    with journal.held() as held:
        assert held == {}
    done = act.ended(Outcome.DONE, "city@2", {"x": 1})
    entry.end(done)
    with journal.held() as held:
        assert list(held.values()) == [done]
        with Journal(journal.folder).held() as again:
            assert again == {}  # one at a time brings it to the store


ACT_AND_DIE = """
import os, signal, sys
from pathlib import Path
from taxi_mlops.audit.acts import Action, Outcome, new_act
from taxi_mlops.audit.journal import Journal

entry = Journal(Path(sys.argv[1])).begin(new_act(Action.MODEL_PROMOTED, "city@2", {}, Outcome.UNKNOWN))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_act_whose_process_was_killed_is_found_with_an_unknown_end(journal):
    done = subprocess.run([sys.executable, "-c", ACT_AND_DIE, journal.folder], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    with journal.held() as held:
        assert [(act.subject, act.outcome) for act in held.values()] == [("city@2", Outcome.UNKNOWN)]


@pytest.mark.parametrize("rest", [b"", b'{"id": "2', b"no JSON\n", b'{"id": 1}\n'])
def test_what_was_not_written_whole_does_not_count(journal, rest):
    act = begun()
    entry = journal.begin(act)
    entry.end(act)
    (path,) = journal.folder.iterdir()
    with path.open("ab") as file:
        file.write(rest)
    assert journal.acts() == (act,)
    path.write_bytes(rest)
    assert journal.acts() == ()
    with journal.held() as held:
        assert held == {}


def test_only_the_owner_reads_it(journal):
    entry = journal.begin(begun())
    entry.end(begun())
    (path,) = journal.folder.iterdir()
    assert (path.stat().st_mode & 0o777, journal.folder.stat().st_mode & 0o777) == (0o600, 0o700)


def test_many_are_held_some_at_a_time(journal):
    acts = [begun(str(i)) for i in range(AT_ONCE + 3)]
    for act in acts:
        journal.begin(act).end(act)
    with journal.held() as held:
        assert len(held) == AT_ONCE
    assert sorted(act.subject for act in journal.acts()) == sorted(act.subject for act in acts)
