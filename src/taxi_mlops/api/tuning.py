"""`taxi_mlops.tune`: the eps and min_samples of a hotspot model, searched with Optuna."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from taxi_mlops.api.keywords import plain_values, takes_keywords
from taxi_mlops.api.libraries import require
from taxi_mlops.api.trips import is_address
from taxi_mlops.api.watching import watched
from taxi_mlops.errors import UsageError
from taxi_mlops.pipeline import tune as steps
from taxi_mlops.reports.tuning_page import sentence
from taxi_mlops.results.new_folder import folder_of_now
from taxi_mlops.results.tuning import TuningFolder, TuningResult, TuningTrial
from taxi_mlops.settings import load_settings
from taxi_mlops.training import Tune, TuneParameters

if TYPE_CHECKING:
    import pandas as pd


class Tuning:
    """A search for parameters that has ended. A notebook shows its page, a terminal its result."""

    def __init__(self, result: TuningResult, folder: TuningFolder) -> None:
        self.result = result
        """All values: `tune.json` as an object."""
        self.best: TuningTrial | None = result.best_trial
        """The best trial, with `eps_metres` and `min_samples`; None if none is within the bounds of noise."""
        self.command: str | None = result.command
        """The command that trains a model with the best parameters."""
        self.folder: Path = folder.path
        """The folder of the results, as `taxi tune` writes it."""
        self._page = folder.page

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas data frame with a row for each trial. Raises LibraryMissingError without pandas."""
        rows = [
            {
                "eps_metres": trial.eps_metres,
                "min_samples": trial.min_samples,
                "state": trial.state,
                "unseen": None if trial.unseen is None else trial.unseen.value,
                "stability": None if trial.stability is None else trial.stability.value,
                "noise_ratio": trial.noise_ratio,
                "n_clusters": trial.n_clusters,
                "on_front": trial.number in self.result.front,
            }
            for trial in self.result.trials
        ]
        frame: pd.DataFrame = require("pandas").DataFrame(rows)
        return frame

    def __repr__(self) -> str:
        return f"{sentence(self.result)} {len(self.result.trials)} trials, in {self.folder}"

    def _repr_html_(self) -> str:
        from taxi_mlops.api.showing import Page

        return Page.read(self._page)._repr_html_()


@takes_keywords(Tune, TuneParameters)
def tune(trips: str | os.PathLike[str] | None = None, /, **parameters: Unpack[TuneParameters]) -> Tuning:
    """Search for the eps and min_samples of a hotspot model with Optuna, as `taxi tune` does.

    Parameters
    ----------
    trips : path or address, default: a synthetic city of 20,000 trips
        Where the trips are: their times are read from there, too.

    Returns
    -------
    Tuning
        The best parameters, all trials, and the folder with the page.

    Raises
    ------
    UsageError
        Where an argument is wrong, the trips cannot be used, or Optuna is not installed; a ValueError.
    """
    if not is_address(trips):
        raise UsageError(f"tune reads trips and their times from a file: give its path, not {type(trips).__name__}")
    given: dict[str, Any] = {"data": trips, **parameters}
    document, settings = Tune().with_parameters(plain_values(given)), load_settings()
    folder = TuningFolder(folder_of_now(settings.runs_dir, "tune-"))
    with watched() as observer:
        result = steps.tune(document, folder, settings, observer)
    return Tuning(result, folder)
