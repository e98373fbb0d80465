"""A PostgreSQL that hangs in the middle of a transaction is given up."""

from __future__ import annotations

import os
import signal
import time

import pytest
from sqlalchemy import text

from taxi_mlops.errors import ServiceError
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.storage.database import Database


def ask_one_that_is_stopped(database):
    with database.transaction() as connection:
        backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        os.kill(backend, signal.SIGSTOP)
        try:
            connection.execute(text("SELECT 1"))
        finally:
            os.kill(backend, signal.SIGCONT)


def test_a_server_that_falls_silent_is_given_up(new_database):
    database = Database(ServiceUrl(new_database().reveal(), {"connect_timeout": 0.1}))
    begun = time.monotonic()
    with pytest.raises(ServiceError, match=r"no answer for 0\.6 s") as caught:
        ask_one_that_is_stopped(database)
    assert time.monotonic() - begun < 30
    assert "\n" not in str(caught.value)
    assert database.upgrade()


def test_a_statement_that_takes_its_time_is_waited_for(new_database):
    database = Database(ServiceUrl(new_database().reveal(), {"connect_timeout": 1}))
    with database.transaction() as connection:
        assert connection.execute(text("SELECT 7 FROM pg_sleep(1.5)")).scalar_one() == 7
