"""Resolve what a user names as data: a file, folder, glob, pipe or standard input, an address, `tlc:` or `delta:`.

Pipes are copied to a temporary file first, since files are read more than once (header, rows, fingerprint).
"""

from __future__ import annotations

import atexit
import glob
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from taxi_mlops.data.delta import TableAddress, find_version
from taxi_mlops.data.download import displayed, fetch
from taxi_mlops.data.files import TripFile
from taxi_mlops.data.objects import SCHEME, ObjectAddress, ObjectStore, StoredObject
from taxi_mlops.data.progress import Progress
from taxi_mlops.data.request import DELTA
from taxi_mlops.errors import DataError, DataNotFoundError
from taxi_mlops.settings import Settings

STANDARD_INPUT = "-"
DATA_SUFFIXES = frozenset(
    {".csv", ".tsv", ".txt", ".parquet", ".pq", ".arrow", ".feather", ".json", ".ndjson", ".jsonl", ".geojson", ".gpx"}
    | {".fgb", ".gpkg", ".shp"}
)
"""Suffixes of the files that are used from a folder; a suffix of compression may follow."""
_EDGE_BYTES = 1 << 20
_TLC_MONTH = re.compile(r"tlc:(?P<cab>yellow|green)/(?P<month>20\d\d-(?:0[1-9]|1[0-2]))")


@dataclass(frozen=True, slots=True)
class Source:
    """The files behind a name, in the order in which they are read, and the name that outputs show.

    version: of a table that has versions; then the name has its number.
    """

    uri: str
    files: tuple[TripFile, ...]
    version: str | None = None


def resolve(name: str, settings: Settings, on_progress: Progress | None = None, *, month: str | None = None) -> Source:
    """Find the files; remote ones are downloaded into the cache first. month: of a table of versions, only this one's.

    Raises DataError if nothing is there, and DownloadError if a server does not deliver.
    """
    scheme = name.partition(":")[0].lower()
    if scheme == "tlc":
        return Source(name, (fetch(_tlc_url(name, settings), settings, on_progress),))
    if name.startswith(DELTA):
        found = find_version(TableAddress.parse(name), settings, month)
        return Source(str(found.address), found.files, found.identity)
    if month is not None:
        raise DataError(f"{name}: --month is for tables of versions, delta:TABLE; leave it out")
    if "://" in name:
        if scheme == SCHEME:
            return Source(name, ObjectStore(settings).find(ObjectAddress.parse(name)))
        if scheme not in {"http", "https"}:
            raise DataError(
                f"{displayed(name)}: {scheme}:// is not supported; use a file, http(s)://, s3://bucket/key or "
                "tlc:yellow/2010-01"
            )
        return Source(displayed(name), (fetch(name, settings, on_progress),))
    return Source(name, _local(name, settings))


def resolve_file(name: str, settings: Settings, on_progress: Progress | None = None) -> TripFile:
    """Find the one file behind a name. Raises as `resolve` does, and DataError if there are several."""
    files = resolve(name, settings, on_progress).files
    if len(files) != 1:
        raise DataError(f"{name}: stands for {len(files)} files; name one")
    return files[0]


def identity(files: Sequence[TripFile]) -> str:
    """Return an identifier of files and their current content: a line for each.

    It includes `data_version`, and for local files also path, size and time of the last change.
    """
    return "\n".join([data_version(files), *(f"{part} {_state(part)}" for file in files for part in _parts(file))])


def _parts(file: TripFile) -> Iterator[TripFile]:
    """Yield the file, and the other files that a Shapefile consists of."""
    yield file
    if isinstance(file, Path) and file.suffix.lower() == ".shp":
        yield from (part for suffix in (".dbf", ".prj", ".shx") if (part := file.with_suffix(suffix)).exists())


def _state(file: TripFile) -> str:
    if isinstance(file, StoredObject):
        return file.identity
    try:
        state = file.stat()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from error
    return f"{file.resolve()} {state.st_size} {state.st_mtime_ns}"


def data_version(files: Sequence[TripFile]) -> str:
    """Return a version of files without reading them whole.

    The version of a single object of a store is its version and ETag. Otherwise it is 16 hexadecimal digits: SHA-256
    over those of each object, and over the size, the first and the last MiB of each file. It is the same for a copy,
    and changes when a Parquet file is rewritten (its footer is at the end) or rows are appended. It does not change by
    an edit of equal length in the middle of a large CSV file; the fingerprint of the points does.
    """
    if len(files) == 1 and isinstance(files[0], StoredObject):
        return files[0].identity
    digest = hashlib.sha256()
    for part in (part for file in files for part in _parts(file)):
        digest.update(f"{part.identity}\n".encode() if isinstance(part, StoredObject) else _edges(part))
    return digest.hexdigest()[:16]


def _edges(path: Path) -> bytes:
    """Return the size of a file as a line, its first and its last MiB."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            start = file.read(_EDGE_BYTES)
            file.seek(max(0, size - _EDGE_BYTES))
            return f"{size}\n".encode() + start + file.read(_EDGE_BYTES)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _local(name: str, settings: Settings) -> tuple[Path, ...]:
    if name == STANDARD_INPUT:
        if sys.stdin.isatty():
            raise DataError("- stands for standard input, which is a terminal; pipe a file into it, or name one")
        return (_spooled(name, settings),)
    path = Path(name).expanduser()
    if path.is_fifo():
        return (_spooled(str(path), settings),)
    if path.is_dir():
        return _files_of(path)
    if path.exists():
        return (path,)
    found = glob.glob(str(path), recursive=True)  # noqa: PTH207 (Path.glob takes no absolute patterns)
    matches = sorted(match for match in map(Path, found) if match.is_file())
    if not matches:
        what = "no file matches" if glob.has_magic(name) else "there is no such file"
        raise DataNotFoundError(f"{name}: {what} (in {Path.cwd()})")
    return tuple(matches)


def _files_of(folder: Path) -> tuple[Path, ...]:
    """Return the files of trips in a folder and its subfolders, which must have one format by their suffixes."""
    kinds: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() in DATA_SUFFIXES]
        if suffixes and path.is_file() and not any(part.startswith((".", "_")) for part in inside):
            kinds.setdefault(suffixes[0], []).append(path)
    if not kinds:
        raise DataError(f"{folder}: a folder without files of trips ({', '.join(sorted(DATA_SUFFIXES))})")
    if len(kinds) > 1:
        listed = ", ".join(f"{len(files)} {kind}" for kind, files in sorted(kinds.items()))
        raise DataError(f"{folder}: a folder with files of several kinds ({listed}); name one kind: '{folder}/*.csv'")
    (files,) = kinds.values()
    return tuple(files)


@cache
def _spool_folder(cache_dir: Path) -> tempfile.TemporaryDirectory[str]:
    """Return the folder to which this process copies pipes; removed when it ends."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    folder = tempfile.TemporaryDirectory(prefix="pipes-", dir=cache_dir)
    atexit.register(folder.cleanup)
    return folder


def _spooled(name: str, settings: Settings) -> Path:
    """Return the copy of a pipe, made once in this process: a pipe can be read only once."""
    known = _spools.get(name)
    if known is not None:
        return known
    limit = settings.http_max_bytes
    try:
        target = Path(_spool_folder(settings.cache_dir).name) / (
            "standard-input" if name == STANDARD_INPUT else Path(name).name
        )
        with target.open("wb") as copy, _reading(name) as pipe:
            while chunk := pipe.read(_EDGE_BYTES):
                copy.write(chunk)
                if copy.tell() > limit:
                    raise DataError(f"{name}: more than {limit:,} bytes came; save it to a file and name that")
    except OSError as error:
        raise DataError(f"{name}: cannot be copied to {settings.cache_dir} ({error.strerror or error})") from error
    return _spools.setdefault(name, target)


_spools: dict[str, Path] = {}
"""The copies that this process has made, by the name of the pipe."""


def _reading(name: str) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(sys.stdin.buffer) if name == STANDARD_INPUT else Path(name).open("rb")


def _tlc_url(name: str, settings: Settings) -> str:
    match = _TLC_MONTH.fullmatch(name)
    if match is None:
        raise DataError(f"{name}: months of New York's records are named like tlc:yellow/2010-01 or tlc:green/2016-05")
    return f"{str(settings.tlc_base_url).rstrip('/')}/{match['cab']}_tripdata_{match['month']}.parquet"
