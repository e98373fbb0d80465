"""Keep the service on the version that the registry names: load a new one beside the old one, and swap them."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from taxi_mlops.errors import TaxiError, UsageError
from taxi_mlops.models.mlflow_model import load_mlflow_model
from taxi_mlops.models.registry import ModelVersion, Registry
from taxi_mlops.monitoring.logs import get_logger
from taxi_mlops.serving.served_model import ServedModel

INTERVAL_SECONDS = 2.0


def load_served(registry: Registry, version: ModelVersion) -> ServedModel:
    """Download a version and make it ready. Raises UsageError if its files are broken, and ServiceError."""
    with tempfile.TemporaryDirectory(prefix="taxi-model-") as folder:
        model = load_mlflow_model(registry.download(version, Path(folder)))
    return ServedModel(version.name, version.version, model, version.created_at).prepare()


@dataclass(frozen=True, slots=True)
class RegistryState:
    """What the last look at the registry gave.

    failure: why it could not be read; None if it could. refused: the version that could not be loaded, and why.
    """

    looked_at: datetime
    failure: str | None = None
    refused: str | None = None


class ModelWatcher:
    """Holds the model that the service answers with. `current` and `state` are replaced whole, never changed.

    changed: called with each new model, in the thread of the watcher.
    """

    def __init__(
        self,
        registry: Registry,
        name: str,
        wanted: str,
        changed: Callable[[ServedModel], None] = lambda _: None,
        interval: float = INTERVAL_SECONDS,
    ) -> None:
        self._registry, self._name, self._wanted = registry, name, wanted
        self._changed, self._interval = changed, interval
        self._stopped = threading.Event()
        self._refused: dict[str, str] = {}
        self.current = load_served(registry, registry.find(name, wanted))
        self.state = RegistryState(datetime.now(UTC))
        changed(self.current)

    def watch(self) -> threading.Thread:
        """Look at the registry every few seconds, in a thread of its own, until `stop` is called."""
        thread = threading.Thread(target=self._loop, name="model-watcher", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        self._stopped.set()

    def look(self) -> None:
        """Look at the registry once. A version that cannot be loaded leaves the present one in place."""
        before = self.state
        self._look()
        if self.state.failure is not None and before.failure is None:
            get_logger().warning("registry_unreachable", reason=self.state.failure, version=self.current.version)
        elif self.state.failure is None and before.failure is not None:
            get_logger().info("registry_reachable")

    def _look(self) -> None:
        try:
            version = self._registry.find(self._name, self._wanted)
        except TaxiError as error:
            self.state = RegistryState(datetime.now(UTC), failure=str(error))
            return
        if version.version == self.current.version:
            self.state = RegistryState(datetime.now(UTC))
            return
        failure = None if version.version in self._refused else self._take(version)
        self.state = RegistryState(datetime.now(UTC), failure, self._refused.get(version.version))

    def _take(self, version: ModelVersion) -> str | None:
        """Load a version and answer with it from now on. Return why that failed if the next look may have more luck."""
        try:
            loaded = load_served(self._registry, version)
        except UsageError as error:  # its files are broken, and stay so
            self._refused[version.version] = f"version {version.version} is refused: {error}"
            get_logger().error("model_refused", version=version.version, reason=str(error))
            return None
        except TaxiError as error:
            return str(error)
        self.current = loaded
        self._changed(loaded)
        get_logger().info("model_loaded", model=loaded.name, version=loaded.version, hotspots=len(loaded.model))
        return None

    def _loop(self) -> None:
        while not self._stopped.wait(self._interval):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - the service keeps the model that it has
                self.state = RegistryState(datetime.now(UTC), failure=f"{type(error).__name__} at the registry")
