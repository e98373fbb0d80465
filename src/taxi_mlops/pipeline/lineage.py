"""Which commits, runs and models belong to the same trips: `taxi lineage`, and what a vacuum must keep."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from taxi_mlops.data.delta import TableAddress, find_version, versions_named
from taxi_mlops.data.request import DELTA
from taxi_mlops.errors import TaxiError, UsageError
from taxi_mlops.models.registry import CHAMPION, ModelVersion, Registry, open_registry, split_reference
from taxi_mlops.runs.listing import RunSummary, list_runs
from taxi_mlops.settings import Settings
from taxi_mlops.versions import Version, history

_DATA = "data"


@dataclass(frozen=True, slots=True)
class Lineage:
    """What came from some trips.

    uri: their name; of a table with the number of the version. commits: of a table, up to this version, the newest
    first. no_models: why the registry could not be asked; empty if it was.
    """

    uri: str
    commits: tuple[Version, ...]
    runs: tuple[RunSummary, ...]
    models: tuple[ModelVersion, ...]
    no_models: str = ""

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture of the way from files to models to a file named like .svg, or .html for a page.

        Returns its path. Raises UsageError for another name, TaxiError if it cannot be written.
        """
        from taxi_mlops.pipeline.lineage_picture import save_lineage

        return save_lineage(self, path)

    def _repr_svg_(self) -> str:
        from taxi_mlops.pipeline.lineage_picture import lineage_svg

        return lineage_svg(self)


def lineage_of(reference: str, settings: Settings) -> Lineage:
    """Follow trips to runs and models.

    reference: a version, as delta:TABLE@5; the id or the folder of a run; or a model, as NAME or NAME@VERSION.
    Raises UsageError if it is none of these, DataError if there is no such version.
    """
    runs = list_runs(settings.runs_dir)
    models, no_models = list[ModelVersion](), ""
    try:
        models = list(_models(open_registry(settings)))
    except TaxiError as error:
        no_models = str(error)
    uri = _uri(reference, runs, models, settings)
    return Lineage(
        uri=uri,
        commits=_commits(uri, settings) if uri.startswith(DELTA) else (),
        runs=tuple(run for run in runs if run.uri and _same(run.uri, uri)),
        models=tuple(model for model in models if _same(model.values.get(_DATA, ""), uri)),
        no_models=no_models,
    )


def versions_in_use(table: str, settings: Settings) -> set[int]:
    """Return the versions of a table that runs in the runs folder or models in the registry name.

    Raises ServiceError if the registry does not answer. Without a registry, there are no models.
    """
    names = [run.uri for run in list_runs(settings.runs_dir) if run.uri]
    try:
        registry = open_registry(settings)
    except UsageError:
        return versions_named(table, names)
    return versions_named(table, [*names, *(model.values.get(_DATA, "") for model in _models(registry))])


def _models(registry: Registry) -> Iterator[ModelVersion]:
    for name in registry.names():
        yield from registry.versions(name)


def _uri(reference: str, runs: tuple[RunSummary, ...], models: list[ModelVersion], settings: Settings) -> str:
    if reference.startswith(DELTA):
        return str(find_version(TableAddress.parse(reference), settings).address)
    folder = Path(reference).resolve()
    for run in runs:
        if run.uri and (reference == run.run_id or run.folder.resolve() == folder):
            return run.uri
    name, wanted = split_reference(reference, CHAMPION)
    for model in models:
        if model.name == name and wanted in (model.version, *model.aliases) and _DATA in model.values:
            return model.values[_DATA]
    raise UsageError(
        f"{reference}: is no version (delta:TABLE@5), no run in {settings.runs_dir} and no model (NAME@VERSION)"
    )


def _commits(uri: str, settings: Settings) -> tuple[Version, ...]:
    number = int(TableAddress.parse(uri).version)
    versions = history(TableAddress.parse(uri).location, settings)
    return tuple(one for one in versions if one.number <= number and one.rows is not None)


def _same(one: str, other: str) -> bool:
    """Return whether two names stand for the same trips, also where a table's folder is written otherwise."""
    if not (one.startswith(DELTA) and other.startswith(DELTA)):
        return one == other
    return bool(versions_named(TableAddress.parse(one).location, [other]) & versions_named(one, [one]))
