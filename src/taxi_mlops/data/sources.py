"""What a user may name as data: a file, a glob, an http(s) or s3 address, or a month of New York (`tlc:`)."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from taxi_mlops.data.download import displayed, fetch
from taxi_mlops.data.objects import SCHEME, ObjectAddress, ObjectStore, StoredObject
from taxi_mlops.data.progress import Progress
from taxi_mlops.data.tables import TripFile
from taxi_mlops.errors import DataError
from taxi_mlops.settings import Settings

_EDGE_BYTES = 1 << 20
_TLC_MONTH = re.compile(r"tlc:(?P<cab>yellow|green)/(?P<month>20\d\d-(?:0[1-9]|1[0-2]))")


@dataclass(frozen=True, slots=True)
class Source:
    """The files behind a name, in the order in which they are read, and the name as outputs show it."""

    uri: str
    files: tuple[TripFile, ...]


def resolve(name: str, settings: Settings, on_progress: Progress | None = None) -> Source:
    """Find the files; what is not on this machine is downloaded into the cache first.

    Raises DataError where nothing is there, and DownloadError where a server does not deliver.
    """
    scheme = name.partition(":")[0].lower()
    if scheme == "tlc":
        return Source(name, (fetch(_tlc_url(name, settings), settings, on_progress),))
    if "://" in name:
        if scheme == SCHEME:
            return Source(name, ObjectStore(settings).find(ObjectAddress.parse(name)))
        if scheme not in {"http", "https"}:
            raise DataError(
                f"{displayed(name)}: {scheme}:// is not supported; use a file, http(s)://, s3://bucket/key or "
                "tlc:yellow/2010-01"
            )
        return Source(displayed(name), (fetch(name, settings, on_progress),))
    return Source(name, _local(name))


def resolve_file(name: str, settings: Settings, on_progress: Progress | None = None) -> TripFile:
    """Find the one file behind a name. Raises as `resolve` does, and DataError where there are several."""
    files = resolve(name, settings, on_progress).files
    if len(files) != 1:
        raise DataError(f"{name}: stands for {len(files)} files; name one")
    return files[0]


def identity(files: Sequence[TripFile]) -> str:
    """Tells files from any others, and from what they may be later: a line for each.

    Beside what `data_version` looks at, path, size and time of the last change count for files of this machine.
    """
    return "\n".join([data_version(files), *(f"{file} {_state(file)}" for file in files)])


def _state(file: TripFile) -> str:
    if isinstance(file, StoredObject):
        return file.identity
    try:
        state = file.stat()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from error
    return f"{file.resolve()} {state.st_size} {state.st_mtime_ns}"


def data_version(files: Sequence[TripFile]) -> str:
    """Tell versions of files apart without reading them whole.

    A single object of a store is told by its version and ETag. Else 16 hexadecimal digits: SHA-256 over those of each
    object, and over the size, the first and the last MiB of each file: the same for a copy, another one after any
    rewriting of a Parquet file (its footer is at the end) or appending. An edit of equal length in the middle of a
    large CSV file goes unseen here; the fingerprint of the points sees all.
    """
    if len(files) == 1 and isinstance(files[0], StoredObject):
        return files[0].identity
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.identity}\n".encode() if isinstance(file, StoredObject) else _edges(file))
    return digest.hexdigest()[:16]


def _edges(path: Path) -> bytes:
    """The size of a file as a line, its first and its last MiB."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            start = file.read(_EDGE_BYTES)
            file.seek(max(0, size - _EDGE_BYTES))
            return f"{size}\n".encode() + start + file.read(_EDGE_BYTES)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _local(name: str) -> tuple[Path, ...]:
    path = Path(name).expanduser()
    if path.exists():
        return (path,)
    found = glob.glob(str(path), recursive=True)  # noqa: PTH207 (Path.glob takes no absolute patterns)
    matches = sorted(match for match in map(Path, found) if match.is_file())
    if not matches:
        what = "no file matches" if glob.has_magic(name) else "there is no such file"
        raise DataError(f"{name}: {what} (in {Path.cwd()})")
    return tuple(matches)


def _tlc_url(name: str, settings: Settings) -> str:
    match = _TLC_MONTH.fullmatch(name)
    if match is None:
        raise DataError(f"{name}: months of New York's records are named like tlc:yellow/2010-01 or tlc:green/2016-05")
    return f"{str(settings.tlc_base_url).rstrip('/')}/{match['cab']}_tripdata_{match['month']}.parquet"
