"""`taxi_mlops.train`: a hotspot model from trips, judged and registered."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from taxi_mlops.api.keywords import plain_values, takes_keywords
from taxi_mlops.api.trips import is_address
from taxi_mlops.api.watching import watched
from taxi_mlops.errors import UsageError
from taxi_mlops.models.hotspot_model import HotspotModel, Located
from taxi_mlops.models.mlflow_model import check_degrees
from taxi_mlops.models.registry import ModelVersion, open_registry
from taxi_mlops.pipeline import train as steps
from taxi_mlops.reports.model_card import facts
from taxi_mlops.results.model_card import ModelCard, TrainingFolder
from taxi_mlops.results.new_folder import folder_of_now
from taxi_mlops.settings import load_settings
from taxi_mlops.training import Train, TrainParameters


class TrainedModel:
    """A version of a hotspot model. A notebook shows its card, a terminal its values."""

    def __init__(self, card: ModelCard, version: ModelVersion, folder: TrainingFolder, model: HotspotModel) -> None:
        self.card = card
        """All values: `model.json` as an object."""
        self.version: str = version.version
        """The number of the version in MLflow's registry, where `challenger` names it."""
        self.folder: Path = folder.path
        """The folder of the results, as `taxi train` writes it."""
        self._model, self._page = model, folder.page

    def locate(self, latitude: ArrayLike, longitude: ArrayLike) -> Located:
        """Return the hotspot around each point, and its distance to the nearest core point.

        Parameters
        ----------
        latitude, longitude : array-like of shape (m,)
            Degrees.

        Returns
        -------
        Located
            `hotspot`, int64 (m,), the id or −1; `metres`, float64 (m,).

        Raises
        ------
        ValueError
            Where a coordinate is missing or out of range.
        """
        asked = (np.atleast_1d(np.asarray(one, dtype=np.float64)) for one in (latitude, longitude))
        north, east = np.broadcast_arrays(*asked)
        check_degrees(north, east)
        return self._model.locate(np.ascontiguousarray(north), np.ascontiguousarray(east))

    def __repr__(self) -> str:
        lines = [f"{name:<22}  {value}" for name, value in facts(self.card)]
        return "\n".join([f"{self.card.name} version {self.version}", *lines])

    def _repr_html_(self) -> str:
        from taxi_mlops.api.showing import Page

        return Page.read(self._page)._repr_html_()


@takes_keywords(Train, TrainParameters)
def train(trips: str | os.PathLike[str] | None = None, /, **parameters: Unpack[TrainParameters]) -> TrainedModel:
    """Make a hotspot model, judge it on trips that it has not seen, and register it in MLflow, as `taxi train` does.

    Parameters
    ----------
    trips : path or address, default: a synthetic city of 20,000 trips
        Where the trips are: their times are read from there, too.

    Returns
    -------
    TrainedModel
        The version, its values, and what locates points.

    Raises
    ------
    UsageError
        Where an argument is wrong, the trips cannot be used, or MLflow is not installed; a ValueError.
    TaxiError
        Where the implementation or the registry fails.
    """
    if not is_address(trips):
        raise UsageError(f"train reads trips and their times from a file: give its path, not {type(trips).__name__}")
    given: dict[str, Any] = {"data": trips, **parameters}
    document, settings = Train().with_parameters(plain_values(given)), load_settings()
    registry = open_registry(settings)
    folder = TrainingFolder(folder_of_now(settings.runs_dir, "train-"))
    with watched() as observer:
        trained = steps.train(document, settings, registry, observer)
        steps.write_training(trained, folder, observer)
        version = steps.register(trained, folder, registry, observer)
    return TrainedModel(trained.card, version, folder, trained.model)
