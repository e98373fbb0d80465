"""List the audit trail: `taxi audit`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from taxi_mlops.audit.acts import Act
from taxi_mlops.audit.stored import stored_acts
from taxi_mlops.audit.trail import AuditTrail
from taxi_mlops.errors import ServiceError, UsageError

_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


@dataclass(frozen=True, slots=True)
class ActFilter:
    """Which acts are wanted; None selects all. action: whole, or its part before the dot. limit: the newest."""

    since: datetime | None = None
    actor: str | None = None
    action: str | None = None
    limit: int = 1000

    def takes(self, act: Act) -> bool:
        """Return whether an act matches, apart from the limit."""
        return (
            (self.since is None or act.at >= self.since)
            and (self.actor is None or act.actor == self.actor)
            and (self.action is None or act.action == self.action or act.action.startswith(f"{self.action}."))
        )


def list_acts(trail: AuditTrail, wanted: ActFilter) -> tuple[tuple[Act, ...], str | None]:
    """Return the acts of the store and of this machine's journal, the newest first; and why the store cannot be used.

    Those of the journal are brought to the store first. Without the store, the journal's alone are returned.
    """
    stored: tuple[Act, ...] = ()
    reason = None
    try:
        trail.deliver()
        if trail.store is not None:
            stored = stored_acts(trail.store, wanted.since, wanted.actor, wanted.action, wanted.limit)
    except ServiceError as error:
        reason = str(error)
    known = {act.id for act in stored}
    waiting = (act for act in trail.waiting() if act.id not in known and wanted.takes(act))
    return tuple(sorted((*stored, *waiting), key=lambda act: act.id, reverse=True))[: wanted.limit], reason


def moment(text: str, now: datetime | None = None) -> datetime:
    """Return the time of `7d`, `12h` or `30m` before now, or of a text in ISO 8601, in UTC if it has no offset.

    Raises UsageError for another text.
    """
    ago = re.fullmatch(r"(\d{1,5})([dhm])", text)
    if ago is not None:
        return (now or datetime.now(UTC)) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--since = {text!r}: write 7d, 12h or 30m, or a date as 2026-11-30") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
