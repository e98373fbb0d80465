"""Make versions of trips in Delta Lake tables: commit, adopt, log, diff, tag, restore, vacuum.

Versions as sources of other commands are in `taxi_mlops.data.delta`.
"""

from taxi_mlops.versions.adopt import Adoption, adopt
from taxi_mlops.versions.commit import Commit, commit
from taxi_mlops.versions.difference import Difference, difference
from taxi_mlops.versions.history import Version, history, restore, tag
from taxi_mlops.versions.records import AlreadyCommittedError
from taxi_mlops.versions.state import TableState, table_state
from taxi_mlops.versions.vacuum import Vacuumed, vacuum

__all__ = [
    "Adoption",
    "AlreadyCommittedError",
    "Commit",
    "Difference",
    "TableState",
    "Vacuumed",
    "Version",
    "adopt",
    "commit",
    "difference",
    "history",
    "restore",
    "table_state",
    "tag",
    "vacuum",
]
