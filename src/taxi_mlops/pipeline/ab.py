"""Start, read, decide and stop an A/B test of two versions of a hotspot model: `taxi ab`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from taxi_mlops.domain import NOISE
from taxi_mlops.errors import TaxiError, UsageError
from taxi_mlops.models.ab_status import status_of
from taxi_mlops.models.ab_store import AbStore
from taxi_mlops.models.ab_test import AbTest, Limits, new_salt
from taxi_mlops.models.clean_process import answer
from taxi_mlops.models.hotspot_model import HotspotModel
from taxi_mlops.models.judging import Unseen
from taxi_mlops.models.registry import CHALLENGER, ModelVersion, Registry, split_reference
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.promote import Answer, fetch_card, promote, refusal
from taxi_mlops.pipeline.train import load_version
from taxi_mlops.results.ab_status import AbStatus
from taxi_mlops.results.model_card import TrainingFolder
from taxi_mlops.training import AbStart, Promotion

PROMOTED, KEPT, STOPPED = "promoted", "kept", "stopped"


class UndecidedError(TaxiError):
    """A test cannot be decided yet."""


def start(document: AbStart, registry: Registry, store: AbStore, observer: Observer, shadow: bool = False) -> AbTest:
    """Start a test of the champion against a challenger. shadow: whether it answers the champion's requests, too.

    Raises UsageError if there is no champion or no such version, they are the same, no trips were held out to judge
    areas with, or a test is running; and ServiceError.
    """
    name, wanted = split_reference(document.challenger or document.name, CHALLENGER)
    if name != document.name:
        raise UsageError(f"--challenger {document.challenger} is no version of model {document.name!r}")
    champion, challenger = registry.champion(name), registry.find(name, wanted)
    if champion is None:
        raise UsageError(f"model {name!r} has no champion to test against; make one: taxi models promote {name}")
    if champion.version == challenger.version:
        raise UsageError(f"version {challenger.version} of {name} is champion itself; train a new version first")
    observer.stage("Measuring the areas of both versions")
    unseen = _unseen(champion, registry) or _unseen(challenger, registry)
    if unseen is None:
        raise UsageError(
            f"neither version {champion.version} nor {challenger.version} of {name} has held-out trips, which "
            "say in which area trips are; train with --holdout"
        )
    areas = tuple(area_share(load_version(one, registry), unseen) for one in (champion, challenger))
    limits = Limits(document.max_errors, document.max_slowdown, document.max_noise)
    return store.start(
        name, (champion.version, challenger.version), document.share, new_salt(), limits, (areas[0], areas[1]), shadow
    )


def area_share(model: HotspotModel, unseen: Unseen) -> float:
    """Return the share of the area in which trips are that the hotspots of a model cover."""
    located = model.locate(unseen.area_latitude, unseen.area_longitude).hotspot
    return float(np.count_nonzero(located != NOISE) / len(located))


def status(name: str, store: AbStore) -> AbStatus:
    """Return the state of the newest test of a model. Raises UsageError if there is none, and ServiceError."""
    test = store.latest(name)
    if test is None:
        raise UsageError(f"model {name!r} has had no A/B test; start one: taxi ab start --name {name}")
    return status_of(test, store.evidence(test))


def decide(
    name: str, document: Promotion, registry: Registry, store: AbStore, observer: Observer, answers: Answer = answer
) -> AbStatus:
    """Promote a challenger that is better, through the gates of a promotion; end the test if it is worse.

    document: limits of the gates. Returns the test as it ended. Raises UndecidedError while the interval contains 0 and
    if the sample ratio is wrong; PromotionRefusedError if the gates refuse a better challenger, which ends the test;
    and what `promote` raises.
    """
    test = _running(name, store)
    found = status_of(test, store.evidence(test))
    champion = registry.champion(name)
    now = None if champion is None else champion.version
    if now == test.challenger:  # an earlier decision was cut off after the promotion, or someone promoted by hand
        return _ended(test, PROMOTED, f"version {now} is champion", store)
    if now != test.champion:
        raise UndecidedError(
            f"version {now} of {name} is champion by now, not version {test.champion}, which the test compares with; "
            f"end it: taxi ab stop --name {name}"
        )
    if found.verdict == "guard_rail":
        return _ended(test, KEPT, f"a guard rail stopped version {test.challenger}: {test.guard_rail}", store)
    interval = found.corrected_difference
    said = f"area-corrected hit rate {interval.value:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"
    if found.verdict == "champion_better":
        return _ended(test, KEPT, f"version {test.challenger} is worse: {said}", store)
    if found.verdict == "wrong_sample_ratio":
        raise UndecidedError(
            f"the test cannot be trusted: the challenger has {found.challenger.keys:,} of "
            f"{found.challenger.keys + found.champion.keys:,} keys and {found.challenger.outcomes:,} of "
            f"{found.challenger.outcomes + found.champion.outcomes:,} outcomes, not {test.share:.0%} "
            f"(p = {found.sample_ratio_p_value:.2g}); end it: taxi ab stop --name {name}"
        )
    if found.verdict == "undecided":
        raise UndecidedError(f"not decided yet: {said} contains 0; it runs on (taxi ab stop ends it)")
    gates = promote(document.model_copy(update={"model": f"{name}@{test.challenger}"}), registry, observer, answers)
    if gates.failed:
        _ended(test, KEPT, f"version {test.challenger} is better, but its promotion was refused", store)
        raise refusal(gates)
    return _ended(test, PROMOTED, f"version {test.challenger} is better: {said}", store)


def stop(name: str, store: AbStore) -> AbStatus:
    """End the running test without a decision. Raises UsageError if none is running, and ServiceError."""
    return _ended(_running(name, store), STOPPED, "it was stopped by hand", store)


def _running(name: str, store: AbStore) -> AbTest:
    test = store.running(name)
    if test is None:
        raise UsageError(f"no A/B test of model {name!r} is running; start one: taxi ab start --name {name}")
    return test


def _ended(test: AbTest, decision: str, reason: str, store: AbStore) -> AbStatus:
    if not store.end(test, decision, reason):
        raise UndecidedError(f"the A/B test of {test.model} was ended by another process in the meantime")
    return status(test.model, store)


def _unseen(version: ModelVersion, registry: Registry) -> Unseen | None:
    if fetch_card(version, registry).held_out is None:
        return None
    with tempfile.TemporaryDirectory(prefix="taxi-model-") as folder:
        return Unseen.load(registry.download(version, Path(folder), TrainingFolder(Path()).unseen.name))
