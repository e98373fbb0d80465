"""Run a sweep: load the points once, run each cell of the grid as a comparison, and summarise them: `taxi sweep`.

Several processes may work on one sweep at the same time. Each takes the next cell that is neither finished nor locked,
and the last one to end writes the result. If a worker is killed, the others take over its cell.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from structlog.contextvars import bound_contextvars

from taxi_mlops.audit.acts import Action
from taxi_mlops.audit.trail import trail_of
from taxi_mlops.data.request import LoadRequest, of_version
from taxi_mlops.domain import Parameters, Points
from taxi_mlops.errors import DataError, RunFolderError, RunFolderInUseError, UsageError
from taxi_mlops.evaluation.eps_choice import EpsChoice, choose_eps
from taxi_mlops.files import write_atomically
from taxi_mlops.monitoring.logs import SWEEP_ID
from taxi_mlops.pipeline.compare import resume as resume_run
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.points import Load, cached_points, cached_samples
from taxi_mlops.pipeline.resolve import resolve
from taxi_mlops.results.comparison import Comparison, read_comparison
from taxi_mlops.results.documents import to_json
from taxi_mlops.results.run_folder import RunFolder, held, new_id
from taxi_mlops.results.sweep_folder import SizeDrawn, SweepFolder, SweepHeader
from taxi_mlops.results.sweep_result import SweepResult, assemble_sweep, read_sweep
from taxi_mlops.settings import Settings
from taxi_mlops.specification import ALL, Specification
from taxi_mlops.sweep import Cell, Sweep, SweepTrials
from taxi_mlops.trials.machine import changed_since, describe_machine
from taxi_mlops.trials.workload_folder import open_workload, write_workload

FACTORS = (0.5, 2.0**-0.5, 1.0, 2.0**0.5, 2.0)
"""Multiples of the suggested eps that form the grid if no eps is given."""
_WAIT_SECONDS = 1.0

RunCell = Callable[[Cell, RunFolder, Load], Comparison]
"""Runs or resumes one cell."""


def sweep(
    document: Sweep, folder: SweepFolder, settings: Settings, observer: Observer, run_cell: RunCell | None = None
) -> SweepResult:
    """Run a sweep in a new folder. Raises TaxiError for an error of the user's."""
    begin(document, folder)
    try:
        return resume(folder, settings, observer, run_cell)
    except UsageError:
        if not folder.header.is_file():
            shutil.rmtree(folder.path)
        raise


def resume(folder: SweepFolder, settings: Settings, observer: Observer, run_cell: RunCell | None = None) -> SweepResult:
    """Resume a sweep, also while other processes work on it; return the result of one that has ended.

    Raises RunFolderError if the folder holds no sweep, or a timed one that was started on a different machine.
    """
    if not folder.document.is_file():
        raise RunFolderError(f"{folder.path} holds no sweep: {folder.document.name} is missing")
    header = prepare(folder, settings, observer)
    _check_same_machine(folder, header)
    if not folder.result.is_file():
        trail_of(settings).note(
            Action.SWEEP_RUN,
            header.sweep_id,
            data=header.sweep.dataset.source,
            cells=len(header.cells),
            folder=str(folder.path.absolute()),
        )

    def directly(_cell: Cell, run: RunFolder, load: Load) -> Comparison:
        return resume_run(run, settings, observer, load=load)

    with bound_contextvars(**{SWEEP_ID: header.sweep_id}):  # each cell is a trace of its own; this id joins them
        _run_cells(header, folder, observer, run_cell or directly)
    with folder.locked():
        if not folder.result.is_file():
            _finish(header, folder, observer)
    return read_sweep(folder.result)


def begin(document: Sweep, folder: SweepFolder) -> None:
    """Create the folder with the document of the sweep. Raises TaxiError for an error of the user's."""
    resolved = _resolved(document)
    folder.create()
    write_atomically(folder.document, resolved.to_toml())


def prepare(folder: SweepFolder, settings: Settings, observer: Observer) -> SweepHeader:
    """Load the points and make the open choices, unless that has been done before."""
    with folder.locked():
        return folder.read_header() or _prepare(folder, settings, observer)


def _resolved(document: Sweep) -> Sweep:
    """Choose adapters, reference, threads and memory limit, so that all cells have the same."""
    plan = resolve(Specification(trials=document.trials)).specification.trials
    return document.model_copy(update={"trials": SweepTrials(**plan.model_dump())})


def _prepare(folder: SweepFolder, settings: Settings, observer: Observer) -> SweepHeader:
    """Load the points, draw the samples, make the open choices, and define every cell."""
    document = Sweep.from_file(folder.document)
    wanted = [None if size == ALL else size for size in dict.fromkeys(document.grid.sizes)]
    drawn = cached_samples(document.dataset, wanted, settings, observer)
    sizes = {_trips(points): points for points in drawn}
    _check_sizes(wanted, drawn)
    largest = sizes[max(sizes)]
    observer.stage("Reading the distances to neighbours")
    curves, missing = _curves(document, largest)
    grid = document.grid.model_copy(
        update={"sizes": tuple(sorted(sizes)), "eps_metres": document.grid.eps_metres or _around(curves, missing)}
    )
    dataset = of_version(document.dataset, largest.provenance)
    document = Sweep.model_validate(document.model_copy(update={"grid": grid, "dataset": dataset}).model_dump())
    header = SweepHeader(
        sweep_id=new_id(),
        created_at=datetime.now(UTC),
        sweep=document,
        sizes=tuple(
            SizeDrawn(trips=trips, points=len(points), fingerprint=points.fingerprint)
            for trips, points in sorted(sizes.items())
        ),
        machine=describe_machine(),
        curves=curves,
        curves_missing=missing,
    )
    for cell in header.cells:
        run = folder.cell(cell)
        run.path.mkdir(parents=True, exist_ok=True)
        specification = document.specification(cell, sizes[cell.size].fingerprint)
        write_atomically(run.specification, specification.to_toml())
    parameters = Parameters(header.cells[0].eps_metres, header.cells[0].min_samples)
    for trips, points in sizes.items():
        write_workload(points, parameters, folder.points / str(trips))
    write_atomically(folder.document, document.to_toml())
    write_atomically(folder.header, to_json(header))
    return header


def _trips(points: Points) -> int:
    """Return the number of trips: that of the points, unless they have weights."""
    return len(points) if points.weight is None else round(float(np.sum(points.weight)))


def _check_sizes(wanted: list[int | None], drawn: tuple[Points, ...]) -> None:
    for size, points in zip(wanted, drawn, strict=True):
        if size is not None and size > _trips(points):
            raise UsageError(
                f"grid.sizes = {size}: {points.provenance.uri} has {points.provenance.rows_used:,} good trips; "
                f'name a smaller size, or "{ALL}"'
            )


def _curves(document: Sweep, points: Points) -> tuple[tuple[EpsChoice, ...], tuple[str, ...]]:
    """Return the suggested eps of each min_samples, and the reasons where there is none."""
    curves, missing = [], []
    for min_samples in sorted(set(document.grid.min_samples)):
        try:
            curves.append(choose_eps(points, min_samples, document.trials.seed))
        except DataError as error:
            missing.append(f"min_samples {min_samples}: {error}")
    return tuple(curves), tuple(dict.fromkeys(missing))


def _around(curves: tuple[EpsChoice, ...], missing: tuple[str, ...]) -> tuple[float, ...]:
    """Return multiples of the middle suggestion, rounded to three digits."""
    if not curves:
        raise DataError(f"{missing[0]}")
    suggested = sorted(curve.eps_metres for curve in curves)[len(curves) // 2]
    return tuple(float(f"{suggested * factor:.3g}") for factor in FACTORS)


def _check_same_machine(folder: SweepFolder, header: SweepHeader) -> None:
    """Refuse to time cells on a machine where they could not be compared with the others."""
    if header.sweep.trials.repeats == 0:
        return
    changed = changed_since(header.machine)
    if changed is not None:
        raise RunFolderError(
            f"{folder.path} was begun on an unlike machine ({changed}); timings of the two cannot be compared; only "
            "sweeps that time nothing (--repeats 0) go on elsewhere"
        )


def _shared(folder: SweepFolder) -> Load:
    """Return a loader that maps the points of the sweep's folder into memory, and loads them again if they are gone."""

    def load(request: LoadRequest, settings: Settings, observer: Observer) -> Points:
        points = folder.points / str(request.sample)
        return open_workload(points).points if points.is_dir() else cached_points(request, settings, observer)

    return load


def _run_cells(header: SweepHeader, folder: SweepFolder, observer: Observer, run_cell: RunCell) -> None:
    """Run every unfinished cell; wait for the cells of other workers, and take over those that they release."""
    cells = [cell for cell in header.cells if not folder.cell(cell).comparison.is_file()]
    load = _shared(folder)
    while cells:
        held = [cell for cell in cells if not _done(cell, header, folder, observer, run_cell, load)]
        if len(held) == len(cells):
            observer.stage(f"Waiting for {len(held)} cells that other workers have taken")
            time.sleep(_WAIT_SECONDS)
        cells = held


def _done(
    cell: Cell, header: SweepHeader, folder: SweepFolder, observer: Observer, run_cell: RunCell, load: Load
) -> bool:
    """Return whether the cell has ended, here or elsewhere; False while another process runs it."""
    run = folder.cell(cell)
    try:
        with held(run.path / ".claim", run.path):
            if not run.comparison.is_file():
                observer.stage(f"Cell {header.cells.index(cell) + 1} of {len(header.cells)}: {cell}")
                run_cell(cell, run, load)
    except RunFolderInUseError:
        return False
    return True


def _finish(header: SweepHeader, folder: SweepFolder, observer: Observer) -> None:
    """Write the result and its page, and remove the points."""
    from taxi_mlops.reports.sweep_page import render

    observer.stage("Writing the result of the sweep")
    comparisons = {cell: read_comparison(folder.cell(cell).comparison) for cell in header.cells}
    result = assemble_sweep(header, comparisons)
    write_atomically(folder.report, render(result, folder.document.read_text(encoding="utf-8")))
    write_atomically(folder.result, to_json(result))
    shutil.rmtree(folder.points, ignore_errors=True)
