"""Check rows before a commit. What fails is kept apart: no version shows it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence

from taxi_mlops.data.delta import SIDE_FOLDER, side_file
from taxi_mlops.data.files import TripFile
from taxi_mlops.data.load import open_loader
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.data.schemas import Zone
from taxi_mlops.errors import DataError
from taxi_mlops.settings import Settings
from taxi_mlops.versions.expectations import expectations_of
from taxi_mlops.versions.records import CommitRecord
from taxi_mlops.versions.row_statistics import RowStatistics
from taxi_mlops.versions.table_files import TableFile
from taxi_mlops.versions.table_folder import TableFolder

QUARANTINE = "quarantine"
"""Folder beside the table of the commits that failed the checks, a folder each."""


def check(
    record: CommitRecord,
    before: Sequence[tuple[int, CommitRecord]],
    files: Sequence[TripFile],
    written: Sequence[TableFile],
    request: LoadRequest,
    folder: TableFolder,
    settings: Settings,
    *,
    accept: bool,
) -> None:
    """Raise DataError, and put the rows into quarantine, if they cannot be used or are not as expected.

    before: the commits before. files: that hold the rows. written: those of them that were written for this commit,
    which are moved into the quarantine; others stay where they are. accept: also if they are not as expected.
    """
    unusable = _unusable(files, request)
    if unusable:
        raise _quarantined(folder, record, written, (unusable,), "")
    if accept:
        return
    expected = expectations_of(folder.location, settings)
    broken = expected.broken(record.statistics, _statistics(before, record.month))
    if broken:
        raise _quarantined(folder, record, written, broken, "; --accept commits them if they are right")


def _statistics(before: Sequence[tuple[int, CommitRecord]], month: str | None) -> list[RowStatistics]:
    """Return those of the commits that a new one is compared with: of months, or of no month."""
    return [record.statistics for _, record in before if (record.month is None) == (month is None)]


def _unusable(files: Sequence[TripFile], request: LoadRequest) -> str:
    """Return why the points of the trips cannot be used, as other commands would say it; empty if they can."""
    try:
        loader = open_loader(files, request)
        batches: Iterator[object] = loader.zone_numbers() if isinstance(loader.place, Zone) else loader.coordinates()
        deque(batches, maxlen=0)
    except DataError as error:
        return str(error).partition(": ")[2]  # without the name of the file in the folder that is removed
    return ""


def _quarantined(
    folder: TableFolder, record: CommitRecord, written: Sequence[TableFile], broken: Sequence[str], advice: str
) -> DataError:
    """Keep the rows and a report beside the table. Return the error to raise."""
    name = f"{QUARANTINE}/{record.commit_id}"
    for file in written:
        folder.put(file.path, f"{SIDE_FOLDER}/{name}/{file.path.name}")
    report = {"broken": list(broken), "commit": record.model_dump()}
    folder.create(f"{name}/report.json", json.dumps(report, indent=2).encode())
    kept = "The rows and a report are" if written else "The files stay where they are; a report is"
    return DataError(
        f"{record.source}: not committed: {'; '.join(broken)}. {kept} in {side_file(folder.location, name)}{advice}"
    )
