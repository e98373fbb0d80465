"""The flows of hotspot models that deployments run on workers: tuning, training, promotion. See `deployed`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from taxi_mlops.flows.flow_runs import (
    RunLogObserver,
    begin_run,
    check_spec_alone,
    folder_of,
    retry_outages,
    settings_of,
)
from taxi_mlops.flows.forms import form
from taxi_mlops.flows.prefect_artifacts import show_gates, show_model, show_tuning
from taxi_mlops.flows.prefect_results import ResultsInObjectStore  # noqa: F401 - Prefect finds the block by its class
from taxi_mlops.models.registry import CHALLENGER, Registry, open_registry, split_reference
from taxi_mlops.pipeline import tune as tuning_steps
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.promote import promote, refusal
from taxi_mlops.pipeline.train import train_into
from taxi_mlops.reports.tuning_page import sentence as tuning_sentence
from taxi_mlops.results.model_card import TrainingFolder
from taxi_mlops.results.tuning import TuningFolder
from taxi_mlops.settings import load_settings
from taxi_mlops.training import Promotion, Train, Tune


@flow(name="tuning", persist_result=True, result_serializer="json")
@form(Tune)
def tuning(given: dict[str, Any], spec: str = "", output: str = "", cache: bool = True) -> dict[str, Any]:
    """Search for the eps and min_samples of a hotspot model with Optuna.

    Paths are those of the worker.

    Args:
        spec: Path of a whole tuning as TOML or YAML, in place of all fields above.
        output: Folder of the results; a tuning that it holds is resumed. Empty: a new one.
        cache: Use points that were prepared earlier.
    """
    begin_run()
    folder, settings, observer = TuningFolder(folder_of(output, "tune")), settings_of(cache), RunLogObserver()
    if folder.document.is_file():
        found = tuning_steps.resume(folder, settings, observer)
    else:
        check_spec_alone(tuning, flow_run.parameters)
        asked = Tune.from_file(Path(spec)) if spec else Tune().with_parameters(given)
        found = tuning_steps.tune(asked, folder, settings, observer)
    retry_outages(lambda: show_tuning(found, folder))
    return {
        "tuning_id": found.header.tuning_id,
        "folder": str(folder.path.absolute()),
        "verdict": tuning_sentence(found),
        "command": found.command or "",
    }


@flow(name="training", persist_result=True, result_serializer="json")
@form(Train)
def training(
    given: dict[str, Any], spec: str = "", output: str = "", cache: bool = True, promote: bool = False
) -> dict[str, Any]:
    """Make a hotspot model, judge it on trips that it has not seen, and register it as challenger.

    Paths are those of the worker.

    Args:
        spec: Path of a whole training as TOML or YAML, in place of all fields above.
        output: Folder of the results; a model in it that is not registered yet is registered. Empty: a new one.
        cache: Use points that were prepared earlier.
        promote: Make it the champion if it passes the gates of a promotion.
    """
    begin_run()
    check_spec_alone(training, flow_run.parameters)
    asked = Train.from_file(Path(spec)) if spec else Train().with_parameters(given)
    settings, observer = settings_of(cache), RunLogObserver()
    registry, folder = open_registry(settings), TrainingFolder(folder_of(output, "train"))
    card, version = train_into(asked, folder, settings, registry, observer)
    retry_outages(lambda: show_model(card, version, folder))
    said = f"version {version.version} of {card.name}: {card.n_hotspots:,} hotspots"
    if promote:
        document = Promotion().with_parameters({"model": f"{card.name}@{version.version}"})
        said = f"{said}; {_promoted(document, registry, observer)}"
    return {"folder": str(folder.path.absolute()), "version": version.version, "verdict": said}


@flow(name="promotion", persist_result=True, result_serializer="json")
@form(Promotion, without=("against",))
def promotion(given: dict[str, Any]) -> dict[str, Any]:
    """Make a version of a hotspot model the champion if it passes the gates. If not, the champion stays."""
    begin_run()
    document = Promotion().with_parameters(given)
    return {"verdict": _promoted(document, open_registry(load_settings()), RunLogObserver())}


def _promoted(document: Promotion, registry: Registry, observer: Observer) -> str:
    """Promote a version if it passes the gates, and say what became of it.

    Raises UsageError if there is no such version, PromotionConflictError and ServiceError.
    """
    name, wanted = split_reference(document.model, CHALLENGER)
    version, champion = registry.find(name, wanted), registry.champion(name)
    if champion is not None and champion.version == version.version:
        return f"version {version.version} of {name} is champion already"
    found = promote(document, registry, observer)
    retry_outages(lambda: show_gates(found))
    return str(refusal(found)) if found.failed else f"version {found.version} of {name} is champion"
