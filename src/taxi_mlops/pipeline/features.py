"""Build features for a model of the registry: `taxi features build`, and the deployment `materialize-features`."""

from __future__ import annotations

from taxi_mlops.data.progress import Progress
from taxi_mlops.features import BuildOptions, Built, Materialized, Version, build, materialize
from taxi_mlops.models.registry import CHAMPION, open_registry, split_reference
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.train import load_version
from taxi_mlops.settings import Settings


def build_features(
    data: str, model: str, settings: Settings, options: BuildOptions, on_progress: Progress | None = None
) -> Built:
    """Build the features of a model, named like `city` or `city@3`; a name alone is its champion.

    Raises ServiceError if the registry cannot be read, UsageError if there is no such version, and as `build` does.
    """
    name, wanted = split_reference(model, CHAMPION)
    registry = open_registry(settings)
    found = registry.find(name, wanted)
    version = Version(name, found.version, load_version(found, registry))
    return build(data, version, settings, options, on_progress)


def build_and_materialize(
    data: str, model: str, settings: Settings, options: BuildOptions, observer: Observer
) -> tuple[Built, Materialized]:
    """Build the features of a model, and copy the last to the online store. Raises as the two do."""
    observer.stage(f"Computing the features of {model}")
    built = build_features(data, model, settings, options, observer.loading)
    for note in built.contents.notes:
        observer.warning(note)
    observer.stage("Copying the last features to the online store")
    return built, materialize(built.contents.model, settings)
