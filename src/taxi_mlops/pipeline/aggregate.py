"""Write the trends of all recorded runs as a page."""

from __future__ import annotations

from pathlib import Path

from taxi_mlops.errors import UsageError
from taxi_mlops.files import write_atomically
from taxi_mlops.reports.trends import page
from taxi_mlops.runs.listing import RunFilter
from taxi_mlops.runs.trends import Trends, read_trends
from taxi_mlops.service_urls import needed_experiments_url
from taxi_mlops.settings import Settings


def write_trends(settings: Settings, wanted: RunFilter, path: Path | None) -> Trends:
    """Read the trends from the experiment store, and write their page if a path is given.

    Raises UsageError if there is no store or the page cannot be written, ServiceError where the store fails.
    """
    trends = read_trends(needed_experiments_url(settings), wanted)
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, page(trends))
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from None
    return trends
