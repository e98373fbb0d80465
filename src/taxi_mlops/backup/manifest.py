"""What a backup consists of, with the checksum of each part."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BackedUpFile(_Document):
    """A file of the stack's folder. path: relative to it."""

    path: str
    size: int
    sha256: Sha256


class BackedUpObject(_Document):
    """An object of a bucket. etag: as the store gave it, without quotation marks."""

    key: str
    size: int
    sha256: Sha256
    etag: str
    content_type: str | None = None
    metadata: dict[str, str] = {}


class RowCounts(_Document):
    """Rows of a table, at least and at most: before and after the base backup, while others may write."""

    least: int
    most: int


class DatabaseBackup(_Document):
    """The base backup of PostgreSQL. label: of pgBackRest. tables: by database and `schema.table`."""

    label: str
    version: str
    size: int
    tables: dict[str, dict[str, RowCounts]]


class Manifest(_Document):
    """One backup of a stack."""

    schema_version: int = Field(default=1, ge=1, le=1)
    label: str
    created: datetime
    taxi_version: str
    services: tuple[str, ...]
    postgresql: DatabaseBackup | None
    files: tuple[BackedUpFile, ...]
    buckets: dict[str, tuple[BackedUpObject, ...]]

    @property
    def contents(self) -> dict[str, str]:
        """The SHA-256 of every file and object, by a name for people."""
        files = {f"file {one.path}": one.sha256 for one in self.files}
        objects = {f"object {name}/{one.key}": one.sha256 for name, found in self.buckets.items() for one in found}
        return {**files, **objects}
