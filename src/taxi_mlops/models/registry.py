"""MLflow's registry of hotspot models: in the embedded database, or at a server. MLflow is imported when it is used.

The aliases are `champion`, which the service answers with, and `challenger`, the newest version. Tags of a version hold
its values and the gates that it passed; a tag of the model holds the champions so far, for `taxi models rollback`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxi_mlops.audit.acts import Action
from taxi_mlops.audit.trail import AuditTrail, trail_of
from taxi_mlops.errors import ServiceError, TaxiError, UsageError
from taxi_mlops.recording.mlflow_recorder import (
    INSTALL,
    MlflowAccess,
    installed,
    temporary_environment,
    without_telemetry,
)
from taxi_mlops.results.model_card import ModelCard, TrainingFolder
from taxi_mlops.service_urls import OFF, ServiceUrl, mlflow_url
from taxi_mlops.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion as MlflowVersion

CHAMPION = "champion"
CHALLENGER = "challenger"
EXPERIMENT = "hotspot-models"

_KIND, _HOTSPOTS, _LOCK = "taxi.kind", "hotspots", "lock"
_CHAMPIONS = "taxi.champions"
_GATE = "taxi.gate."
_MADE_AT = "made_at"
_MODEL = "model"
_STALE_LOCK_SECONDS = 60.0
_MLFLOW = threading.RLock()
"""Held while MLflow is used: it takes the access to a server from the environment of the process."""
_REMEMBERED = 20


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version of a model in the registry. values, gates: its tags of these, by name."""

    name: str
    version: str
    created_at: datetime
    aliases: tuple[str, ...]
    run_id: str
    values: Mapping[str, str]
    gates: Mapping[str, Any]

    @property
    def reference(self) -> str:
        """The version as commands take it: name@version."""
        return f"{self.name}@{self.version}"


class PromotionConflictError(TaxiError):
    """Someone else changed the champion at the same time."""


class Registry:
    """Reads and writes hotspot models. Every method raises ServiceError, in one line without passwords.

    audit: where what changes is noted.
    """

    def __init__(self, url: ServiceUrl, artifacts: Path, access: MlflowAccess, audit: AuditTrail) -> None:
        """Take the address, the folder of artifacts if it is a database, how to access a server, the audit trail."""
        self.target = str(url)
        self.audit = audit
        self._url, self._artifacts, self._access = url, artifacts, access

    def names(self) -> tuple[str, ...]:
        """Return the names of all hotspot models."""
        with self._client() as client:
            found = client.search_registered_models(filter_string=f"tags.`{_KIND}` = '{_HOTSPOTS}'", max_results=1000)
            return tuple(sorted(model.name for model in found))

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """Return the versions of a model, the newest first; none if there is no such model."""
        with self._client() as client:
            aliases = self._aliases(client, name)
            found = client.search_model_versions(f"name = '{name}'", max_results=1000)
            versions = [_version(one, aliases) for one in found]
            return tuple(sorted(versions, key=lambda one: -int(one.version)))

    def find(self, name: str, wanted: str) -> ModelVersion:
        """Return the version of a number or an alias. Raises UsageError if there is none."""
        versions = self.versions(name)
        for one in versions:
            if wanted in (one.version, *one.aliases):
                return one
        if not versions:
            known = ", ".join(self.names()) or "none yet; `taxi train` makes one"
            raise UsageError(f"there is no model {name!r}; there are: {known}")
        listed = ", ".join("@".join((one.version, *one.aliases)) for one in versions[:10])
        raise UsageError(f"model {name!r} has no version or alias {wanted!r}; there are: {listed}")

    def champion(self, name: str) -> ModelVersion | None:
        return next((one for one in self.versions(name) if CHAMPION in one.aliases), None)

    def download(self, version: ModelVersion, folder: Path, what: str = _MODEL) -> Path:
        """Copy an artifact of a version into a folder that exists, and return its path."""
        with self._client() as client:
            return Path(client.download_artifacts(version.run_id, what, str(folder)))

    def register(self, folder: TrainingFolder, card: ModelCard, description: str) -> ModelVersion:
        """Store the files of a training, make them the newest version, and let `challenger` name it."""
        from mlflow.exceptions import MlflowException

        act = self.audit.acting(Action.MODEL_REGISTERED, card.name, data=card.dataset.uri, trained_on=card.trained_on)
        with act as draft, self._client() as client:
            run = client.create_run(self._experiment(client), run_name=f"train {card.name}")
            run_id = run.info.run_id
            try:
                _log(client, run_id, card, description)
                for path in sorted(folder.path.iterdir()):
                    if path.is_dir():
                        client.log_artifacts(run_id, str(path), path.name)
                    else:
                        client.log_artifact(run_id, str(path))
                client.set_terminated(run_id)
            except BaseException:
                with suppress(Exception):
                    client.delete_run(run_id)
                raise
            with suppress(MlflowException):  # it exists
                client.create_registered_model(card.name, {_KIND: _HOTSPOTS})
            tags = {name: str(value) for name, value in values_of(card).items()}
            made = client.create_model_version(
                card.name, f"runs:/{run_id}/{_MODEL}", run_id, tags=tags, description=description
            )
            client.set_registered_model_alias(card.name, CHALLENGER, str(made.version))
            draft.subject = f"{card.name}@{made.version}"
            return _version(made, {CHALLENGER: str(made.version)})

    def note_gates(self, version: ModelVersion, gates: Mapping[str, Any]) -> None:
        """Store the values of gates with a version."""
        with self._client() as client:
            for name, value in gates.items():
                client.set_model_version_tag(version.name, version.version, f"{_GATE}{name}", json.dumps(value))

    def crown(self, version: ModelVersion, before: ModelVersion | None) -> None:
        """Make a version the champion. before: the champion that it was compared with.

        Raises PromotionConflictError if another one is champion by now, or another promotion is under way.
        """
        act = self.audit.acting(
            Action.MODEL_PROMOTED, version.reference, champion_before=before.version if before else None
        )
        with act, self._client() as client, self._locked(client, version.name):
            self._require_champion(client, version.name, before)
            champions = [*_champions(client, version.name, before), version.version][-_REMEMBERED:]
            self._set_champion(client, version, champions)

    def roll_back(self, name: str) -> tuple[ModelVersion, ModelVersion]:
        """Make the champion before the present one champion again; return the present one and it.

        Raises UsageError if there is none, and PromotionConflictError as `crown` does.
        """
        now = self.champion(name)
        act = self.audit.acting(Action.MODEL_ROLLED_BACK, name, champion_before=now.version if now else None)
        with act as draft, self._client() as client, self._locked(client, name):
            champions = _champions(client, name, now)
            if now is None or len(champions) < 2:
                raise UsageError(f"model {name!r} has no earlier champion to go back to")
            self._require_champion(client, name, now)
            earlier = self.find(name, champions[-2])
            self._set_champion(client, earlier, champions[:-1])
            draft.subject = earlier.reference
            return now, earlier

    def _set_champion(self, client: MlflowClient, version: ModelVersion, champions: list[str]) -> None:
        # The list first: what a power cut in between leaves at its end is dropped by `_champions`.
        client.set_registered_model_tag(version.name, _CHAMPIONS, json.dumps(champions))
        client.set_registered_model_alias(version.name, CHAMPION, version.version)

    def _require_champion(self, client: MlflowClient, name: str, expected: ModelVersion | None) -> None:
        now = self._aliases(client, name).get(CHAMPION)
        if now != (expected.version if expected else None):
            raise PromotionConflictError(
                f"version {now} of model {name!r} became champion in the meantime; compare with it and try again"
            )

    @contextmanager
    def _locked(self, client: MlflowClient, name: str) -> Iterator[None]:
        """Hold the lock of a model: an entry of the registry, which only one process can create."""
        from mlflow.exceptions import MlflowException

        entry = f"{name}.promotion-lock"
        with suppress(MlflowException):
            held_since = client.get_registered_model(entry).creation_timestamp / 1000.0
            if time.time() - held_since > _STALE_LOCK_SECONDS:  # of a process that was killed
                client.delete_registered_model(entry)
        try:
            client.create_registered_model(entry, {_KIND: _LOCK})
        except MlflowException:
            raise PromotionConflictError(f"model {name!r} is being promoted by another process; try again") from None
        try:
            yield
        finally:
            client.delete_registered_model(entry)

    def _aliases(self, client: MlflowClient, name: str) -> dict[str, str]:
        from mlflow.exceptions import MlflowException

        try:
            found = client.get_registered_model(name).aliases
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
        return {alias: str(version) for alias, version in found.items()}

    def _experiment(self, client: MlflowClient) -> str:
        from mlflow.exceptions import MlflowException

        found = client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            embedded = not self._url.reveal().startswith(("http://", "https://"))
            with suppress(MlflowException):  # another process may be faster
                return client.create_experiment(EXPERIMENT, self._artifacts.absolute().as_uri() if embedded else None)
            found = client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            raise ServiceError(f"{self.target}: experiment {EXPERIMENT!r} cannot be created")
        return str(found.experiment_id)

    @contextmanager
    def _client(self) -> Iterator[MlflowClient]:
        with _MLFLOW, without_telemetry(), temporary_environment(self._access.variables()):
            try:
                from mlflow import MlflowClient

                yield MlflowClient(tracking_uri=self._url.reveal(), registry_uri=self._url.reveal())
            except TaxiError:
                raise
            except Exception as error:  # noqa: BLE001 - MLflow lets through whatever its many back ends raise
                said = " ".join(str(error).split()) or type(error).__name__
                raise ServiceError(f"{self.target}: {self._url.scrub(said)}") from None


def open_registry(settings: Settings) -> Registry:
    """Return the registry of the settings. Raises UsageError if MLflow is turned off or not installed."""
    if not installed():
        raise UsageError(f"models are stored in MLflow, which is not installed; install it with: {INSTALL}")
    url = mlflow_url(settings)
    if url is None:
        raise UsageError(f"models are stored in MLflow, which is turned off by the settings (TAXI_MLFLOW_URI={OFF})")
    if settings.mlflow_uri is None:
        settings.runs_dir.mkdir(parents=True, exist_ok=True)
    return Registry(url, settings.runs_dir / "mlflow-artifacts", MlflowAccess.chosen_by(settings), trail_of(settings))


def split_reference(model: str, default: str) -> tuple[str, str]:
    """Return name and version, or alias, of `name@version`. default: the version of a name alone."""
    name, _, version = model.partition("@")
    return name, version or default


def values_of(card: ModelCard) -> dict[str, float | int | str]:
    """Return the values of a model that its version has as tags."""
    return {
        "eps_metres": card.parameters.eps_metres,
        "min_samples": card.parameters.min_samples,
        "adapter": card.adapter.name,
        "trained_on": card.trained_on,
        "hotspots": card.n_hotspots,
        "data": card.dataset.uri,
        "data_version": card.dataset.data_version,
        "fingerprint": card.dataset.fingerprint,
        "next_id": card.next_id,
        _MADE_AT: card.created_at.isoformat(),
        **({} if card.unseen is None else {"unseen_score": round(card.unseen.score, 6)}),
    }


def made_by(version: ModelVersion, card: ModelCard) -> bool:
    """Return whether a version is that of a card."""
    return version.values.get(_MADE_AT) == card.created_at.isoformat()


def _log(client: MlflowClient, run_id: str, card: ModelCard, description: str) -> None:
    from mlflow.entities import Metric, Param, RunTag

    now = int(datetime.now(UTC).timestamp() * 1000)
    values = values_of(card)
    numbers: dict[str, float] = {"hotspots": card.n_hotspots, "trained_on": card.trained_on, "noise": card.n_noise}
    if card.unseen is not None:
        numbers |= {
            "unseen/score": card.unseen.score,
            "unseen/share_inside": card.unseen.share_inside,
            "unseen/share_of_area": card.unseen.share_of_area,
        }
    client.log_batch(
        run_id,
        metrics=[Metric(name, float(value), now, 0) for name, value in numbers.items()],
        params=[Param(name, str(values[name])) for name in ("eps_metres", "min_samples", "adapter", "fingerprint")],
        tags=[RunTag(_KIND, _HOTSPOTS), RunTag("mlflow.note.content", description)],
    )


def _version(found: MlflowVersion, aliases: Mapping[str, str]) -> ModelVersion:
    number = str(found.version)
    return ModelVersion(
        name=found.name,
        version=number,
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000.0, UTC),
        aliases=tuple(sorted(alias for alias, version in aliases.items() if version == number)),
        run_id=str(found.run_id),
        values={name: value for name, value in found.tags.items() if not name.startswith(_GATE)},
        gates={
            name.removeprefix(_GATE): json.loads(value) for name, value in found.tags.items() if name.startswith(_GATE)
        },
    )


def _champions(client: MlflowClient, name: str, now: ModelVersion | None) -> list[str]:
    """Return the versions that were champion, the present one last; what a cut promotion wrote after it is left out."""
    listed = [str(version) for version in json.loads(client.get_registered_model(name).tags.get(_CHAMPIONS, "[]"))]
    while listed and (now is None or listed[-1] != now.version):
        listed.pop()
    return listed
