"""Note acts: in the journal before they are done, in the log and in the experiment store afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from taxi_mlops.audit.acts import MAX_DETAILS, Act, Action, Detail, Outcome, new_act, plain
from taxi_mlops.audit.caller import CALLER
from taxi_mlops.audit.journal import Entry, Journal
from taxi_mlops.errors import TaxiError
from taxi_mlops.monitoring.logs import get_logger, is_logging, logs_are_wanted
from taxi_mlops.monitoring.secrets import SecretFilter, secrets_of
from taxi_mlops.service_urls import ServiceUrl, experiments_url
from taxi_mlops.settings import Settings

FOLDER = "audit"


@dataclass(slots=True)
class Draft:
    """An act that is being done. Its subject and details may be completed until it has ended."""

    subject: str
    details: dict[str, Detail]


@dataclass(frozen=True, slots=True)
class LogTarget:
    """Where the log of an act goes that is done outside of runs and services. endpoint: None for nowhere."""

    endpoint: str | None = None
    timeout_seconds: float = 10.0
    ca_file: Path | None = None


class AuditTrail:
    """The acts of this machine, and the store that they go to.

    folder: of the journal. store: None if the experiment store is turned off; then acts stay in the journal.
    """

    def __init__(
        self, folder: Path, store: ServiceUrl | None, masked: SecretFilter | None = None, logs: LogTarget | None = None
    ) -> None:
        self.store = store
        self._journal = Journal(folder)
        self._masked = masked or SecretFilter()
        self._logs = logs or LogTarget()

    def new(
        self,
        action: Action,
        subject: str,
        details: Mapping[str, Detail] = MappingProxyType({}),
        outcome: Outcome = Outcome.DONE,
        actor: str | None = None,
    ) -> Act:
        """Return an act with secrets masked and texts of bounded length. actor: None for the current caller."""
        return self._clean(new_act(action, subject, details, outcome, actor))

    def note(self, action: Action, subject: str, outcome: Outcome = Outcome.DONE, /, **details: Detail) -> None:
        """Note an act that is done in the journal and the log. `deliver` brings it to the store."""
        act = self.new(action, subject, details, outcome)
        self._end(self._begin(act), act)

    @contextmanager
    def acting(self, action: Action, subject: str, /, **details: Detail) -> Iterator[Draft]:
        """Note an act that is done while the context lasts, and how it ended; then bring it to the store.

        A store that cannot be written does not stop the act: the entry stays in the journal, and a warning is shown.
        """
        draft = Draft(subject, details)
        begun = self.new(action, subject, details, Outcome.UNKNOWN)
        entry = self._begin(begun)
        try:
            yield draft
        except BaseException as error:
            draft.details["reason"] = str(error) if isinstance(error, TaxiError) else type(error).__name__
            self._end(entry, self._clean(begun.ended(Outcome.FAILED, draft.subject, draft.details)))
            if isinstance(error, Exception):  # who interrupts does not wait for a database
                self.deliver_or_warn()
            raise
        self._end(entry, self._clean(begun.ended(Outcome.DONE, draft.subject, draft.details)))
        self.deliver_or_warn()

    def deliver(self) -> None:
        """Bring all acts that have ended from the journal to the store.

        Raises ServiceError, and UsageError for a wrong URL.
        """
        while self.store is not None and self._delivered(self.store):
            pass

    def deliver_or_warn(self) -> None:
        """Bring the acts to the store; if that fails, warn that they wait in the journal.

        A database file that is not there yet is not made for them: they wait for the first run that is recorded.
        """
        try:
            if self.store is not None and _exists(self.store):
                self.deliver()
        except TaxiError as error:
            waits = f"the audit trail has it in {self._journal.folder} until the experiment store can be written"
            _warn(f"{waits}: {error}")

    def waiting(self) -> tuple[Act, ...]:
        """Return the acts that are not in the store yet, the oldest first."""
        return self._journal.acts()

    def log(self, act: Act) -> None:
        """Write an act to the log of the run or service; outside of both, send it to the collector of logs."""
        fields = {**act.details, **act.model_dump(mode="json", exclude={"details"})}
        fields["act_id"], fields["acted_at"] = fields.pop("id"), fields.pop("at")
        get_logger().info("audited", **fields)
        logs = self._logs
        if not is_logging() and logs_are_wanted(logs.endpoint):
            from taxi_mlops.monitoring.log_shipping import send_event  # OpenTelemetry's SDK takes long to import

            reason = send_event("audited", fields, logs.endpoint, logs.timeout_seconds, logs.ca_file)
            if reason is not None:
                _warn(f"the entry of the audit trail was not sent to the collector of logs: {reason}")

    def _delivered(self, store: ServiceUrl) -> bool:
        """Store some acts of the journal, and return whether there were any."""
        from taxi_mlops.audit.stored import store_acts  # SQLAlchemy takes long to import

        with self._journal.held() as held:
            if held:
                store_acts(store, tuple(held.values()))
            for path in held:
                path.unlink(missing_ok=True)
            return bool(held)

    def _begin(self, act: Act) -> Entry | None:
        try:
            return self._journal.begin(act)
        except OSError:
            return None  # it goes to the store without it

    def _end(self, entry: Entry | None, act: Act) -> None:
        self.log(act)
        try:
            if entry is not None:
                entry.end(act)
                return
            reason = f"{self._journal.folder} cannot be written"
        except OSError as error:
            reason = f"{self._journal.folder}: {error.strerror}"
        self._store_at_once(act, reason)

    def _store_at_once(self, act: Act, reason: str) -> None:
        """Store an act that the journal could not take."""
        from taxi_mlops.audit.stored import store_acts

        try:
            if self.store is not None:
                store_acts(self.store, (act,))
                return
            why = "the experiment store is turned off"
        except TaxiError as error:
            why = str(error)
        entry = json.dumps(act.model_dump(mode="json"), ensure_ascii=False)
        _warn(f"an act is missing in the audit trail, since {reason}, and {why}: {entry}")

    def _clean(self, act: Act) -> Act:
        details = dict(list(act.details.items())[:MAX_DETAILS])
        found: Mapping[str, Detail] = self._masked(None, "", {**details})
        return act.model_copy(
            update={
                "subject": plain(self._masked.text(act.subject)),
                "details": {
                    plain(name): plain(value) if isinstance(value, str) else value for name, value in found.items()
                },
            }
        )


def trail_of(settings: Settings, folder: Path | None = None) -> AuditTrail:
    """Return the audit trail of the settings, whose store is the experiment store.

    folder: of the journal; None for the one in the runs folder.
    """
    endpoint = settings.otlp_logs_endpoint
    return AuditTrail(
        folder or settings.runs_dir / FOLDER,
        experiments_url(settings),
        SecretFilter(secrets_of(settings)),
        LogTarget(str(endpoint) if endpoint else None, settings.service_timeout_seconds, settings.ca_file),
    )


def _exists(store: ServiceUrl) -> bool:
    """Return False for an SQLite file that does not exist yet. Raises ServiceError and UsageError."""
    from taxi_mlops.storage.database import Database

    return Database(store).exists


def _warn(line: str) -> None:
    get_logger().warning("audit_failed", reason=line)
    warn = CALLER.get().warn
    if warn is not None:
        warn(line)
