"""Make versions of trips in Delta Lake tables: commit, log, diff, tag, restore, vacuum.

Versions as sources of other commands are in `taxi_mlops.data.delta`.
"""

from taxi_mlops.versions.commit import AlreadyCommittedError, Commit, commit
from taxi_mlops.versions.difference import Difference, difference
from taxi_mlops.versions.history import Version, history, restore, tag
from taxi_mlops.versions.vacuum import Vacuumed, vacuum

__all__ = [
    "AlreadyCommittedError",
    "Commit",
    "Difference",
    "Vacuumed",
    "Version",
    "commit",
    "difference",
    "history",
    "restore",
    "tag",
    "vacuum",
]
