"""Draw where trips came from and what came from them: `taxi lineage --output`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_mlops.errors import TaxiError, UsageError
from taxi_mlops.files import write_atomically
from taxi_mlops.models.registry import CHAMPION, ModelVersion
from taxi_mlops.reports.graph_picture import Box, Column, graph_svg, page_of
from taxi_mlops.runs.listing import RunSummary
from taxi_mlops.versions import Version

if TYPE_CHECKING:
    from taxi_mlops.pipeline.lineage import Lineage

_MOST = 30
"""Boxes of a kind; the others are one box, which has their number."""
_TRIPS = "trips"


def lineage_svg(found: Lineage) -> str:
    """Return the way from files over commits and trips to runs and models, as an SVG picture."""
    files, commits, runs, models = (dict[str, Box](), dict[str, Box](), dict[str, Box](), dict[str, Box]())
    edges = list[tuple[str, str]]()
    for one in reversed(found.commits[:_MOST]):
        file, commit = f"file {one.source}", f"commit {one.number}"
        files[file], commits[commit] = Box((one.source,)), Box(_of_commit(one))
        edges += [(file, commit), (commit, _TRIPS)]
    for run in found.runs[:_MOST]:
        runs[f"run {run.folder}"] = Box(_of_run(run))
    for model in found.models[:_MOST]:
        models[f"model {model.name} {model.version}"] = Box(_of_model(model), marked=CHAMPION in model.aliases)
    kinds: tuple[tuple[str, dict[str, Box], Sequence[object]], ...] = (
        ("earlier commits", commits, found.commits),
        ("earlier runs", runs, found.runs),
        ("more models", models, found.models),
    )
    for words, boxes, every in kinds:
        if len(every) > _MOST:
            boxes[words] = Box((f"{len(every) - _MOST:,} {words}",))
    edges += [(_TRIPS, key) for key in (*runs, *models)]
    columns = (
        Column("files", files),
        Column("commits", commits),
        Column("trips", {_TRIPS: Box((found.uri,))}),
        Column("runs and models", runs | models),
    )
    return graph_svg(_title(found), columns, edges)


def save_lineage(found: Lineage, path: str | os.PathLike[str]) -> Path:
    """Write the picture to a file named like .svg, or .html for a page, and return its path.

    Raises UsageError for another name, TaxiError if it cannot be written.
    """
    file, svg = Path(path), lineage_svg(found)
    if file.suffix.lower() not in {".svg", ".html"}:
        raise UsageError(f"{file}: the picture is SVG or HTML; name a file like lineage.svg or lineage.html")
    try:
        write_atomically(file, svg if file.suffix.lower() == ".svg" else page_of(_title(found), svg))
    except OSError as error:
        raise TaxiError(f"{file}: cannot be written ({error.strerror or error})") from error
    return file


def _title(found: Lineage) -> str:
    return f"Lineage of {found.uri}"


def _of_commit(one: Version) -> tuple[str, ...]:
    month = f" of {one.month}" if one.month else ""
    lines = (f"version {one.number}", f"{one.rows or 0:,} rows{month}", f"{one.time:%Y-%m-%d %H:%M} UTC")
    return tuple(line for line in (*lines, one.message, ", ".join(one.tags)) if line)


def _of_run(run: RunSummary) -> tuple[str, ...]:
    lines = [run.folder.name, ", ".join(run.adapters), f"best: {', '.join(run.winners)}" if run.winners else ""]
    return tuple(line for line in lines if line)


def _of_model(model: ModelVersion) -> tuple[str, ...]:
    lines = (f"{model.name} version {model.version}", ", ".join(model.aliases))
    return tuple(line for line in lines if line)
