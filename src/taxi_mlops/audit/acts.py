"""What the audit trail notes: acts."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict

from taxi_mlops.audit.caller import CALLER, system_user

Detail = str | int | float | bool | None

MAX_TEXT = 500
"""Characters of a subject, and of each detail; the rest is cut off."""
MAX_DETAILS = 20


class Action(StrEnum):
    """What can be done. The part before the dot is the kind of thing that it is done to."""

    COMPARISON_RUN = "comparison.run"
    SWEEP_RUN = "sweep.run"
    CLUSTERING_RUN = "clustering.run"
    TUNING_RUN = "tuning.run"
    MODEL_REGISTERED = "model.registered"
    MODEL_PROMOTED = "model.promoted"
    MODEL_ROLLED_BACK = "model.rolled_back"
    AB_STARTED = "ab.started"
    AB_ENDED = "ab.ended"
    AB_CHALLENGER_STOPPED = "ab.challenger_stopped"
    AB_OUTCOMES_STORED = "ab.outcomes_stored"
    AB_PURGED = "ab.purged"
    DATA_COMMITTED = "data.committed"
    DATA_ADOPTED = "data.adopted"
    DATA_TAGGED = "data.tagged"
    DATA_RESTORED = "data.restored"
    DATA_VACUUMED = "data.vacuumed"
    FEATURES_MATERIALIZED = "features.materialized"
    DEPLOYMENTS_UPDATED = "deployments.updated"
    KEY_CREATED = "key.created"
    STACK_STARTED = "stack.started"
    STACK_STOPPED = "stack.stopped"
    BACKUP_CREATED = "backup.created"
    BACKUP_RESTORED = "backup.restored"
    BACKUP_PRUNED = "backup.pruned"


class Outcome(StrEnum):
    """How an act ended. Unknown: its process was killed meanwhile, so that it may be done or not."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Act(BaseModel):
    """One act. actor: a user of the system, the name of an API key, or whoever called a deployment.

    origin: the program or the deployment. action: of `Action`, or of a newer version.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    at: AwareDatetime
    actor: str
    host: str
    origin: str
    action: str
    subject: str
    outcome: Outcome
    details: dict[str, Detail]

    def ended(self, outcome: Outcome, subject: str, details: Mapping[str, Detail]) -> Act:
        """Return the act as it ended."""
        return self.model_copy(update={"outcome": outcome, "subject": subject, "details": dict(details)})


def new_act(
    action: Action, subject: str, details: Mapping[str, Detail], outcome: Outcome, actor: str | None = None
) -> Act:
    """Return an act of now. actor: None for the current caller."""
    now, caller = datetime.now(UTC), CALLER.get()
    return Act(
        id=f"{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}",
        at=now,
        actor=plain(actor or caller.actor or system_user()),
        host=socket.gethostname(),
        origin=plain(caller.origin),
        action=action,
        subject=subject,
        outcome=outcome,
        details=dict(details),
    )


def plain(text: str) -> str:
    """Return the text on one line, without what a terminal would obey, cut off after `MAX_TEXT` characters."""
    shown = "".join(one if one.isprintable() else "\ufffd" for one in text[: MAX_TEXT + 1])
    return shown if len(shown) <= MAX_TEXT else f"{shown[: MAX_TEXT - 1]}…"
