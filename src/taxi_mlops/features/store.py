"""The offline store: Parquet files, one a month, and a document that names those that are valid.

A build writes new files first and the document last, so that readers see all of the build or nothing. The files of the
build before stay until the next one, for those who are still reading them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from taxi_mlops.errors import TaxiError, UsageError
from taxi_mlops.features import definitions
from taxi_mlops.files import write_atomically
from taxi_mlops.results.documents import to_json
from taxi_mlops.settings import Settings
from taxi_mlops.training import MODEL_NAME

if TYPE_CHECKING:
    import polars as pl

DOCUMENT = "features.json"
ONLINE = "online.db"
_LOCK = "lock"
_MOST_STORES = 100
_FileName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,99}\.parquet$")]


class Part(BaseModel):
    """A file of rows, and the trips that they were computed from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: _FileName
    source: str
    data_version: str


class Contents(BaseModel):
    """What a store holds: `features.json`.

    features: the version of each definition. known_at: what says when a trip became known. since: earlier trips were
    left out. first, last: the times of rows, on the trips' clocks, which are those of timezone. months: rows of
    hotspots. trips: rows of trips.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    model: str
    model_version: str
    features: dict[str, int]
    known_at: str
    timezone: str
    since: datetime | None
    first: datetime
    last: datetime
    has_dropoffs: bool
    months: dict[str, Part]
    trips: Part
    notes: tuple[str, ...]

    @property
    def last_moment(self) -> datetime:
        """The time of the last rows, with the time zone."""
        return self.last.replace(tzinfo=ZoneInfo(self.timezone))


def stores(settings: Settings) -> Iterator[FeatureStore]:
    """Yield the stores of the features folder, at most 100."""
    for path in sorted(settings.features_dir.glob(f"*/{DOCUMENT}"))[:_MOST_STORES]:
        if re.fullmatch(MODEL_NAME, path.parent.name):
            yield FeatureStore(settings, path.parent.name)


class FeatureStore:
    """The features of one model in a folder."""

    def __init__(self, settings: Settings, model: str) -> None:
        """Take the settings, and the name of the model. Raises UsageError if it is not one."""
        if not re.fullmatch(MODEL_NAME, model):
            raise UsageError(f"{model!r} is not the name of a model")
        self.model = model
        self.folder = settings.features_dir / model

    @property
    def online(self) -> Path:
        """The database of the online store, where that is no Redis."""
        return self.folder / ONLINE

    def contents(self) -> Contents:
        """Return what the store holds. Raises UsageError if that is nothing, or was made by other definitions."""
        path = self.folder / DOCUMENT
        try:
            contents = Contents.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise UsageError(
                f"there are no features of model {self.model!r} in {self.folder}; `taxi features build` makes them"
            ) from None
        except (OSError, ValidationError) as error:
            raise UsageError(f"{path}: cannot be read ({str(error).partition(chr(10))[0]}); build again") from None
        if contents.features != definitions.versions():
            raise UsageError(f"{path}: the features have other definitions by now; build again")
        return contents

    def size(self, contents: Contents) -> int:
        """Return the bytes of the files that are valid; one that is removed meanwhile counts as nothing."""
        paths = (self.folder / name for name in self._files(contents))
        return sum(path.stat().st_size for path in paths if path.exists())

    @contextmanager
    def building(self) -> Iterator[None]:
        """Keep other builds out. Raises UsageError if one is under way, TaxiError if the folder cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / _LOCK, timeout=0):
                yield
        except Timeout:
            raise UsageError(f"{self.folder}: another build is under way; try again when it has ended") from None
        except TaxiError:  # some are errors of the operating system, too
            raise
        except OSError as error:
            raise TaxiError(f"{self.folder}: cannot be written ({error.strerror or error})") from error

    def write(self, name: str, rows: pl.DataFrame) -> str:
        """Write a file that no document names yet, and return its name."""
        file = f"{name}-{secrets.token_hex(8)}.parquet"
        rows.write_parquet(self.folder / file, compression="zstd", statistics=True)
        return file

    def publish(self, contents: Contents) -> None:
        """Make these the contents, and remove the files that neither they nor those before name."""
        try:
            before = self._files(self.contents())
        except UsageError:
            before = set()
        write_atomically(self.folder / DOCUMENT, to_json(contents))
        kept = before | self._files(contents)
        for path in self.folder.glob("*.parquet"):
            if path.name not in kept:
                path.unlink(missing_ok=True)

    def hotspot_rows(self, contents: Contents, months: Mapping[str, Part] | None = None) -> pl.LazyFrame:
        """Return the rows of hotspots, of all months or of some, to be read as far as they are needed."""
        import polars as pl

        parts = contents.months if months is None else months
        return pl.scan_parquet([self.folder / part.file for _, part in sorted(parts.items())])

    def trip_rows(self, contents: Contents) -> pl.LazyFrame:
        """Return the rows of trips, to be read as far as they are needed."""
        import polars as pl

        return pl.scan_parquet(self.folder / contents.trips.file)

    @staticmethod
    def _files(contents: Contents) -> set[str]:
        return {part.file for part in (*contents.months.values(), contents.trips)}
