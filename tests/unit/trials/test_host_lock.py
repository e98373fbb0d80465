"""The locks of a host: one timed run at a time, untimed work together."""

from __future__ import annotations

import threading

import pytest

from taxi_mlops.errors import TaxiError, UsageError
from taxi_mlops.settings import Settings
from taxi_mlops.trials.host_lock import host_lock, untimed_work


@pytest.fixture
def settings(tmp_path):
    return Settings(cache_dir=tmp_path / "cache", host_lock_timeout_seconds=0.2)


def held_elsewhere(settings, released, holding):
    with host_lock(settings):
        holding.set()
        released.wait(60)


@pytest.fixture
def other_run(settings):
    """Another holder of the lock, until the event is set."""
    released, holding = threading.Event(), threading.Event()
    thread = threading.Thread(target=held_elsewhere, args=(settings, released, holding))
    thread.start()
    assert holding.wait(60)
    yield released
    released.set()
    thread.join()


def test_a_free_lock_is_taken_without_a_word_and_given_back(settings):
    reported: list[str] = []
    for _ in range(2):
        with host_lock(settings, reported.append):
            assert len(list(settings.cache_dir.iterdir())) == 2
    assert reported == []


def test_waiting_is_reported_and_ends_when_the_other_run_does(settings, other_run):
    reported: list[str] = []
    patient = settings.model_copy(update={"host_lock_timeout_seconds": 60.0})

    def on_wait(message: str) -> None:
        reported.append(message)
        other_run.set()

    with host_lock(patient, on_wait):
        (message,) = reported
        assert "another run is timing trials on this host" in message
        assert "waiting up to 60 s" in message


def test_the_timeout_is_an_error_that_says_what_to_do(settings, other_run):
    with (
        pytest.raises(TaxiError, match=r"held .*\.lock for more than 0.2 s.*TAXI_HOST_LOCK_TIMEOUT_SECONDS"),
        host_lock(settings),
    ):
        pytest.fail("the lock was held by another")


def test_a_folder_that_cannot_be_made_is_a_users_mistake(tmp_path):
    (tmp_path / "file").write_text("in the way")
    settings = Settings(cache_dir=tmp_path / "file" / "cache")
    with pytest.raises(UsageError, match="set TAXI_CACHE_DIR"), host_lock(settings):
        pytest.fail("there is no such folder")


def test_untimed_work_is_shared_and_keeps_timed_trials_off(settings):
    reported: list[str] = []
    with untimed_work(settings, reported.append), untimed_work(settings, reported.append):
        with pytest.raises(TaxiError, match="untimed-work"), host_lock(settings, reported.append):
            pytest.fail("others were at work")
        assert len(reported) == 1
        assert "other runs are at work on this host" in reported[0]
    with host_lock(settings):
        pass


def test_untimed_work_waits_for_whoever_times(settings, other_run):
    with pytest.raises(TaxiError, match="timed-trials"), untimed_work(settings):
        pytest.fail("another run was timing")
    other_run.set()
    patient = settings.model_copy(update={"host_lock_timeout_seconds": 60.0})
    with untimed_work(patient):
        pass
