"""The audit trail of a stack: what is done to it is noted in its own experiment store."""

from __future__ import annotations

import tomllib

from taxi_mlops.audit.trail import FOLDER, AuditTrail, trail_of
from taxi_mlops.settings import Settings, load_settings
from taxi_mlops.stack.folder import StackFolder


def stack_trail(folder: StackFolder) -> AuditTrail:
    """Return the trail of a stack that was made: a journal in its folder, and the store that its settings name.

    Raises UsageError if the settings are wrong.
    """
    file = folder.settings_file
    settings = Settings(**tomllib.loads(file.read_text(encoding="utf-8"))) if file.is_file() else load_settings()
    return trail_of(settings, folder.path / FOLDER)
