"""Search for the eps and the min_samples of a hotspot model: `taxi tune`.

A trial is in the journal before anything else knows of it. The database with the study receives it afterwards. If the
database is away, the tuning continues; what is missing there is added at the end, or with `--resume`.
"""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from taxi_mlops.audit.acts import Action
from taxi_mlops.audit.trail import trail_of
from taxi_mlops.domain import BoolArray, Clustering, Parameters, Points
from taxi_mlops.errors import DataError, RunFolderError, ServiceError, UsageError
from taxi_mlops.files import write_atomically
from taxi_mlops.parameters import parameters_of
from taxi_mlops.pipeline.held_out import held_out, part_of, times_of, unseen_trips
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.points import cached_points
from taxi_mlops.pipeline.resolve import threads_to_use
from taxi_mlops.recording.mlflow_tuning import record_tuning, tuning_target
from taxi_mlops.reports.geojson import to_geojson
from taxi_mlops.reports.hotspots import MAX_HOTSPOTS
from taxi_mlops.reports.labels import LabelledPoints
from taxi_mlops.reports.map_section import MapSection, about_hotspots, hotspots_of, make_section
from taxi_mlops.reports.tuning_page import render
from taxi_mlops.results.comparison import Dataset
from taxi_mlops.results.documents import read_document, to_json
from taxi_mlops.results.run_folder import new_id
from taxi_mlops.results.tuning import (
    TuningFolder,
    TuningHeader,
    TuningResult,
    TuningState,
    TuningTrial,
    append_trial,
    read_trials,
)
from taxi_mlops.settings import Settings
from taxi_mlops.training import Train, Tune
from taxi_mlops.trials.machine import describe_machine
from taxi_mlops.tuning.choice import NAMES, best_of, front_of, rule_of
from taxi_mlops.tuning.evaluation import Evaluator, Trips, Worth
from taxi_mlops.tuning.optuna_library import load_optuna
from taxi_mlops.tuning.search import Search, rungs_of
from taxi_mlops.tuning.space import Space, space_of
from taxi_mlops.tuning.storage import StudyStore, open_study

LEAST_TRIPS = 50
"""With fewer, nothing is left to judge on."""


@dataclass(frozen=True, slots=True, eq=False)
class Divided:
    """The points: those that trials cluster, those that they are judged on, and those that are left for training.

    fitted, unseen: bool (n,). seen: both of them, which `taxi train` clusters.
    """

    points: Points
    fitted: BoolArray
    unseen: BoolArray
    seen: Points
    trips: Trips
    time_column: str | None


def tune(document: Tune, folder: TuningFolder, settings: Settings, observer: Observer) -> TuningResult:
    """Run a tuning in a new folder. Raises TaxiError for an error of the user's."""
    load_optuna()
    folder.create()
    write_atomically(folder.document, document.to_toml())
    try:
        return resume(folder, settings, observer)
    except UsageError:
        if not folder.header.is_file():
            shutil.rmtree(folder.path)
        raise


def resume(folder: TuningFolder, settings: Settings, observer: Observer) -> TuningResult:
    """Resume a tuning; return the result of one that has ended.

    Raises RunFolderError if the folder holds no tuning, or its points have changed.
    """
    load_optuna()
    if not folder.document.is_file():
        raise RunFolderError(f"{folder.path} holds no tuning: {folder.document.name} is missing")
    with folder.locked():
        found = read_document(TuningResult, folder.result)
        if found is not None:
            return found
        document = Tune.from_file(folder.document)
        divided = divide(document, settings, observer)
        header = folder.read_header() or _begin(document, divided, folder, observer)
        if header.dataset.fingerprint != divided.points.fingerprint:
            raise RunFolderError(f"{header.dataset.uri} has changed since {folder.path} was begun; start a new tuning")
        trail_of(settings).note(
            Action.TUNING_RUN,
            header.tuning_id,
            data=header.dataset.uri,
            folder=str(folder.path.absolute()),
        )
        result = _finish(header, divided, folder, observer, _run(header, divided, folder, settings, observer))
        _record(result, folder, settings, observer)
        trail_of(settings).deliver_or_warn()
        return result


def divide(document: Tune, settings: Settings, observer: Observer) -> Divided:
    request, seed, share = document.dataset, document.dataset.seed, document.holdout
    points = cached_points(request, settings, observer)
    observer.stage("Reading the times of the trips")
    times = times_of(points, request, document.time_column, settings, observer)
    left = held_out(len(points), times, share, seed)
    unseen = held_out(len(points), times, share, seed, of=~left)
    if times is not None and not (left.any() and unseen.any()):  # nearly all trips have the same time
        times = None
        left = held_out(len(points), times, share, seed)
        unseen = held_out(len(points), times, share, seed, of=~left)
    fitted = ~(left | unseen)
    judged = unseen_trips(points, unseen, times, seed, seen=fitted)
    if judged is None or np.count_nonzero(fitted) < LEAST_TRIPS:
        raise DataError(f"{points.provenance.uri} has {len(points):,} good trips, too few to tune on")
    trips = Trips(
        latitude=points.latitude[fitted],
        longitude=points.longitude[fitted],
        unseen=judged,
        scale=float(np.count_nonzero(fitted) / np.count_nonzero(~left)),
        most_hotspots=MAX_HOTSPOTS,
    )
    column = None if times is None else times.column
    return Divided(points, fitted, unseen, part_of(points, ~left), trips, column)


def _begin(document: Tune, divided: Divided, folder: TuningFolder, observer: Observer) -> TuningHeader:
    """Choose the ranges, and write the header."""
    observer.stage("Choosing the ranges")
    points, seen = divided.points, divided.seen
    space = space_of(document, seen.latitude, seen.longitude)
    header = TuningHeader(
        tuning_id=new_id(),
        created_at=datetime.now(UTC),
        document=document,
        dataset=Dataset.of(points.provenance, points.fingerprint, len(points), weighted=False),
        eps_metres=space.eps_metres,
        min_samples=space.min_samples,
        start=space.start,
        left_for_training=len(points) - len(seen),
        unseen=int(np.count_nonzero(divided.unseen)),
        fitted=len(divided.trips),
        time_column=divided.time_column,
        machine=describe_machine(),
    )
    write_atomically(folder.header, to_json(header))
    return header


@dataclass(frozen=True, slots=True)
class _Ran:
    """All trials, why they are fewer than planned, the study's store, and what went wrong with it."""

    trials: tuple[TuningTrial, ...]
    stopped: str | None
    store: StudyStore | None
    warnings: tuple[str, ...]


def _run(header: TuningHeader, divided: Divided, folder: TuningFolder, settings: Settings, observer: Observer) -> _Ran:
    """Run the trials that are missing in the journal."""
    document, space = header.document, Space(header.eps_metres, header.min_samples, header.start)
    trials = read_trials(folder.journal)
    study = open_study(settings, f"taxi-{header.tuning_id}")
    copy = _Copy(study, document, space, observer)
    copy.update(trials)
    search, worth = Search(document, space, trials), _Worth(document, divided.trips)
    spent, began, stopped = sum(trial.seconds for trial in trials), time.monotonic(), None
    with copy.closed():
        while len(trials) < document.trials:
            if document.timeout_seconds is not None and spent + time.monotonic() - began >= document.timeout_seconds:
                stopped = f"The time of {document.timeout_seconds:g} s was over."
                break
            observer.loading(_progress(trials, document), len(trials), document.trials)
            started = time.monotonic()
            eps, min_samples = search.ask()
            trial = worth.trial(len(trials), eps, min_samples, search, started)
            append_trial(folder.journal, trial)
            trials.append(trial)
            search.tell(trial)
            copy.update(trials)
        copy.update(trials, last=True)
    return _Ran(tuple(trials), stopped, study, tuple(copy.warnings))


class _Worth:
    """Measures pairs of parameters, first on samples where there is one objective; equal pairs are measured once."""

    def __init__(self, document: Tune, trips: Trips) -> None:
        threads, seed = threads_to_use(document.threads), document.dataset.seed
        self._document = document
        sizes = rungs_of(len(trips), len(document.objectives))
        self._samples = [(size, Evaluator(trips.sampled(size, seed), seed, threads)) for size in sizes]
        self._all = Evaluator(trips, seed, threads)
        self._known: dict[tuple[float, int], TuningTrial] = {}

    def trial(self, number: int, eps: float, min_samples: int, search: Search, started: float) -> TuningTrial:
        """Return a trial of a pair that `search` asked for at a time of the monotonic clock."""
        known = self._known.get((eps, min_samples))
        if known is None:
            known = self._measured(eps, min_samples, search)
            self._known[eps, min_samples] = known
        update = {"number": number, "finished_at": datetime.now(UTC), "seconds": round(time.monotonic() - started, 4)}
        return known.model_copy(update=update)

    def _measured(self, eps: float, min_samples: int, search: Search) -> TuningTrial:
        document, on_samples = self._document, dict[int, float]()
        for rung, (size, sample) in enumerate(self._samples):
            worth = sample.measure(eps, min_samples, document.objectives, (0.0, 1.0))
            value = worth.value_of(document.objectives[0])
            if value is not None:
                on_samples[size] = value
                if search.is_hopeless(rung, value):
                    reason = f"On {size:,} points its {NAMES[document.objectives[0]]} was {value:.3f}."
                    return _trial(eps, min_samples, worth, "pruned", reason, on_samples)
        worth = self._all.measure(eps, min_samples, document.objectives, document.noise)
        low, high = document.noise[0], document.noise[-1]
        if not low <= worth.noise_ratio <= high:
            reason = f"{worth.noise_ratio:.1%} of the points are noise; the bounds are {low:.0%} and {high:.0%}."
            return _trial(eps, min_samples, worth, "infeasible", reason, on_samples)
        return _trial(eps, min_samples, worth, "complete", "", on_samples)


def _trial(
    eps: float, min_samples: int, worth: Worth, state: TuningState, reason: str, on_samples: dict[int, float]
) -> TuningTrial:
    return TuningTrial(
        number=0,
        finished_at=datetime.now(UTC),
        seconds=0.0,
        eps_metres=eps,
        min_samples=min_samples,
        state=state,
        reason=reason,
        noise_ratio=worth.noise_ratio,
        n_clusters=worth.n_clusters,
        unseen=worth.unseen,
        stability=worth.stability,
        on_samples=on_samples,
    )


class _Copy:
    """The study in its database, which may be away: then the user is warned once, and it is tried again at the end."""

    def __init__(self, study: StudyStore | None, document: Tune, space: Space, observer: Observer) -> None:
        self._study, self._document, self._space, self._observer = study, document, space, observer
        self._failed = False
        self.warnings: list[str] = []

    def update(self, trials: list[TuningTrial], last: bool = False) -> None:
        if self._study is None or (self._failed and not last):
            return
        try:
            self._study.add(trials, self._document, self._space)
            self.warnings.clear()
        except ServiceError as error:
            if not self._failed:
                self._observer.warning(f"{error}; the trials are in the journal, and the tuning continues")
            self._failed = True
            self.warnings[:] = [f"Optuna's storage lacks trials: {error}"]

    @contextmanager
    def closed(self) -> Iterator[None]:
        try:
            yield
        finally:
            if self._study is not None:
                self._study.close()


def _progress(trials: list[TuningTrial], document: Tune) -> str:
    first = document.objectives[0]
    best = best_of(trials, front_of(trials, (first,)), (first,))
    value = None if best is None else trials[best].value_of(first)
    return "Trials" if value is None else f"Trials; best {NAMES[first]} {value:.4f}"


def _finish(
    header: TuningHeader, divided: Divided, folder: TuningFolder, observer: Observer, ran: _Ran
) -> TuningResult:
    """Choose the best, and write the result and its page."""
    observer.stage("Writing the result of the tuning")
    document, trials = header.document, ran.trials
    front = front_of(trials, document.objectives)
    best = best_of(trials, front, document.objectives)
    result = TuningResult(
        header=header,
        trials=trials,
        front=front,
        best=best,
        rule=rule_of(document.objectives),
        command=None if best is None else command_of(document, trials[best]),
        stopped=ran.stopped,
        seconds=round(sum(trial.seconds for trial in trials), 3),
        study=None if ran.store is None else ran.store.name,
        storage=None if ran.store is None else ran.store.target,
        warnings=tuple(_warnings(header, trials, best, ran)),
    )
    section = None
    if best is not None:
        section = _map_of(trials[best], divided.seen, folder)
    write_atomically(folder.page, render(result, section, folder.document.read_text(encoding="utf-8")))
    write_atomically(folder.result, to_json(result))
    return result


def _record(result: TuningResult, folder: TuningFolder, settings: Settings, observer: Observer) -> None:
    """Record the result in MLflow, where it is installed; a failure is a warning, as everything is in the folder."""
    url = tuning_target(settings)
    if url is None:
        return
    observer.stage("Recording in mlflow")
    if settings.mlflow_uri is None:
        settings.runs_dir.mkdir(parents=True, exist_ok=True)
    try:
        record_tuning(result, (folder.page, folder.result, folder.document), url, settings)
    except ServiceError as error:
        observer.warning(f"not recorded in MLflow: {error}; everything is in {folder.path}")


def _map_of(best: TuningTrial, seen: Points, folder: TuningFolder) -> MapSection:
    """Write the hotspots that `taxi train` would make with the best parameters, and return their map."""
    from haversine_dbscan.clustering import dbscan

    parameters = Parameters(best.eps_metres, best.min_samples)
    labels, core = dbscan(seen.latitude, seen.longitude, parameters.eps_metres, parameters.min_samples)
    points = LabelledPoints("grid", seen.latitude, seen.longitude, Clustering(labels, core).labels)
    hotspots = hotspots_of(points, parameters.eps_metres)
    about = about_hotspots(seen.provenance.uri, parameters.eps_metres, parameters.min_samples)
    write_atomically(folder.hotspots, to_geojson(hotspots, points.adapter, about))
    return make_section(points, hotspots)


def command_of(document: Tune, best: TuningTrial) -> str:
    """Return the command that trains a model with these parameters on the same trips."""
    words = ["taxi", "train"]
    theirs, defaults = parameters_of(Train), document.model_dump(mode="json")
    for name, parameter in parameters_of(Tune).items():
        if name not in theirs or name in ("eps", "min_samples"):
            continue
        value: object = defaults
        for key in parameter.places[0]:
            value = value[key]  # type: ignore[index]
        if value is None or value == theirs[name].default:
            continue
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        words += [text] if parameter.named.positional else [f"--{name.replace('_', '-')}={text}"]
    words += ["--eps", f"{best.eps_metres:g}", "--min-samples", str(best.min_samples)]
    return shlex.join(words)


def _warnings(header: TuningHeader, trials: tuple[TuningTrial, ...], best: int | None, ran: _Ran) -> Iterator[str]:
    yield from ran.warnings
    low, high = header.document.noise[0], header.document.noise[-1]
    if best is None:
        yield f"No trial has a share of noise from {low:.0%} to {high:.0%}; take other bounds (--noise) or ranges."
        return
    found = trials[best]
    for name, value, ends in (
        ("eps", found.eps_metres, header.eps_metres),
        ("min_samples", found.min_samples, header.min_samples),
    ):
        if value in ends and ends[0] < ends[1]:
            option = f"--{name.replace('_', '-')}"
            yield f"The best {name}, {value:g}, is at the end of its range; a wider one ({option}) may have a better."
    if header.time_column is None:
        yield "The trips have no time that was found, so trials are judged on random ones (--time)."
