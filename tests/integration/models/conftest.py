"""Two trainings of a model, and the registry that they are registered in."""

from __future__ import annotations

import pytest

CITY = "synthetic:rows=4000,seed=1"


@pytest.fixture(scope="session")
def settings(tmp_path_factory):
    from taxi_mlops.settings import Settings

    pytest.importorskip("mlflow", reason="MLflow is in the extra tracking")
    folder = tmp_path_factory.mktemp("models")
    return Settings(runs_dir=folder / "runs", cache_dir=folder / "cache", points_cache=False)


@pytest.fixture(scope="session")
def registry(settings):
    from taxi_mlops.models.registry import open_registry

    return open_registry(settings)


@pytest.fixture(scope="session")
def train(settings, registry):
    """Trains on the same trips with other parameters, and writes what is trained."""
    from taxi_mlops.pipeline.observer import Observer
    from taxi_mlops.pipeline.train import train, write_training
    from taxi_mlops.results.model_card import TrainingFolder
    from taxi_mlops.training import Train

    def trained(name: str, **parameters: object):
        document = Train().with_parameters({"data": CITY, "adapter": "grid", "name": name, **parameters})
        found = train(document, settings, registry, Observer())
        folder = TrainingFolder(settings.runs_dir / f"{name}-{found.card.parameters.eps_metres:g}")
        write_training(found, folder, Observer())
        return found, folder

    return trained


@pytest.fixture(scope="session")
def first(train):
    """A training without a version before."""
    return train("first", eps=150, min_samples=4)
