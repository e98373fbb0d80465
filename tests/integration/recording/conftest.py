"""Databases of the tests' own, on a PostgreSQL server with a password."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from taxi_mlops.service_urls import ServiceUrl

PASSWORD = "sl/ash@t"
QUOTED = "sl%2Fash%40t"


@pytest.fixture(scope="session")
def postgresql_server(start_services: Callable[..., Any]) -> str:
    """`user:password@host:port` of a running server."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is in the extra postgresql")
    services = start_services("postgresql")
    with psycopg.connect(services.administrator(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE lab LOGIN CREATEDB PASSWORD '{PASSWORD}'")
        connection.execute("CREATE DATABASE lab OWNER lab")
    return f"lab:{QUOTED}@127.0.0.1:{services.stack.folder.port('postgresql')}"


@pytest.fixture(scope="session")
def new_database(postgresql_server: str) -> Callable[[], ServiceUrl]:
    """Makes an empty database and gives its URL, as a user would write it."""
    import psycopg

    numbers = count()

    def new_database() -> ServiceUrl:
        name = f"taxi{next(numbers)}"
        with psycopg.connect(f"postgresql://{postgresql_server}/lab", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return ServiceUrl(f"postgresql://{postgresql_server}/{name}")

    return new_database


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> ServiceUrl:
    """An experiment store that is not there yet, of either kind."""
    if request.param == "sqlite":
        return ServiceUrl(f"sqlite:///{tmp_path / 'deep' / 'experiments.db'}")
    return request.getfixturevalue("new_database")()
