"""Check rows before a commit. What fails is kept apart: no version shows it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from taxi_mlops.data.delta import SIDE_FOLDER, side_file
from taxi_mlops.data.files import TripFile
from taxi_mlops.data.load import open_loader
from taxi_mlops.data.preprocessor import RegionSample, judge_rows
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.data.schemas import Zone
from taxi_mlops.domain import FloatArray
from taxi_mlops.errors import DataError
from taxi_mlops.settings import Settings
from taxi_mlops.versions.expectations import expectations_of
from taxi_mlops.versions.records import CommitRecord
from taxi_mlops.versions.row_statistics import RowStatistics
from taxi_mlops.versions.table_files import TableFile
from taxi_mlops.versions.table_folder import TableFolder

QUARANTINE = "quarantine"
"""Folder beside the table of the commits that failed the checks, a folder each."""


@dataclass(frozen=True, slots=True, eq=False)
class ReadPoints:
    """The points of some trips, read as other commands would.

    latitude, longitude: of a sample of about a million, degrees, float64 of shape (n,); none of zones. unusable: why
    they cannot be used; empty if they can.
    """

    latitude: FloatArray
    longitude: FloatArray
    unusable: str = ""


def read_points(files: Sequence[TripFile], request: LoadRequest) -> ReadPoints:
    """Read the points of files whose rows are to be committed. request: which columns hold them."""
    sample, row = RegionSample(), 0
    try:
        loader = open_loader(files, request)
        if isinstance(loader.place, Zone):
            deque(loader.zone_numbers(), maxlen=0)
            return ReadPoints(*sample.points())
        for latitude, longitude in loader.coordinates():
            judged = judge_rows(row, latitude, longitude)
            sample.add(judged.row, judged.latitude, judged.longitude)
            row += latitude.size
    except DataError as error:
        # without the name of the file in the folder that is removed
        return ReadPoints(*sample.points(), str(error).partition(": ")[2])
    return ReadPoints(*sample.points())


def check(
    record: CommitRecord,
    before: Sequence[tuple[int, CommitRecord]],
    points: ReadPoints,
    written: Sequence[TableFile],
    folder: TableFolder,
    settings: Settings,
    *,
    accept: bool,
) -> None:
    """Raise DataError, and put the rows into quarantine, if they cannot be used or are not as expected.

    before: the commits before. written: files of the rows that were written for this commit, which are moved into the
    quarantine; others stay where they are. accept: also if they are not as expected.
    """
    if points.unusable:
        raise _quarantined(folder, record, written, (points.unusable,), "")
    if accept:
        return
    expected = expectations_of(folder.location, settings)
    broken = expected.broken(record.statistics, _statistics(before, record.month))
    if broken:
        raise _quarantined(folder, record, written, broken, "; --accept commits them if they are right")


def _statistics(before: Sequence[tuple[int, CommitRecord]], month: str | None) -> list[RowStatistics]:
    """Return those of the commits that a new one is compared with: of months, or of no month."""
    return [record.statistics for _, record in before if (record.month is None) == (month is None)]


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
