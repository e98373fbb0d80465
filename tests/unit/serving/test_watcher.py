from __future__ import annotations

from datetime import UTC, datetime

import pytest

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")

from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.models.mlflow_model import DATA
from taxi_mlops.models.registry import ModelVersion
from taxi_mlops.serving.watcher import ModelWatcher


class Registry:
    """A registry whose champion the test sets; models are in folders, None is a broken one."""

    def __init__(self, models: dict) -> None:
        self.models, self.champion, self.away, self.downloads = models, "1", False, 0
        self.stuck = False

    def find(self, name: str, wanted: str) -> ModelVersion:
        if self.away:
            raise ServiceError("the registry is away")
        return ModelVersion(name, self.champion, datetime.now(UTC), (wanted,), "run", {}, {})

    def download(self, version: ModelVersion, folder):
        self.downloads += 1
        if self.stuck:
            raise ServiceError("the files did not arrive")
        target = folder / "model" / "data" / DATA
        target.mkdir(parents=True)
        if (model := self.models[version.version]) is not None:
            model.save(target)
        return folder / "model"


@pytest.fixture
def registry(model_at):
    return Registry({"1": model_at(0.0), "2": model_at(0.0, 1.0), "3": None})


def test_a_new_champion_is_taken_up(registry):
    changed = []
    watcher = ModelWatcher(registry, "city", "champion", lambda model: changed.append(model.version))
    watcher.look()
    assert (watcher.current.version, registry.downloads) == ("1", 1)
    registry.champion = "2"
    watcher.look()
    assert (watcher.current.version, len(watcher.current.model), changed) == ("2", 2, ["1", "2"])
    assert watcher.state.failure is watcher.state.refused is None


def test_a_broken_version_is_refused_once_and_the_old_one_stays(registry):
    watcher = ModelWatcher(registry, "city", "champion")
    registry.champion = "3"
    for _ in range(3):
        watcher.look()
    assert (watcher.current.version, registry.downloads) == ("1", 2)
    assert watcher.state.refused.startswith("version 3 is refused: ")
    registry.champion = "2"
    watcher.look()
    assert (watcher.current.version, watcher.state.refused) == ("2", None)


def test_without_the_registry_the_service_continues(registry):
    watcher = ModelWatcher(registry, "city", "champion")
    registry.away = True
    watcher.look()
    assert (watcher.current.version, watcher.state.failure) == ("1", "the registry is away")
    registry.away = False
    watcher.look()
    assert watcher.state.failure is None
    registry.champion = "3"
    with pytest.raises(UsageError):
        ModelWatcher(registry, "city", "champion")


def test_a_version_that_does_not_arrive_is_said_and_asked_for_again(registry):
    watcher = ModelWatcher(registry, "city", "champion")
    registry.champion, registry.stuck = "2", True
    watcher.look()
    assert (watcher.current.version, watcher.state.failure) == ("1", "the files did not arrive")
    assert watcher.state.refused is None
    registry.stuck = False
    watcher.look()
    assert (watcher.current.version, watcher.state.failure) == ("2", None)


def test_the_watching_thread_ends(registry):
    watcher = ModelWatcher(registry, "city", "champion", interval=0.01)
    thread = watcher.watch()
    watcher.stop()
    thread.join(timeout=30)
    assert not thread.is_alive()
