"""Import Optuna, which is optional, without its log and its warnings of experimental features."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from taxi_mlops.errors import LibraryMissingError

INSTALL = "pip install 'taxi-mlops[tune]'"


def load_optuna() -> ModuleType:
    """Return the library. Raises LibraryMissingError, which says how to install it."""
    try:
        import optuna
    except ImportError as error:
        raise LibraryMissingError(
            f"tuning needs {error.name or 'optuna'}, which is not installed; install it with: {INSTALL}"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@contextmanager
def experimental_features() -> Iterator[None]:
    """Use features that Optuna calls experimental, without a warning."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
