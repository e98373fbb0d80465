"""Where points wait between the stages of a clustering in tiles: a folder, or objects of a bucket."""

from __future__ import annotations

from pathlib import Path

from taxi_mlops.data.objects import SCHEME, ObjectStore
from taxi_mlops.results.new_folder import require_empty
from taxi_mlops.scale.spill import Spill
from taxi_mlops.settings import Settings
from taxi_mlops.storage.spill_bucket import BucketFiles


def in_bucket(where: str) -> bool:
    """Return whether this is an address of an object store, and not a folder."""
    return where.lower().startswith(f"{SCHEME}://")


def open_spill(where: str, settings: Settings) -> Spill:
    """Return the spill in a folder or at `s3://bucket/prefix`. Raises UsageError if the store cannot be used."""
    if in_bucket(where):
        return Spill(BucketFiles.below(where, ObjectStore(settings)))
    return Spill.at(Path(where))


def require_unused(spill: Spill) -> None:
    """Raise RunFolderError if there is anything where points are to wait, and ServiceError if that is not known."""
    if isinstance(spill.files, BucketFiles):
        spill.files.require_empty()
    elif spill.files.folder:
        require_empty(spill.files.folder)
