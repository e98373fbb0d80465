"""Two trainings of a model, and the registry that they are registered in."""

from __future__ import annotations

import shutil

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


@pytest.fixture
def register_copy(registry, first, tmp_path):
    """Registers the first training under another name, with other values of its card."""
    from taxi_mlops.results.documents import to_json
    from taxi_mlops.results.model_card import TrainingFolder

    def registered(name: str, **changed: object):
        card = first[0].card.model_copy(update={"name": name, **changed})
        folder = TrainingFolder(tmp_path / f"{name}-{len(registry.versions(name))}")
        shutil.copytree(first[1].path, folder.path)
        folder.result.write_text(to_json(card), encoding="utf-8")
        return registry.register(folder, card, "A test.")

    return registered


@pytest.fixture(scope="session")
def first(train):
    """A training without a version before."""
    return train("first", eps=150, min_samples=4)
