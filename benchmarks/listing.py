"""How long it takes to list trials by adapter and date in an experiment store of many, on PostgreSQL.

    python benchmarks/listing.py [--trials 100000] [--repeats 50]

A PostgreSQL of its own is started, as `taxi stack up --native` does, and filled. Each figure is what a caller waits
for: connecting, asking, and reading the rows into objects. The plan that follows is PostgreSQL's own.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from taxi_mlops.runs.stored_trials import stored_trials, trials_query
from taxi_mlops.service_urls import needed_experiments_url
from taxi_mlops.settings import Settings
from taxi_mlops.stack.native import Stack
from taxi_mlops.storage.database import Database
from taxi_mlops.testing.sample_store import BEGUN, fill_store

ADAPTERS, TRIALS = 10, 10
"""Of each run."""
SHOWN = 100


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--trials", type=int, default=100_000)
    arguments.add_argument("--repeats", type=int, default=50)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="taxi-listing-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as another user where we are root
        stack = Stack.at(Path(folder) / "stack")
        try:
            stack.up(["postgresql"], print)
            measure(stack, given.trials // (ADAPTERS * TRIALS), given.repeats)
        finally:
            stack.down()


def measure(stack: Stack, comparisons: int, repeats: int) -> None:
    password = stack.folder.secret("experiments_database_password")
    address = f"postgresql://experiments:{password}@127.0.0.1:{stack.folder.port('postgresql')}/experiments"
    database = Database(needed_experiments_url(Settings.model_validate({"experiments_url": address})))
    database.upgrade()
    with database.transaction() as connection:
        fill_store(connection, comparisons=comparisons, adapters=ADAPTERS, trials=TRIALS)
    with database.transaction() as connection:
        connection.execute(text("ANALYZE trials"))
        print(f"{connection.execute(text('SELECT count(*) FROM trials')).scalar_one():,} trials")
    latest = BEGUN + timedelta(hours=comparisons)
    questions = {
        f"the last {SHOWN} of an adapter": (None, SHOWN),
        f"the last {SHOWN} since a date": (latest - timedelta(hours=comparisons // 2), SHOWN),
        "all of an adapter": (None, comparisons * TRIALS),
    }
    for name, (since, limit) in questions.items():
        took = sorted(_seconds(database, since, limit) for _ in range(repeats))
        print(f"{name}: median {statistics.median(took) * 1e3:.1f} ms, worst of {repeats} {took[-1] * 1e3:.1f} ms")
    with database.transaction() as connection:
        query = trials_query("adapter3", latest - timedelta(hours=comparisons // 2), SHOWN)
        statement = query.compile(dialect=database.engine.dialect, compile_kwargs={"literal_binds": True})
        for row in connection.exec_driver_sql(f"EXPLAIN (ANALYZE, COSTS OFF) {statement}"):
            print(f"  {row[0]}")


def _seconds(database: Database, since: datetime | None, limit: int) -> float:
    started = time.perf_counter()
    assert stored_trials(database.url, "adapter3", since, limit)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
