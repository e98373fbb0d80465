"""Train a hotspot model, and judge it on trips that it has not seen: `taxi train`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.adapters.registry import load_adapter
from taxi_mlops.clustering import Cluster
from taxi_mlops.data.trip_times import UNKNOWN, TripTimes
from taxi_mlops.domain import NOISE, BoolArray, Clustering, Points
from taxi_mlops.errors import AdapterUnavailableError, ServiceError, TaxiError, UsageError
from taxi_mlops.evaluation.equivalence import check_equivalence
from taxi_mlops.files import write_atomically
from taxi_mlops.models.hotspot_model import HOURS, HotspotModel, distinct_places
from taxi_mlops.models.judging import Unseen, difference, score_of, values_of
from taxi_mlops.models.lineage import Lineage, trace
from taxi_mlops.models.mlflow_model import load_mlflow_model, save_mlflow_model
from taxi_mlops.models.place_names import names_of, read_places
from taxi_mlops.models.registry import CHAMPION, ModelVersion, Registry, made_by
from taxi_mlops.pipeline.cluster import Clusters, Stopwatch, cluster
from taxi_mlops.pipeline.cluster_files import labelled_points
from taxi_mlops.pipeline.held_out import held_out, part_of, times_of, unseen_trips
from taxi_mlops.pipeline.model_quality import quality_of
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.points import cached_points
from taxi_mlops.reports.geojson import to_geojson
from taxi_mlops.reports.hotspots import MAX_HOTSPOTS, Hotspots
from taxi_mlops.reports.map_section import about_hotspots, hotspots_of, make_section
from taxi_mlops.reports.model_card import markdown, render
from taxi_mlops.results.cluster_result import AdapterUsed
from taxi_mlops.results.comparison import ClusteringParametersUsed, Dataset
from taxi_mlops.results.documents import read_document, to_json
from taxi_mlops.results.model_card import HeldOut, ModelCard, Proof, TrainingFolder
from taxi_mlops.results.new_folder import filled_folder
from taxi_mlops.runs.listing import RunFilter
from taxi_mlops.runs.stored_runs import stored_runs
from taxi_mlops.service_urls import experiments_url
from taxi_mlops.settings import Settings
from taxi_mlops.training import FASTEST, Train
from taxi_mlops.trials.machine import describe_machine

MAX_PROOF_POINTS = 100_000
REFERENCES = ("sklearn", "grid")
_EPOCH = datetime(1970, 1, 1)  # on the trips' own clocks


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A model that is not registered yet, and what its card shows. unseen: None if nothing was held out."""

    card: ModelCard
    model: HotspotModel
    unseen: Unseen | None
    clusters: Clusters
    hotspots: Hotspots


@dataclass(frozen=True, slots=True, eq=False)
class _Earlier:
    """A version of the model in the registry, downloaded."""

    version: ModelVersion
    model: HotspotModel


def train(document: Train, settings: Settings, registry: Registry, observer: Observer) -> Trained:
    """Cluster the trips that are not held out, number the hotspots as the version before, and judge them.

    Raises TaxiError for an error of the user's, and where the implementation fails.
    """
    watch = Stopwatch()
    earlier = registry.versions(document.name)  # first, so that a registry that is away costs no computation
    places = None if document.places is None else read_places(Path(document.places))
    with watch.stage("load"):
        points = cached_points(document.dataset, settings, observer)
    observer.stage("Reading the times of the trips")
    with watch.stage("times"):
        times = times_of(points, document.dataset, document.time_column, settings, observer)
    held = held_out(len(points), times, document.holdout, document.dataset.seed)
    seen = part_of(points, ~held)
    adapter, reason = _adapter(document, seen, settings)
    clustering = Cluster(parameters=document.parameters, adapter=adapter, threads=document.threads)
    clusters = cluster(clustering, settings, observer, lambda *_: seen)
    if clusters.clustering.core_mask is None:
        raise UsageError(f"adapter {adapter} does not report core points, which a model needs; take --adapter grid")
    observer.stage("Checking against another implementation")
    with watch.stage("proof"):
        proof = prove(clusters, settings)
    observer.stage("Numbering the hotspots")
    with watch.stage("hotspots"):
        hotspots = hotspots_of(labelled_points(clusters), clusters.parameters.eps_metres)
        model = _model(clusters, hotspots, None if times is None else times.seconds[~held])
        champion, lineage, next_id = _numbered(model, earlier, registry)
        names = None if places is None else names_of(places, model.centre, model.geometries)
        model = replace(model, ids=model.ids + 1 if lineage is None else lineage.ids, names=names)
    observer.stage("Judging the model on unseen trips")
    with watch.stage("judge"):
        unseen = unseen_trips(points, held, times, document.dataset.seed)
        values = None if unseen is None else values_of(model, unseen)
        against = None
        if unseen is not None and values is not None and champion is not None:
            against = difference(values, values_of(champion.model, unseen), unseen, champion.version.version)
    observer.stage("Measuring the quality of the clusters")
    with watch.stage("quality"):
        validity, stable = quality_of(clusters, proof, document.dataset.seed)
    provenance, parameters = points.provenance, clusters.parameters
    card = ModelCard(
        name=document.name,
        created_at=datetime.now(UTC),
        dataset=Dataset.of(provenance, points.fingerprint, len(points), weighted=False),
        trained_on=len(seen),
        parameters=ClusteringParametersUsed(eps_metres=parameters.eps_metres, min_samples=parameters.min_samples),
        eps_choice=clusters.eps_choice,
        adapter=AdapterUsed.of(clusters.adapter),
        adapter_reason=reason,
        proof=proof,
        time_column=None if times is None else times.column,
        n_hotspots=len(model),
        n_places=len(model.latitude),
        n_named=None if names is None else sum(name is not None for name in names),
        dbcv=validity,
        stability=stable,
        n_noise=int(np.count_nonzero(clusters.clustering.labels == NOISE)),
        next_id=max(next_id, int(model.ids.max(initial=0)) + 1),
        held_out=_describe_held_out(held, times),
        unseen=None if unseen is None or values is None else score_of(values, unseen),
        against_champion=against,
        changes=None if lineage is None else lineage.changes,
        seconds={**clusters.seconds, **watch.seconds},
        warnings=tuple(_warnings(clusters, hotspots, proof, times, document)),
        machine=describe_machine(),
    )
    return Trained(card, model, unseen, clusters, hotspots)


def train_into(
    document: Train, folder: TrainingFolder, settings: Settings, registry: Registry, observer: Observer
) -> tuple[ModelCard, ModelVersion]:
    """Train, write into a folder, and register; what a process that was killed has done of it is not done again.

    Raises as `train`, `write_training` and `register` do.
    """
    card = read_document(ModelCard, folder.result)
    if card is None:
        trained = train(document, settings, registry, observer)
        write_training(trained, folder, observer)
        return trained.card, register(trained, folder, registry, observer)
    observer.stage(f"The model is in {folder.path} already")
    registered = next((one for one in registry.versions(card.name) if made_by(one, card)), None)
    return card, registered or _registered(card, folder, registry, observer)


def write_training(trained: Trained, folder: TrainingFolder, observer: Observer) -> None:
    """Write the model in MLflow's format, its card, its hotspots and the unseen trips into a new folder.

    Raises RunFolderError if the folder cannot be used, TaxiError if a file cannot be written.
    """
    observer.stage("Writing the model")
    card = trained.card
    with filled_folder(folder.path) as path:
        hidden = TrainingFolder(path)
        save_mlflow_model(trained.model, hidden.model)
        if trained.unseen is not None:
            trained.unseen.save(hidden.unseen)
        about = about_hotspots(card.dataset.uri, card.parameters.eps_metres, card.parameters.min_samples)
        geojson = json.loads(to_geojson(trained.hotspots, card.adapter.name, about))
        for feature, number in zip(geojson["features"], trained.model.ids, strict=True):
            feature["id"] = int(number)
        for feature, name in zip(geojson["features"], trained.model.names or (), strict=False):
            feature["properties"]["name"] = name
        write_atomically(hidden.hotspots, json.dumps(geojson, ensure_ascii=False, allow_nan=False) + "\n")
        section = make_section(labelled_points(trained.clusters), trained.hotspots)
        write_atomically(hidden.page, render(card, section))
        write_atomically(hidden.markdown, markdown(card))
        write_atomically(hidden.result, to_json(card))


def register(trained: Trained, folder: TrainingFolder, registry: Registry, observer: Observer) -> ModelVersion:
    """Store a written training in the registry as the newest version. Raises ServiceError."""
    return _registered(trained.card, folder, registry, observer)


def _registered(card: ModelCard, folder: TrainingFolder, registry: Registry, observer: Observer) -> ModelVersion:
    observer.stage("Registering the model")
    return registry.register(folder, card, markdown(card))


def prove(clusters: Clusters, settings: Settings) -> Proof | None:
    """Check the clustering against a second exact implementation, on at most `MAX_PROOF_POINTS` of the points.

    A sample is clustered by both. None if no other implementation can cluster the points.
    """
    points, parameters = clusters.points, clusters.parameters
    name = next(name for name in REFERENCES if name != clusters.adapter.name)
    if len(points) > MAX_PROOF_POINTS:
        chosen = np.zeros(len(points), dtype=np.bool_)
        chosen[np.random.default_rng(0).choice(len(points), MAX_PROOF_POINTS, replace=False)] = True
        points = part_of(points, chosen)
        candidate = _clustered(clusters.adapter.name, points, clusters, settings)
    else:
        candidate = clusters.clustering
    reference = None if candidate is None else _clustered(name, points, clusters, settings)
    if candidate is None or reference is None:
        return None
    found = check_equivalence(points, parameters, reference, candidate)
    differing = (found.core_points_differing or 0, found.partition_differing, found.noise_differing)
    return Proof(
        reference=name,
        points=len(points),
        verdict=found.verdict,
        points_differing=sum(differing) + found.border_points_invalid,
    )


def _clustered(name: str, points: Points, clusters: Clusters, settings: Settings) -> Clustering | None:
    """Cluster points with another adapter and the same parameters; None if it cannot."""
    parameters = {"eps": clusters.parameters.eps_metres, "min_samples": clusters.parameters.min_samples}
    document = Cluster().with_parameters({**parameters, "adapter": name, "threads": clusters.threads})
    try:
        return cluster(document, settings, Observer(), lambda *_: points).clustering
    except TaxiError:
        return None


def _adapter(document: Train, points: Points, settings: Settings) -> tuple[str, str]:
    """Return the adapter, and why it was chosen."""
    if document.adapter != FASTEST:
        return document.adapter, "It was named."
    try:
        runs = stored_runs(experiments_url(settings), RunFilter(limit=100))
    except ServiceError:
        runs = ()
    same_first = sorted(runs, key=lambda run: run.uri != points.provenance.uri)
    for run in same_first:
        for winner in run.winners:
            if _usable(winner):
                return winner, (
                    f"It won the comparison {run.run_id} on {run.points:,} points of {run.uri} "
                    f"(eps {run.eps_metres:g} m, min_samples {run.min_samples})."
                )
    return "grid", "No recorded comparison has an exact winner; grid is the fastest implementation of this project."


def _usable(name: str) -> bool:
    try:
        return load_adapter(name).info.exact
    except AdapterUnavailableError:
        return False


def _model(clusters: Clusters, hotspots: Hotspots, seconds: NDArray[np.int64] | None) -> HotspotModel:
    """Return the model, its ids the rows of the hotspots."""
    points, clustering = clusters.points, clusters.clustering
    row_of_label = np.full(int(clustering.labels.max(initial=NOISE)) + 2, NOISE, dtype=np.int32)
    row_of_label[hotspots.label] = np.arange(len(hotspots), dtype=np.int32)
    rows = row_of_label[clustering.labels]  # of noise, −1: the last element
    core = clustering.core_mask
    kept = (rows >= 0) if core is None else core & (rows >= 0)
    latitude, longitude, hotspot = distinct_places(points.latitude[kept], points.longitude[kept], rows[kept])
    features = json.loads(to_geojson(hotspots, clusters.adapter.name, {}))["features"]
    return HotspotModel(
        latitude=latitude,
        longitude=longitude,
        hotspot=hotspot,
        ids=np.arange(len(hotspots), dtype=np.int64),
        centre=np.column_stack((hotspots.latitude, (hotspots.longitude + 180.0) % 360.0 - 180.0)),
        size=hotspots.size.astype(np.int64),
        area_km2=hotspots.area_km2,
        outlines=tuple(feature["geometry"] for feature in features),
        eps_metres=clusters.parameters.eps_metres,
        min_samples=clusters.parameters.min_samples,
        hours=None if seconds is None else _hours(rows, seconds, len(hotspots)),
        trained_on=len(points),
    )


def _hours(rows: NDArray[np.int32], seconds: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Return int64 (k, 168): trips of each hotspot in each hour of the week. 1 January 1970 was a Thursday."""
    timed = (rows >= 0) & (seconds != UNKNOWN)
    hour = (seconds[timed] // 3600 + 3 * 24) % HOURS
    counts = np.bincount(rows[timed].astype(np.int64) * HOURS + hour, minlength=k * HOURS)
    return counts.reshape(k, HOURS).astype(np.int64)


def _numbered(
    model: HotspotModel, earlier: tuple[ModelVersion, ...], registry: Registry
) -> tuple[_Earlier | None, Lineage | None, int]:
    """Match the hotspots to the champion, or to the newest version without one.

    Returns the champion, how the hotspots correspond (None for the first version), and the least id that is free.
    """
    if not earlier:
        return None, None, 1
    version = next((one for one in earlier if CHAMPION in one.aliases), earlier[0])
    before = load_version(version, registry)
    next_id = max(int(one.values.get("next_id", "1")) for one in earlier)
    champion = _Earlier(version, before) if CHAMPION in version.aliases else None
    return champion, trace(before, model, version.version, next_id), next_id


def load_version(version: ModelVersion, registry: Registry) -> HotspotModel:
    """Download a version and read its model. Raises ServiceError, and UsageError for a broken one."""
    with tempfile.TemporaryDirectory(prefix="taxi-model-") as folder:
        return load_mlflow_model(registry.download(version, Path(folder)))


def _describe_held_out(held_out: BoolArray, times: TripTimes | None) -> HeldOut | None:
    if not held_out.any():
        return None
    count = int(np.count_nonzero(held_out))
    if times is None:
        return HeldOut(points=count, drawn="at random", since=None)
    first = _EPOCH + timedelta(seconds=int(times.seconds[held_out].min()))
    return HeldOut(points=count, drawn="last by time", since=first.isoformat(sep=" "))


def _warnings(
    clusters: Clusters, hotspots: Hotspots, proof: Proof | None, times: TripTimes | None, document: Train
) -> Iterator[str]:
    yield from clusters.points.provenance.notes
    if not hotspots.n_clusters:
        yield "There is no hotspot: all points are noise; a larger --eps or a smaller --min-samples makes some."
    if hotspots.n_clusters > MAX_HOTSPOTS:
        yield f"Only the {MAX_HOTSPOTS:,} largest of {hotspots.n_clusters:,} hotspots are in the model."
    if proof is not None and not proof.equal:
        yield f"{clusters.adapter.name} gave another clustering than {proof.reference}; it cannot become champion."
    if times is None and document.holdout:
        yield "The trips have no time that was found, so random ones were held out, and hours are unknown (--time)."
