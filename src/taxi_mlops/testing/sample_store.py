"""Fill an experiment store with many rows, for tests and benchmarks of queries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from taxi_mlops.storage.experiments import AdapterRow, Base, ComparisonRow, DataSetRow, TrialRow

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def fill_store(connection: Connection, *, comparisons: int, adapters: int, trials: int) -> None:
    """Insert so many runs into an empty store, an hour apart, of so many adapters with so many trials each."""
    common = {
        "recorded_at": BEGUN,
        "content": "",
        "folder": "",
        "data_set_id": 1,
        "metric": "haversine",
        "document": {},
    }
    machine = {"host": "", "system": "", "processor": "", "logical_cpus": 1, "memory_bytes": 1, "python": ""}
    plan = {"eps_metres": 1.0, "min_samples": 1, "threads": 1, "repeats": trials, "seed": 0, "trials_seconds": 1.0}
    about = {"trip_schema": "", "weighted": False, "dropped": {}, "rows_read": 1, "rows_used": 1, "points": 1}
    rows: dict[type[Base], list[dict[str, Any]]] = {
        DataSetRow: [{"id": 1, "fingerprint": "", "uri": "", "data_version": "", **about}],
        ComparisonRow: [],
        AdapterRow: [],
        TrialRow: [],
    }
    for run in range(comparisons):
        key, at = {"run_id": f"run{run}"}, BEGUN + timedelta(hours=run)
        version = {"taxi_mlops": "", "schema_version": 1}
        rows[ComparisonRow].append({**key, "created_at": at, **common, **machine, **plan, **version})
        for adapter in range(adapters):
            mine = {**key, "adapter": f"adapter{adapter}"}
            rows[AdapterRow].append({**mine, "created_at": at, "status": "ok"})
            rows[TrialRow] += [
                {**mine, "workload": "main", "kind": "timed", "block": block, "finished_at": at, "status": "ok"}
                for block in range(trials)
            ]
    for row, values in rows.items():
        connection.execute(insert(row), values)
