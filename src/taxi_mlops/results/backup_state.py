"""What a folder of backups shows without its key: when the newest was made, and when one was last verified."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

BACKUPS = "backups"
VERIFIED = "verified.json"
_LABEL = re.compile(r"\d{8}T\d{6}Z")
_FORMAT = "%Y%m%dT%H%M%SZ"


class Verification(BaseModel):
    """The last backup of a place that was restored and compared. It is written without encryption, for monitoring."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    verified: datetime
    seconds: float


def label_of(created: datetime) -> str:
    """Return the label of a backup that was begun at a time."""
    return created.astimezone(UTC).strftime(_FORMAT)


def begun_at(label: str) -> datetime:
    """Return when the backup of a label was begun."""
    return datetime.strptime(label, _FORMAT).replace(tzinfo=UTC)


def labels_in(place: Path) -> tuple[str, ...]:
    """Return the labels of the backups in a folder, the oldest first; none if there is no such folder."""
    try:
        return tuple(sorted(path.name for path in (place / BACKUPS).iterdir() if _LABEL.fullmatch(path.name)))
    except OSError:
        return ()


def verification_in(place: Path) -> Verification | None:
    """Return the last verified restore, None if there was none."""
    try:
        return Verification.model_validate_json((place / VERIFIED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
