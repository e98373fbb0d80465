"""The part of the service that takes part in an A/B test: who gets the challenger, and what is kept of the answers."""

from __future__ import annotations

import contextvars
import math
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from taxi_mlops.domain import NOISE, BoolArray, FloatArray
from taxi_mlops.errors import TaxiError, UsageError
from taxi_mlops.models.ab_status import status_of
from taxi_mlops.models.ab_test import AbTest, Answer, Outcome, Stored
from taxi_mlops.monitoring.logs import get_logger
from taxi_mlops.results.ab_status import AbStatus
from taxi_mlops.serving.answer_log import AnswerLog
from taxi_mlops.serving.guard_rails import GuardRails, Hit
from taxi_mlops.serving.requests import Point
from taxi_mlops.serving.served_model import ServedModel
from taxi_mlops.serving.service_metrics import ServiceMetrics
from taxi_mlops.serving.shadow import Answered, Shadow

if TYPE_CHECKING:  # SQLAlchemy and Alembic take 26 MB, which a service without A/B tests does without
    from taxi_mlops.models.ab_store import AbStore

INTERVAL_SECONDS = 1.0
STATUS_SECONDS = 5.0
"""How long a status that was read is given again, at least."""
STATUS_COST = 20.0
"""And at least so many times as long as reading it took: many outcomes must not slow the requests."""
PURGE_SECONDS = 3600.0
"""How long nothing is purged once there is nothing left."""
MAX_WRITES = 8
"""Requests with outcomes that wait for the database; more are refused, and may be sent again."""

Load = Callable[[str], ServedModel]
"""Loads a version of the model that is served."""


class BusyError(TaxiError):
    """Too many requests wait for the database."""


@dataclass(frozen=True, slots=True, eq=False)
class RunningTest:
    """A test that the service takes part in, with its challenger."""

    test: AbTest
    challenger: ServedModel
    guards: GuardRails


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """The version that a key gets."""

    running: RunningTest
    subject: str
    is_challenger: bool
    served: ServedModel


class AbTraffic:
    """Assigns keys to versions, and keeps answers and outcomes. `current` is replaced whole, never changed.

    problem: why the running test cannot be taken part in; None if it can, or there is none.
    """

    def __init__(
        self, store: AbStore, model: str, load: Load, metrics: ServiceMetrics, retention: timedelta | None = None
    ) -> None:
        """Take the store. retention: how long answers and outcomes of a test stay after its end; None for ever."""
        self._store, self._model, self._load, self._metrics = store, model, load, metrics
        self._retention, self._next_purge = retention, -math.inf
        self._log = AnswerLog(store, metrics)
        self._shadow = Shadow(metrics)
        self._stopped = threading.Event()
        self._unreported: Hit | None = None
        self._senders: set[tuple[int, str]] = set()
        self._refused: dict[int, str] = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="ab-writer")
        self._places = threading.BoundedSemaphore(MAX_WRITES)
        self._reading = threading.Lock()
        self._known: tuple[float, AbStatus | None] = (-math.inf, None)  # when to read it again, and the status
        self.current: RunningTest | None = None
        self.problem: str | None = None

    def assign(self, key: str, champion: ServedModel) -> Arm | None:
        """Return the version that a key gets; None if no test gives a share of this champion's keys away."""
        running = self.current
        if running is None or running.test.champion != champion.version or running.test.guard_rail is not None:
            return None
        subject = running.test.subject(key)
        challenger = running.test.gets_challenger(subject)
        return Arm(running, subject, challenger, running.challenger if challenger else champion)

    def note(self, arm: Arm, seconds: float, points: int, inside: int) -> str:
        """Note that an arm answered, and return the id of the answer."""
        number = uuid.uuid4().hex
        test = arm.running.test
        self._log.add(
            Answer(number, test.id, arm.subject, arm.is_challenger, datetime.now(UTC), points, inside, seconds)
        )
        self._metrics.ab_answered(arm.is_challenger, seconds)
        self._heed(arm.running, arm.running.guards.note(arm.is_challenger, seconds, points, inside))
        return number

    def compare(self, champion: ServedModel, points: list[Point], found: list[dict[str, Any]], seconds: float) -> None:
        """Let the challenger answer a request of the champion's too, later, if the test wants shadow answers."""
        running = self.current
        if running is None or not running.test.shadow or running.test.guard_rail is not None:
            return
        if running.test.champion == champion.version:
            self._shadow.add(Answered(running.test.id, running.challenger, points, found, seconds))

    def note_failure(self, arm: Arm) -> None:
        """Note that the challenger failed to answer."""
        self._metrics.ab_challenger_errors.inc()
        self._heed(arm.running, arm.running.guards.note_failure())

    def _heed(self, running: RunningTest, hit: Hit | None) -> None:
        """Stop the challenger at a guard rail, at once here, and for all processes at the next tick."""
        if hit is None or self.current is not running:
            return
        self._metrics.ab_guard_rails.labels(hit.rail).inc()
        get_logger().error("ab_guard_rail_hit", rail=hit.rail, reason=hit.reason)
        self._unreported = hit
        self.current = replace(running, test=replace(running.test, guard_rail=hit.reason))
        self._metrics.ab_share.set(0.0)

    def submit(
        self, outcomes: list[Outcome], running: RunningTest, champion: ServedModel, sender: str
    ) -> Future[Stored]:
        """Store outcomes in a thread of their own, after the answers that wait.

        sender: the name of the key, noted once for each test in the audit trail. The future raises ServiceError and
        ConflictingOutcomeError. Raises BusyError if too many wait already.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError("too many requests wait for the database")

        def hit(challenger: bool, latitude: FloatArray, longitude: FloatArray) -> BoolArray:
            model = (running.challenger if challenger else champion).model
            return np.asarray(model.locate(latitude, longitude).hotspot != NOISE)

        def write() -> Stored:
            self._log.flush()
            if (running.test.id, sender) not in self._senders:
                self._store.note_sender(running.test, sender)
                self._senders.add((running.test.id, sender))
            return self._store.add_outcomes(running.test, outcomes, hit)

        future = self._writer.submit(write)
        future.add_done_callback(lambda _: self._places.release())
        return future

    def said(self, champion: ServedModel) -> str | None:
        """Return what a person should know of the running test; None without one."""
        running = self.current
        if running is None or self.problem is not None:
            return self.problem
        test = running.test
        if test.champion != champion.version:
            return f"paused: the test compares with version {test.champion}"
        return test.guard_rail or f"version {test.challenger} gets {test.share:.0%} of the keys"

    def status(self) -> AbStatus | None:
        """Return the state of the newest test, which may be some seconds old; None if there was none.

        Raises BusyError if others wait for it too long, and ServiceError.
        """
        if not self._reading.acquire(timeout=STATUS_SECONDS):
            raise BusyError("the database is slow")
        try:
            begun = time.monotonic()
            if begun >= self._known[0]:
                test = self._store.latest(self._model)
                found = None if test is None else status_of(test, self._store.evidence(test))
                ended = time.monotonic()
                self._known = ended + max(STATUS_SECONDS, STATUS_COST * (ended - begun)), found
            return self._known[1]
        finally:
            self._reading.release()

    def watch(self) -> threading.Thread:
        """Look at the database and write to it, in a thread of its own, until `stop` is called."""
        self._shadow.start()
        run = contextvars.copy_context().run  # for the audit trail: on whose behalf the service runs
        thread = threading.Thread(target=run, args=(self._loop,), name="ab-watcher", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End the thread; it writes the answers that wait before it ends."""
        self._shadow.stop()
        self._stopped.set()
        self._writer.shutdown(wait=False, cancel_futures=True)

    def tick(self) -> None:
        """Write what waits, and look which test runs. A database that is away leaves the test as it is."""
        try:
            self._log.flush()
            running = self.current
            if running is not None and self._unreported is not None:
                self._store.note_guard_rail(running.test, self._unreported.reason)
                self._unreported = None
            counts = self._shadow.counts()
            self._store.add_shadow(counts)
            self._shadow.taken(counts)
            self._take(self._store.running(self._model))
            self._purge()
        except TaxiError as error:
            self.problem = str(error)

    def _purge(self) -> None:
        """Delete rows of old tests, some at each tick, and then none for an hour."""
        if self._retention is None or time.monotonic() < self._next_purge:
            return
        removed = self._store.purge(datetime.now(UTC) - self._retention)
        if removed:
            get_logger().info("ab_rows_purged", rows=removed)
        else:
            self._next_purge = time.monotonic() + PURGE_SECONDS

    def _take(self, test: AbTest | None) -> None:
        running = self.current
        if test is None:
            self.current, self.problem = None, None
        elif running is not None and running.test.id == test.id:
            if test.guard_rail is not None and running.test.guard_rail is None:
                self.current = RunningTest(test, running.challenger, running.guards)
            self.problem = None
        else:
            self._take_up(test)
        current = self.current
        self._metrics.ab_share.set(0.0 if current is None or current.test.guard_rail else current.test.share)

    def _take_up(self, test: AbTest) -> None:
        self.current = None
        if test.id not in self._refused:
            try:
                self.current = RunningTest(test, self._load(test.challenger), GuardRails(test.limits))
            except UsageError as error:  # its files are broken, and stay so
                self._refused[test.id] = f"version {test.challenger} cannot be tested: {error}"
        self.problem = self._refused.get(test.id)

    def _loop(self) -> None:
        self._guarded_tick()
        while not self._stopped.wait(INTERVAL_SECONDS):
            self._guarded_tick()
        self._guarded_tick()

    def _guarded_tick(self) -> None:
        try:
            self.tick()
        except Exception as error:  # noqa: BLE001 - the service answers all the same
            self.problem = f"{type(error).__name__} at the A/B test"
