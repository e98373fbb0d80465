"""Answers of an A/B test on their way into the database, off the path of the requests.

At most `CAPACITY` wait in memory. When the database is slow or away, serving continues: answers wait, and when there is
no room the newest are dropped and counted. A kill -9 loses those that wait, at most about a second's.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from typing import TYPE_CHECKING

from taxi_mlops.errors import TaxiError
from taxi_mlops.models.ab_test import Answer
from taxi_mlops.serving.service_metrics import ServiceMetrics

if TYPE_CHECKING:  # SQLAlchemy and Alembic take 26 MB, which a service without A/B tests does without
    from taxi_mlops.models.ab_store import AbStore

CAPACITY = 50_000
BATCH = 2000


class AnswerLog:
    """Takes answers at once, from any thread, and writes them when `flush` is called."""

    def __init__(self, store: AbStore, metrics: ServiceMetrics, capacity: int = CAPACITY) -> None:
        self._store, self._metrics, self._capacity = store, metrics, capacity
        self._waiting: deque[Answer] = deque()
        self._changing = threading.Lock()
        self._writing = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, answer: Answer) -> None:
        """Take an answer, or drop it if there is no room."""
        with self._changing:
            if len(self._waiting) >= self._capacity:
                self._metrics.ab_answers_dropped.inc()
            else:
                self._waiting.append(answer)

    def flush(self) -> None:
        """Write the answers that wait now. Raises ServiceError if the database cannot be used; then they wait on."""
        with self._writing:
            remaining = len(self._waiting)
            while remaining > 0:
                with self._changing:
                    batch = list(itertools.islice(self._waiting, min(BATCH, remaining)))
                try:
                    self._store.add_answers(batch)
                except TaxiError:
                    self._metrics.ab_store_failures.inc()
                    raise
                with self._changing:
                    for _ in batch:
                        self._waiting.popleft()
                remaining -= len(batch)
