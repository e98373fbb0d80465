"""Compare versions of a hotspot model by the gates of a promotion, and promote: `taxi models`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from taxi_mlops.audit.acts import Action, Outcome
from taxi_mlops.errors import RunFolderError, ServiceError, TaxiError, UsageError
from taxi_mlops.models.clean_process import CleanProcessError, answer
from taxi_mlops.models.hotspot_model import HotspotModel
from taxi_mlops.models.judging import Unseen, difference, values_of
from taxi_mlops.models.lineage import compare
from taxi_mlops.models.mlflow_model import example_points, load_mlflow_model
from taxi_mlops.models.registry import CHALLENGER, CHAMPION, ModelVersion, Registry, split_reference
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.results.documents import read_document
from taxi_mlops.results.gates import Examination, Gate
from taxi_mlops.results.model_card import Changes, Difference, ModelCard, Proof, TrainingFolder
from taxi_mlops.training import Promotion

Answer = Callable[[Path], list[int]]


class PromotionRefusedError(TaxiError):
    """A version did not pass the gates."""


@dataclass(frozen=True, slots=True, eq=False)
class Fetched:
    """A version with its files. unseen: None if nothing was held out. folder: of its files."""

    version: ModelVersion
    card: ModelCard
    model: HotspotModel
    unseen: Unseen | None
    folder: TrainingFolder


def examine(document: Promotion, registry: Registry, observer: Observer, answers: Answer = answer) -> Examination:
    """Compare a version with another, and apply the gates.

    answers: returns what the model answers in a clean process. Raises UsageError if there is no such version, or its
    files are broken, and ServiceError.
    """
    name, wanted = split_reference(document.model, CHALLENGER)
    version = registry.find(name, wanted)
    other = registry.champion(name) if document.against == CHAMPION else registry.find(name, document.against)
    if other is not None and other.version == version.version:
        other = None
    return _examined(version, other, document, registry, observer, answers)


def promote(document: Promotion, registry: Registry, observer: Observer, answers: Answer = answer) -> Examination:
    """Make a version the champion if it passes the gates, whose values are stored with it either way.

    Raises PromotionRefusedError, whose `examination` has all gates; PromotionConflictError if someone else promoted in
    the meantime; and as `examine` does.
    """
    name, wanted = split_reference(document.model, CHALLENGER)
    version, champion = registry.find(name, wanted), registry.champion(name)
    if champion is not None and champion.version == version.version:
        raise UsageError(f"version {version.version} of {name} is champion already")
    found = _examined(version, champion, document, registry, observer, answers)
    registry.note_gates(version, {gate.name: gate.model_dump(mode="json") for gate in found.gates})
    if not found.failed:
        registry.crown(version, champion)
        return found
    gates_failed = ", ".join(gate.name for gate in found.failed)
    registry.audit.note(Action.MODEL_PROMOTED, version.reference, Outcome.REFUSED, gates_failed=gates_failed)
    registry.audit.deliver_or_warn()
    return found


def refusal(found: Examination) -> PromotionRefusedError:
    """Return the error that names the gates that a version failed."""
    failed = "; ".join(f"gate {gate.name}: {gate.reason}" for gate in found.failed)
    return PromotionRefusedError(f"version {found.version} of {found.name} is not promoted: {failed}")


def fetch_card(version: ModelVersion, registry: Registry) -> ModelCard:
    """Download the card of a version. Raises ServiceError, and UsageError if it is broken."""
    with tempfile.TemporaryDirectory(prefix="taxi-model-") as folder:
        return _card(registry.download(version, Path(folder), TrainingFolder(Path()).result.name))


def _examined(
    version: ModelVersion,
    other: ModelVersion | None,
    document: Promotion,
    registry: Registry,
    observer: Observer,
    answers: Answer,
) -> Examination:
    with tempfile.TemporaryDirectory(prefix="taxi-model-") as folder:
        observer.stage("Downloading the versions")
        this = _fetch(version, registry, Path(folder) / "this")
        that = None if other is None else _fetch(other, registry, Path(folder) / "that")
        observer.stage("Comparing on unseen trips")
        against = None if that is None or this.unseen is None else _difference(this, that)
        changes = None
        if that is not None:
            changes = compare(that.model, this.model, that.version.version)
        observer.stage("Loading the model in a clean process")
        gates = (
            _equal(this.card.proof),
            _not_worse(this, that, against, document.margin),
            _few_vanished(changes, document.max_vanished),
            _clean(this, answers),
        )
    return Examination(
        name=version.name,
        version=version.version,
        against=None if other is None else other.version,
        gates=gates,
        difference=against,
        changes=changes,
    )


def _fetch(version: ModelVersion, registry: Registry, folder: Path) -> Fetched:
    folder.mkdir()
    paths = TrainingFolder(folder)
    registry.download(version, folder)
    card = _card(registry.download(version, folder, paths.result.name))
    unseen = None
    if card.held_out is not None:
        unseen = Unseen.load(registry.download(version, folder, paths.unseen.name))
    return Fetched(version, card, load_mlflow_model(paths.model), unseen, paths)


def _card(path: Path) -> ModelCard:
    try:
        card = read_document(ModelCard, path)
    except RunFolderError as error:
        raise UsageError(str(error)) from None
    if card is None:
        raise ServiceError(f"{path.name} is missing in the registry")
    return card


def _difference(this: Fetched, that: Fetched) -> Difference | None:
    if this.unseen is None:
        return None
    values = values_of(this.model, this.unseen), values_of(that.model, this.unseen)
    return difference(*values, this.unseen, that.version.version)


def _equal(proof: Proof | None) -> Gate:
    if proof is None:
        reason = "there is no proof that the clustering is DBSCAN's: no second implementation could cluster the points"
        return Gate(name="equal", passed=False, reason=reason)
    verdict = proof.verdict.value.replace("_", " ")
    return Gate(
        name="equal",
        passed=proof.equal,
        reason=f"{verdict} to {proof.reference} on {proof.points:,} points ({proof.points_differing:,} differ)",
        value=float(proof.points_differing),
        limit=0.0,
    )


def _not_worse(this: Fetched, that: Fetched | None, against: Difference | None, margin: float) -> Gate:
    if this.unseen is None:
        return Gate(name="unseen", passed=False, reason="no trips were held out, so it is not judged (--holdout)")
    if that is None or against is None:
        return Gate(name="unseen", passed=True, reason="there is no champion to compare with")
    interval = f"{against.difference:+.4f} [{against.low:+.4f}, {against.high:+.4f}]"
    passed = against.low >= -margin
    short = "" if passed else f", {-margin - against.low:.4f} below the limit"
    return Gate(
        name="unseen",
        passed=passed,
        reason=f"score {interval} against version {against.version}; its lower end may be {-margin:+g}{short}",
        value=against.low,
        limit=-margin,
    )


def _few_vanished(changes: Changes | None, most: float) -> Gate:
    if changes is None:
        return Gate(name="vanished", passed=True, reason="there is no champion to compare with")
    share = changes.share_vanished
    over = "" if share <= most else f", {share - most:.1%} too many"
    return Gate(
        name="vanished",
        passed=share <= most,
        reason=f"{len(changes.vanished):,} of {changes.hotspots_before:,} hotspots of version {changes.version} "
        f"vanished ({share:.1%}); at most {most:.1%} may{over}",
        value=share,
        limit=most,
    )


def _clean(this: Fetched, answers: Answer) -> Gate:
    expected = this.model.locate(*example_points(this.model)).hotspot.tolist()
    try:
        found = answers(this.folder.model)
    except CleanProcessError as error:
        return Gate(name="clean_process", passed=False, reason=str(error))
    if found != expected:
        return Gate(name="clean_process", passed=False, reason=f"it answers hotspots {found}, not {expected}")
    return Gate(name="clean_process", passed=True, reason=f"it loads and answers hotspots {found}")
