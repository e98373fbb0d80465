"""Create a folder of results, which appears under its name once it is complete."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from taxi_mlops.errors import RunFolderError, TaxiError


def folder_of_now(parent: Path, prefix: str = "") -> Path:
    """Return a folder named by the current second that does not exist yet."""
    name = parent / f"{prefix}{datetime.now(UTC):%Y-%m-%d-%H%M%S}"
    others = (name.with_name(f"{name.name}-{number}") for number in itertools.count(2))
    return next(folder for folder in itertools.chain([name], others) if not folder.exists())


def require_empty(folder: Path) -> None:
    """Raise RunFolderError if the folder contains anything, or cannot be created."""
    try:
        taken = next(folder.iterdir(), None)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunFolderError(f"cannot use {folder} as output folder: {error.strerror}") from None
    if taken is not None:
        raise RunFolderError(f"{folder} is not empty ({taken.name}, …); name a new folder")


@contextmanager
def filled_folder(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder beside this one, which is renamed to it once the block has succeeded.

    Raises RunFolderError if that fails, and TaxiError if a file cannot be written.
    """
    require_empty(folder)
    hidden = folder.with_name(f".{folder.name}-{os.getpid()}")
    try:
        try:
            hidden.mkdir(parents=True)
        except OSError as error:
            raise RunFolderError(f"cannot use {folder} as output folder: {error.strerror}") from None
        yield hidden
        hidden.replace(folder)
    except TaxiError:
        raise
    except OSError as error:
        raise TaxiError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
