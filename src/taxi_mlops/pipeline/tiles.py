"""Cluster points in tiles, which wait on disk: `taxi cluster` for points that do not fit into memory.

Whatever is finished is a file, so that a run can be killed at any moment and resumed: the survey with the plan, each
stretch of rows that is put in tiles, each tile, each part of the labels.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from taxi_mlops import __version__
from taxi_mlops.clustering import Cluster
from taxi_mlops.data.load import OpenedTrips, open_trips
from taxi_mlops.data.pieces import WRAPPED, TripPiece, settle
from taxi_mlops.data.preprocessor import Rule, notes_on_wrapping
from taxi_mlops.data.regions import BoundingBox
from taxi_mlops.domain import AdapterInfo, FloatArray, Provenance
from taxi_mlops.errors import DataError, RunFolderError, TaxiError
from taxi_mlops.files import write_atomically
from taxi_mlops.monitoring import catalogue
from taxi_mlops.pipeline.cluster import Stopwatch
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.place import GRID, ChosenPlace, memory_limit
from taxi_mlops.pipeline.spilling import in_bucket, open_spill, require_unused
from taxi_mlops.pipeline.tiles_telemetry import monitored_tiles
from taxi_mlops.pipeline.workers import Workers, open_workers
from taxi_mlops.reports.units import memory
from taxi_mlops.results.cluster_result import ClusterFolder
from taxi_mlops.results.documents import read_document, to_json
from taxi_mlops.results.new_folder import require_empty
from taxi_mlops.results.tile_run import SurveyUsed, TileRun, TileRunFolder
from taxi_mlops.scale.boxes import overlapping
from taxi_mlops.scale.executors import Executor
from taxi_mlops.scale.plan import Plan, make_plan
from taxi_mlops.scale.run import Limits, Progress, Survey, Tiled, Tiling, survey_pieces
from taxi_mlops.scale.shared_folders import NotSharedError
from taxi_mlops.scale.sketch import Sketch
from taxi_mlops.scale.spill import Spill
from taxi_mlops.settings import Settings

_SPILL_BYTES_PER_ROW = 24
_STAGES = {
    "survey": "Counting the points",
    "scatter": "Putting the points in tiles",
    "cluster": "Clustering the tiles",
    "label": "Writing the labels",
}


@dataclass(frozen=True, slots=True, eq=False)
class TiledClusters:
    """The result of clustering points in tiles; their labels are in the folder."""

    folder: ClusterFolder
    run: TileRun
    plan: Plan
    tiled: Tiled
    provenance: Provenance
    workers: int
    spill: Spill
    spill_bytes: int
    watch: Stopwatch


def plan_tiles(document: Cluster, place: ChosenPlace, settings: Settings, observer: Observer) -> Plan:
    """Read the input once, and return the tiles that it would be cut into."""
    trips = open_trips(document.dataset, settings, observer.loading)
    with open_workers(document, place.memory_bytes, settings.require_tls) as workers:
        plan, _, _ = _planned(document, trips, workers.limits, workers.executor, observer)
    return plan


def cluster_in_tiles(
    document: Cluster,
    place: ChosenPlace,
    settings: Settings,
    observer: Observer,
    folder: ClusterFolder,
    spill: str | None = None,
) -> TiledClusters:
    """Cluster points, and write their labels into a new folder.

    spill: where points wait, a new folder or `s3://bucket/prefix`; else in the folder of the results.

    Raises RunFolderError if a folder cannot be used, TaxiError for an error of the user's, or if a disk is full.
    """
    require_empty(folder.path)
    run_folder = TileRunFolder(folder)
    trips = open_trips(document.dataset, settings, observer.loading)
    where = spill if spill and in_bucket(spill) else str(Path(spill or run_folder.spill).absolute())
    waiting = open_spill(where, settings)
    if spill:
        require_unused(waiting)
    if waiting.files.folder:
        _require_space(trips, waiting.files.folder)
    with open_workers(document, place.memory_bytes, settings.require_tls) as workers:
        run = TileRun(
            created_at=datetime.now(UTC),
            taxi_mlops=__version__,
            document=document,
            identity=trips.identity(),
            reason=place.reason,
            spill=where,
            points_of_a_tile=workers.limits.points_of_a_tile,
            chunk_rows=workers.limits.chunk_rows,
        )
        try:
            folder.work.mkdir(parents=True)
            write_atomically(run_folder.run, to_json(run))
        except OSError as error:
            raise RunFolderError(f"cannot use {folder.path} as output folder: {error.strerror}") from None
        try:
            return _clustered(run, trips, workers, run_folder, settings, observer)
        except NotSharedError:
            waiting.files.remove()
            shutil.rmtree(folder.path, ignore_errors=True)
            raise


def resume_tiles(folder: ClusterFolder, settings: Settings, observer: Observer) -> TiledClusters:
    """Go on with a clustering in tiles that did not end. Raises RunFolderError if there is none, or another input."""
    run_folder = TileRunFolder(folder)
    run = run_folder.read()
    if run.taxi_mlops != __version__:
        raise RunFolderError(f"{folder.path} was begun by version {run.taxi_mlops}; this is {__version__}: start again")
    trips = open_trips(run.document.dataset, settings, observer.loading)
    if trips.identity() != run.identity:
        raise DataError(f"{trips.uri} was changed since {folder.path} was begun; start again in a new folder")
    with open_workers(run.document, memory_limit(run.document), settings.require_tls) as workers:
        return _clustered(run, trips, workers, run_folder, settings, observer)


def _clustered(
    run: TileRun, trips: OpenedTrips, workers: Workers, folder: TileRunFolder, settings: Settings, observer: Observer
) -> TiledClusters:
    watch, spill, executor = Stopwatch(), open_spill(run.spill, settings), workers.executor
    with (
        folder.locked(),
        _failures_named(folder),
        monitored_tiles(run, folder.results, settings, observer) as telemetry,
    ):
        limits = Limits(run.points_of_a_tile, run.chunk_rows)
        parts = folder.results.parts.absolute()
        parts.mkdir(exist_ok=True)
        spill.make()
        if workers.cluster and spill.files.folder:
            workers.cluster.require_shared([parts, spill.files.folder])
        with watch.stage("plan"), telemetry.step("plan"):
            plan, survey, pieces = _saved_plan(run, trips, limits, executor, folder, observer)
        rows = np.array(survey.rows, dtype=np.int64)
        tiling = Tiling(
            plan,
            pieces,
            rows,
            run.document.parameters.min_samples,
            limits,
            spill,
            executor,
            _progress(observer),
            by_point=True,  # as answers in memory are numbered
            step=telemetry.step,
        )
        with watch.stage("fit"):
            tiled = tiling.run(parts)
        if trips.identity() != run.identity:
            raise DataError(f"{trips.uri} was changed while it was read; start again in a new folder")
        if not tiled.points:
            counts = ", ".join(f"{count:,} {rule}" for rule, count in tiled.dropped.items())
            raise DataError(f"{trips.uri}: cleaning left none of {rows.sum():,} rows ({counts or 'no rows'})")
        provenance = _provenance(trips, tiled, int(rows.sum()), survey.notes)
        found = TiledClusters(
            folder.results, run, plan, tiled, provenance, executor.workers, spill, spill.files.bytes, watch
        )
        telemetry.clustered(
            {
                catalogue.TILES_ROWS: provenance.rows_read,
                catalogue.TILES_POINTS: tiled.points,
                catalogue.TILES: len(plan.tiles),
                catalogue.TILES_CLUSTERS: tiled.n_clusters,
                catalogue.TILES_NOISE: tiled.n_noise / tiled.points,
                catalogue.TILES_SPILL: found.spill_bytes,
                catalogue.TILES_WORKERS: found.workers,
            }
        )
        return found


def finish(clusters: TiledClusters) -> None:
    """Remove what is needed no longer, once all results are written."""
    clusters.spill.files.remove()
    shutil.rmtree(clusters.folder.work, ignore_errors=True)
    (clusters.folder.path / ".lock").unlink(missing_ok=True)


def adapter_info() -> AdapterInfo:
    """Return the implementation that clusters the tiles."""
    from taxi_mlops.adapters.registry import load_adapter

    return load_adapter(GRID).info


def _saved_plan(
    run: TileRun,
    trips: OpenedTrips,
    limits: Limits,
    executor: Executor,
    folder: TileRunFolder,
    observer: Observer,
) -> tuple[Plan, SurveyUsed, tuple[TripPiece, ...]]:
    """Return the plan and the survey of the folder, made first if need be, and the pieces of the second reading."""
    survey = read_document(SurveyUsed, folder.survey)
    if survey is None:
        plan, survey, pieces = _planned(run.document, trips, limits, executor, observer)
        write_atomically(folder.results.plan, to_json(plan))
        write_atomically(folder.survey, to_json(survey))
        return plan, survey, pieces
    saved = read_document(Plan, folder.results.plan)
    if saved is None:
        raise RunFolderError(f"{folder.results.plan} is missing; start again in a new folder")
    region = BoundingBox(*survey.region) if survey.region else None
    return saved, survey, tuple(piece.settle(region) for piece in _pieces(trips, limits))


def _planned(
    document: Cluster, trips: OpenedTrips, limits: Limits, executor: Executor, observer: Observer
) -> tuple[Plan, SurveyUsed, tuple[TripPiece, ...]]:
    parameters = document.parameters.to_domain()
    pieces = _pieces(trips, limits)
    about = trips.approximate_rows()
    survey = survey_pieces(pieces, parameters.eps_metres, limits.for_rows(about), executor, _progress(observer), about)
    settled, region, notes = settle(
        pieces, survey.remarks, trips.options.region, trips.options.find_region, trips.examine
    )
    sketch, box = _inside(survey, region)
    size = limits.for_points(survey.points, executor.workers)
    plan = make_plan(sketch, box, parameters.eps_metres, size, limits.smallest_gain)
    used = SurveyUsed(
        rows=tuple(survey.rows.tolist()),
        region=None if region is None else astuple(region),
        notes=notes,
    )
    return plan, used, settled


def _pieces(trips: OpenedTrips, limits: Limits) -> tuple[TripPiece, ...]:
    if trips.pieces is None:
        raise TypeError("zones have no pieces")
    return tuple(piece.absolute() for piece in trips.pieces(limits.chunk_rows))


def _inside(survey: Survey, region: BoundingBox | None) -> tuple[Sketch, FloatArray]:
    """Return the cells and the extent of the points that are in the region."""
    sketch, box = survey.sketch, survey.box
    if region is None:
        return sketch, box
    edges = np.array(astuple(region))
    if region.crosses_antimeridian:
        edges[3] += 360.0
    inside = overlapping(sketch.boxes(), edges)
    sketch = Sketch(sketch.level, sketch.row[inside], sketch.column[inside], sketch.count[inside])
    if region.crosses_antimeridian:
        edges[1], edges[3] = -180.0, 180.0
    return sketch, np.concatenate([np.maximum(box[:2], edges[:2]), np.minimum(box[2:], edges[2:])])


def _provenance(trips: OpenedTrips, tiled: Tiled, rows: int, notes: tuple[str, ...]) -> Provenance:
    counts = dict(tiled.dropped)
    wrapped = notes_on_wrapping(counts.pop(WRAPPED, 0))
    return Provenance(
        uri=trips.uri,
        schema=trips.schema.name,
        data_version=trips.data_version,
        rows_read=rows,
        rows_used=tiled.points,
        dropped={str(rule): counts.get(rule, 0) for rule in Rule},
        notes=tuple(note for note in (trips.schema.note, *wrapped, *notes) if note),
        columns=trips.columns_read,
        crs=trips.crs,
    )


def _progress(observer: Observer) -> Progress:
    def report(stage: str, done: int, total: int) -> None:
        observer.loading(_STAGES[stage], done, total)

    return report


def _require_space(trips: OpenedTrips, spill: Path) -> None:
    """Raise TaxiError if a disk has not enough space for the points that wait."""
    rows = trips.approximate_rows()
    free = shutil.disk_usage(_existing(spill)).free
    if rows * _SPILL_BYTES_PER_ROW > free:
        raise TaxiError(
            f"about {rows:,} points wait in {memory(rows * _SPILL_BYTES_PER_ROW)} on disk, and {memory(free)} are free "
            f"in {spill}; free some space, or name another folder with --spill"
        )


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


@contextmanager
def _failures_named(folder: TileRunFolder) -> Iterator[None]:
    """Raise what can go wrong on the way as a TaxiError that says how to go on."""
    advice = f"resume with: taxi cluster --resume {folder.results.path}"
    try:
        yield
    except (DataError, NotSharedError):
        raise
    except TaxiError as error:
        raise type(error)(f"{error}; then {advice}") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise TaxiError(f"the disk is full; no finished tile is lost: free some space, then {advice}") from error
        raise TaxiError(f"{error.filename or folder.results.path}: {error.strerror or error}; then {advice}") from error
