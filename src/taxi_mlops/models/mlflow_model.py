"""A hotspot model as a model of MLflow. MLflow loads it through this module: nothing of it is pickled."""

from __future__ import annotations

import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from taxi_mlops.domain import FloatArray
from taxi_mlops.models.hotspot_model import HotspotModel, first_off_earth
from taxi_mlops.recording.mlflow_recorder import without_telemetry

if TYPE_CHECKING:
    import pandas as pd

DATA = "hotspots"
EXAMPLE_POINTS = 3


class HotspotPredictor:
    """What `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, model: HotspotModel) -> None:
        self.model = model

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        """Return `hotspot` and `metres` of each row of `latitude` and `longitude`, as `HotspotModel.locate` does.

        Raises ValueError for coordinates that are missing or out of range.
        """
        import pandas as pd

        latitude = np.ascontiguousarray(model_input["latitude"], dtype=np.float64)
        longitude = np.ascontiguousarray(model_input["longitude"], dtype=np.float64)
        check_degrees(latitude, longitude)
        found = self.model.locate(latitude, longitude)
        return pd.DataFrame({"hotspot": found.hotspot, "metres": found.metres})


def check_degrees(latitude: FloatArray, longitude: FloatArray) -> None:
    """Raise ValueError naming the first point that is not one."""
    i = first_off_earth(latitude, longitude)
    if i is not None:
        raise ValueError(
            f"point {i} is latitude {latitude[i]:g}, longitude {longitude[i]:g}; latitude is from −90 to 90, "
            "longitude from −180 to 180"
        )


def _load_pyfunc(data_path: str) -> HotspotPredictor:
    """Load the model; MLflow calls it, by this name."""
    return HotspotPredictor(HotspotModel.load(Path(data_path)))


def save_mlflow_model(model: HotspotModel, folder: Path) -> None:
    """Write the model in MLflow's format, with signature and input example, into a folder that does not exist."""
    with without_telemetry():
        import pandas as pd
        from mlflow import pyfunc
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, DataType, Schema

        latitude, longitude = example_points(model)
        with tempfile.TemporaryDirectory() as files:
            data = Path(files) / DATA
            data.mkdir()
            model.save(data)
            pyfunc.save_model(
                str(folder),
                loader_module=__name__,
                data_path=str(data),
                signature=ModelSignature(
                    inputs=Schema([ColSpec(DataType.double, name) for name in ("latitude", "longitude")]),
                    outputs=Schema([ColSpec(DataType.long, "hotspot"), ColSpec(DataType.double, "metres")]),
                ),
                input_example=pd.DataFrame({"latitude": latitude, "longitude": longitude}),
                pip_requirements=[f"taxi-mlops[tracking]=={metadata.version('taxi-mlops')}"],
            )


def load_mlflow_model(folder: Path) -> HotspotModel:
    """Read the files of a model in MLflow's format, without MLflow. Raises UsageError as `HotspotModel.load` does."""
    return HotspotModel.load(folder / "data" / DATA)


def example_points(model: HotspotModel) -> tuple[FloatArray, FloatArray]:
    """Return the centres of the largest hotspots; a point of the ocean if there is none."""
    if not len(model):
        return np.zeros(1), np.zeros(1)
    centre = model.centre[np.argsort(-model.size, kind="stable")[:EXAMPLE_POINTS]]
    return centre[:, 0].copy(), centre[:, 1].copy()
