"""Import optional libraries of the API."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from taxi_mlops.errors import LibraryMissingError


def require(name: str) -> ModuleType:
    """Import an optional library. Raises LibraryMissingError, which says how to install it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise LibraryMissingError(
            f"{error.name or name} is not installed; install it with: pip install 'taxi-mlops[notebook]'"
        ) from error
