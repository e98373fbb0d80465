"""Keep the study in a database, where Optuna and its dashboard find it: in the experiment store's, by the settings.

Optuna's tables have names that the store has, too. So in PostgreSQL they are in a schema of their own, and beside the
embedded SQLite file in one of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError

from taxi_mlops.errors import ServiceError
from taxi_mlops.results.tuning import TuningTrial
from taxi_mlops.service_urls import ServiceUrl, experiments_url
from taxi_mlops.settings import Settings
from taxi_mlops.storage.database import Database
from taxi_mlops.training import Tune
from taxi_mlops.tuning.optuna_library import experimental_features, load_optuna
from taxi_mlops.tuning.search import directions_of, frozen
from taxi_mlops.tuning.space import Space

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.study import Study

SCHEMA = "optuna"
FILE = "tuning.db"
_WAIT_SECONDS = 30
"""At most, for a lock, a statement, or a server that has gone."""


class StudyStore:
    """A study in a database: a copy of the journal, which is enough to resume a tuning without it."""

    def __init__(self, url: ServiceUrl, name: str) -> None:
        self.target, self.name = str(url), name
        self._url = url
        self._storage: RDBStorage | None = None
        self._study: Study | None = None
        self._there: set[int] = set()

    def add(self, trials: Sequence[TuningTrial], document: Tune, space: Space) -> None:
        """Store the trials that are not there yet; the study is made if there is none. Raises ServiceError."""
        load_optuna()
        with self._errors(), experimental_features():
            study = self._study or self._begin(document)
            missing = [trial for trial in trials if trial.number not in self._there]
            study.add_trials([frozen(trial, document, space) for trial in missing])
            self._there.update(trial.number for trial in missing)

    def close(self) -> None:
        """Close the connections."""
        if self._storage is not None:
            self._storage.remove_session()
            self._storage.engine.dispose()

    def _begin(self, document: Tune) -> Study:
        from optuna import create_study

        self._storage = self._storage or self._open()
        self._study = create_study(
            storage=self._storage, study_name=self.name, directions=directions_of(document), load_if_exists=True
        )
        self._there = {trial.user_attrs["number"] for trial in self._study.get_trials(deepcopy=False)}
        return self._study

    def _open(self) -> RDBStorage:
        from optuna.storages import RDBStorage

        url = make_url(self._url.reveal())
        if url.get_backend_name() == "sqlite":
            if url.database:
                Path(url.database).parent.mkdir(parents=True, exist_ok=True)
            return RDBStorage(
                url.render_as_string(hide_password=False),
                engine_kwargs={"connect_args": {"timeout": _WAIT_SECONDS}},
            )
        with Database(self._url).transaction() as connection:
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        milliseconds = 1000 * _WAIT_SECONDS
        wanted = {
            "connect_timeout": _WAIT_SECONDS,
            **self._url.options,
            "tcp_user_timeout": milliseconds,
            "options": f"-csearch_path={SCHEMA} -cstatement_timeout={milliseconds}",
        }
        return RDBStorage(
            url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False),
            engine_kwargs={"connect_args": {name: one for name, one in wanted.items() if name not in url.query}},
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from optuna.exceptions import OptunaError

        try:
            yield
        except (OptunaError, SQLAlchemyError, RuntimeError, OSError) as error:
            said = " ".join(str(getattr(error, "orig", None) or error).split())
            raise ServiceError(f"{self.target}: {self._url.scrub(said)}") from None


def study_url(settings: Settings) -> ServiceUrl | None:
    """Return the URL of Optuna's storage: the experiment store's database; None if that is turned off."""
    url = experiments_url(settings)
    if url is None or not url.reveal().startswith("sqlite"):
        return url
    file = make_url(url.reveal()).database
    return url if not file else ServiceUrl(f"sqlite:///{Path(file).with_name(FILE)}")


def open_study(settings: Settings, name: str) -> StudyStore | None:
    """Return the store of a study; None if it is turned off. Raises UsageError for a URL of an unknown kind."""
    url = study_url(settings)
    if url is None:
        return None
    Database(url)  # names a URL that is none
    return StudyStore(url, name)
