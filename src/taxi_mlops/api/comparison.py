"""`taxi_mlops.compare`: run a comparison, with the results as an object."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, get_type_hints

from taxi_mlops.api.documents import document_for
from taxi_mlops.api.keywords import in_keywords, takes_keywords
from taxi_mlops.api.libraries import require
from taxi_mlops.api.showing import text_of
from taxi_mlops.api.watching import watched
from taxi_mlops.domain import LabelArray
from taxi_mlops.errors import UsageError
from taxi_mlops.pipeline import compare as steps
from taxi_mlops.recording.recordings import Recordings
from taxi_mlops.reports.labels import read_labels
from taxi_mlops.reports.notebook import comparison_html
from taxi_mlops.reports.terminal import render, sentence
from taxi_mlops.results.comparison import Comparison as ComparisonDocument
from taxi_mlops.results.comparison import read_comparison
from taxi_mlops.results.new_folder import folder_of_now
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.settings import load_settings
from taxi_mlops.specification import ComparisonParameters, Specification

if TYPE_CHECKING:
    import pandas as pd


class Comparison:
    """The results of a comparison, from the folder of its run, which may be one that `taxi compare` wrote.

    A notebook shows the verdict, the ranking and the map; a terminal the table of `taxi compare`.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Read the results. Raises RunFolderError if the folder holds no run that has ended."""
        self._folder = RunFolder(Path(folder))
        self.result: ComparisonDocument = read_comparison(self._folder.comparison)
        """All values: `comparison.json` as an object."""

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self._folder.path

    @property
    def report(self) -> Path:
        """The report, a page for the browser."""
        return self._folder.report

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        return sentence(self.result)

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict on the clustering of each adapter, in the order of `comparison.json`.

        `reference`; against it `equal`, `equal_within_rounding` or `different`; or how the trials ended, as `timeout`,
        where there is no answer to compare.
        """
        return {
            result.name: "reference"
            if result.name == self.result.reference
            else str(result.equivalence.verdict if result.equivalence else result.status)
            for result in self.result.adapters
        }

    def labels(self, adapter: str) -> LabelArray:
        """Return the clusters that an adapter found, int32 of shape (n,), −1 for noise.

        Points are in the order of the trips. Raises UsageError for an adapter that gave no answer.
        """
        known = {result.name: result.labels for result in self.result.adapters if result.labels is not None}
        if adapter not in known:
            raise UsageError(f"there are no labels of {adapter!r}; there are those of {', '.join(known) or 'none'}")
        return read_labels(adapter, self.folder / str(known[adapter])).labels

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each adapter, the first of the ranking first, indexed by its name.

        Columns have the names of `comparison.json`, those of inner objects after a dot: `speedup.estimate`. Raises
        LibraryMissingError without pandas.
        """
        pandas = require("pandas")
        results = {result.name: result for result in self.result.adapters}
        of_ranking = {"rank", "tied_with", "slower_than_winner"}
        rows = [
            entry.model_dump(include=of_ranking) | results[entry.name].model_dump() for entry in self.result.ranking
        ]
        inner = {name for row in rows for name, value in row.items() if isinstance(value, dict)}
        rows = [{name: value for name, value in row.items() if value is not None or name not in inner} for row in rows]
        return pandas.json_normalize(rows).set_index("name")

    def __repr__(self) -> str:
        return text_of(render(self._shown))

    def _repr_html_(self) -> str:
        return self._html

    @property
    def _shown(self) -> ComparisonDocument:
        """Return the results with warnings that name keyword arguments instead of flags."""
        types = get_type_hints(ComparisonParameters)
        warnings = tuple(in_keywords(warning, types) for warning in self.result.warnings)
        return self.result.model_copy(update={"warnings": warnings})

    @cached_property
    def _html(self) -> str:
        return comparison_html(self._shown, self._folder)


@takes_keywords(Specification, ComparisonParameters)
def compare(
    trips: object = None, /, *, output: str | os.PathLike[str] | None = None, **parameters: Unpack[ComparisonParameters]
) -> Comparison:
    """Run implementations of DBSCAN on the same trips, check which clusterings are equal, and rank them.

    Each trial is a process of its own, as with `taxi compare`; no guard of `__main__` is needed. Results are written
    into a folder, and recorded where the settings say so. A notebook shows a bar; nothing is printed.

    Parameters
    ----------
    trips : Trips, or whatever `load` takes, default: a synthetic city of 20,000 trips
        What to cluster. Parameters that choose points are given here only where the trips are not loaded yet.
    output : path, default: a new folder in runs/
        Where the results go.

    Returns
    -------
    Comparison
        The results.

    Raises
    ------
    UsageError
        Where an argument is wrong or the trips cannot be used; a ValueError.
    TaxiError
        Where the run fails.

    Examples
    --------
    >>> import taxi_mlops as taxi
    >>> comparison = taxi.compare(trips, eps=50, adapters=["grid", "sklearn"], repeats=3)  # doctest: +SKIP
    >>> comparison.verdicts  # doctest: +SKIP
    {'grid': 'equal', 'sklearn': 'reference'}
    """
    settings = load_settings()
    folder = RunFolder(Path(output) if output else folder_of_now(settings.runs_dir))
    specification, load = document_for(Specification(), trips, parameters, stored=folder.trips)
    with watched() as observer:
        steps.compare(specification, folder, settings, observer, load=load)
        if not folder.report.is_file():
            observer.warning(f"the report failed ({folder.log} says why)")
        for recording in Recordings.read(folder).failed:
            observer.warning(
                f"not recorded in {recording.recorder}: {recording.reason}; try again with: taxi record {folder.path}"
            )
    return Comparison(folder.path)
