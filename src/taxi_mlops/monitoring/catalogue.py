"""Every metric that the platform exports, declared once: name, labels and meaning.

Names follow the conventions of Prometheus: base units, `_total` for counters. The tables in docs/reference/metrics.md
are made from here:

    python -m taxi_mlops.monitoring.catalogue docs/reference/metrics.md
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from taxi_mlops.monitoring.metric import Kind, Metric, Source

FIT_BUCKETS_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
"""Two for each power of ten, from a millisecond to more than an hour. Python's client makes no native histograms."""
BEGIN, END = "<!-- made by taxi_mlops.monitoring.catalogue -->\n", "<!-- end -->\n"

BUILD = Metric("taxi_build_info", Kind.INFO, "The version that runs.", ("version", "python"))
TRIALS = Metric("taxi_trials_total", Kind.COUNTER, "Trials that have ended.", ("adapter", "kind", "status"))
FIT_SECONDS = Metric(
    "taxi_trial_fit_seconds",
    Kind.HISTOGRAM,
    "Wall-clock seconds of fit, from successful timed trials.",
    ("adapter",),
    buckets=FIT_BUCKETS_SECONDS,
)
PEAK_MEMORY = Metric(
    "taxi_trial_peak_memory_bytes",
    Kind.GAUGE,
    "Peak memory of the process tree in the last successful memory trial.",
    ("adapter",),
)
THROUGHPUT = Metric(
    "taxi_trial_points_per_second",
    Kind.GAUGE,
    "Points clustered in a second of fit, in the last successful timed trial.",
    ("adapter",),
)
POINTS = Metric("taxi_points", Kind.GAUGE, "Points that the trials cluster.")
ROWS_READ = Metric("taxi_rows_read_total", Kind.COUNTER, "Rows of trips that were read.")
ROWS_DROPPED = Metric("taxi_rows_dropped_total", Kind.COUNTER, "Rows that cleaning dropped.", ("rule",))
CACHE = Metric(
    "taxi_points_cache_lookups_total",
    Kind.COUNTER,
    "Runs by whether their points were prepared earlier, and kept.",
    ("result",),
)
DATA_LOADED = Metric("taxi_data_loaded_timestamp_seconds", Kind.GAUGE, "When a run last loaded its points.")
VERDICTS = Metric(
    "taxi_equivalence_verdicts_total",
    Kind.COUNTER,
    "Clusterings compared with the reference's; `exact` is whether the adapter promises an equal one.",
    ("adapter", "exact", "verdict"),
)
RANK = Metric("taxi_adapter_rank", Kind.GAUGE, "Place in the last comparison; 1 is the fastest.", ("adapter",))
MEDIAN_FIT = Metric(
    "taxi_adapter_median_fit_seconds", Kind.GAUGE, "Median seconds of fit in the last comparison.", ("adapter",)
)
SPEEDUP = Metric(
    "taxi_adapter_speedup_ratio",
    Kind.GAUGE,
    "How many times faster than the reference in the last comparison.",
    ("adapter",),
)
CLUSTERS = Metric("taxi_adapter_clusters", Kind.GAUGE, "Clusters found in the last comparison.", ("adapter",))
NOISE = Metric("taxi_adapter_noise_ratio", Kind.GAUGE, "Share of noise in the last comparison.", ("adapter",))
RUNS = Metric("taxi_runs_total", Kind.COUNTER, "Comparisons that have ended; `failed` ranked no adapter.", ("outcome",))
RUN_SECONDS = Metric("taxi_run_trials_seconds", Kind.GAUGE, "Wall-clock seconds of all trials of the last comparison.")
RUN_ENDED = Metric("taxi_run_ended_timestamp_seconds", Kind.GAUGE, "When the last trial of the last comparison ended.")
LAST_RUN = Metric(
    "taxi_last_run_info",
    Kind.INFO,
    "The last comparison, its trace, and the path of its page at MLflow's server.",
    ("run_id", "trace_id", "mlflow_page"),
)
RECORDER_FAILURES = Metric(
    "taxi_recorder_failures_total", Kind.COUNTER, "Runs that a recorder failed to record.", ("recorder",)
)

TILES_STAGE_SECONDS = Metric(
    "taxi_tiles_stage_seconds",
    Kind.GAUGE,
    "Wall-clock seconds of each stage of the last clustering in tiles.",
    ("stage",),
    Source.TILES,
)
TILES_ROWS = Metric("taxi_tiles_rows", Kind.GAUGE, "Rows that the last clustering in tiles read.", source=Source.TILES)
TILES_POINTS = Metric(
    "taxi_tiles_points", Kind.GAUGE, "Points that the last clustering in tiles clustered.", source=Source.TILES
)
TILES = Metric("taxi_tiles", Kind.GAUGE, "Tiles of the last clustering in tiles.", source=Source.TILES)
TILES_CLUSTERS = Metric(
    "taxi_tiles_clusters", Kind.GAUGE, "Clusters that the last clustering in tiles found.", source=Source.TILES
)
TILES_NOISE = Metric(
    "taxi_tiles_noise_ratio", Kind.GAUGE, "Share of noise in the last clustering in tiles.", source=Source.TILES
)
TILES_SPILL = Metric(
    "taxi_tiles_spill_bytes", Kind.GAUGE, "Bytes on disk that the points waited in.", source=Source.TILES
)
TILES_WORKERS = Metric(
    "taxi_tiles_workers", Kind.GAUGE, "Workers of the last clustering in tiles.", source=Source.TILES
)
TILES_ENDED = Metric(
    "taxi_tiles_ended_timestamp_seconds", Kind.GAUGE, "When the last clustering in tiles ended.", source=Source.TILES
)

EXPORTER_BUILD = Metric(
    "taxi_exporter_build_info", Kind.INFO, "The version of the exporter.", ("version", "python"), Source.EXPORTER
)
BACKLOG = Metric(
    "taxi_recorder_backlog_runs",
    Kind.GAUGE,
    "Runs of the runs folder that wait to be recorded again.",
    ("recorder",),
    Source.EXPORTER,
)
FLOW_RUNS = Metric(
    "taxi_flow_runs",
    Kind.GAUGE,
    "Flow runs that were due in the last 24 hours.",
    ("deployment", "state"),
    Source.EXPORTER,
)
FLOW_CREATED = Metric(
    "taxi_flow_created_timestamp_seconds",
    Kind.GAUGE,
    "When the deployment was made.",
    ("deployment",),
    Source.EXPORTER,
)
FLOW_SUCCESS = Metric(
    "taxi_flow_last_success_timestamp_seconds",
    Kind.GAUGE,
    "When a flow run of the deployment last completed.",
    ("deployment",),
    Source.EXPORTER,
)
FLOW_FAILURE = Metric(
    "taxi_flow_last_failure_timestamp_seconds",
    Kind.GAUGE,
    "When a flow run of the deployment last failed or crashed.",
    ("deployment",),
    Source.EXPORTER,
)
QUEUE_WAIT = Metric(
    "taxi_flow_queue_wait_seconds",
    Kind.GAUGE,
    "Between when it was due and when it started, of the flow run that started last.",
    ("deployment",),
    Source.EXPORTER,
)
SCHEDULE = Metric(
    "taxi_flow_schedule_interval_seconds",
    Kind.GAUGE,
    "Between the next two runs of an active schedule.",
    ("deployment",),
    Source.EXPORTER,
)
WORKERS = Metric("taxi_workers", Kind.GAUGE, "Workers of a work pool.", ("pool", "status"), Source.EXPORTER)
HEARTBEAT = Metric(
    "taxi_worker_heartbeat_timestamp_seconds",
    Kind.GAUGE,
    "When a worker of the pool was last heard of.",
    ("pool",),
    Source.EXPORTER,
)
SERVICE_UP = Metric(
    "taxi_service_up", Kind.GAUGE, "1 where a service that is set answers, else 0.", ("service",), Source.EXPORTER
)
CERTIFICATE = Metric(
    "taxi_certificate_expiry_timestamp_seconds",
    Kind.GAUGE,
    "When the TLS certificate that a service shows expires.",
    ("service",),
    Source.EXPORTER,
)
FEATURES_LAST = Metric(
    "taxi_features_last_timestamp_seconds",
    Kind.GAUGE,
    "Time of the last features that were built.",
    ("model",),
    Source.EXPORTER,
)
FEATURES_BYTES = Metric(
    "taxi_features_bytes", Kind.GAUGE, "Size of the features that were built.", ("model",), Source.EXPORTER
)
TABLE_COMMITTED = Metric(
    "taxi_table_commit_timestamp_seconds",
    Kind.GAUGE,
    "When trips were last committed to the table.",
    ("table",),
    Source.EXPORTER,
)
TABLE_ROWS = Metric("taxi_table_rows", Kind.GAUGE, "Rows of the table's newest version.", ("table",), Source.EXPORTER)
TABLE_BYTES = Metric(
    "taxi_table_bytes", Kind.GAUGE, "Size of the files of the table's newest version.", ("table",), Source.EXPORTER
)
TABLE_QUARANTINED = Metric(
    "taxi_table_quarantined_commits",
    Kind.GAUGE,
    "Commits that failed the checks, whose rows are in quarantine.",
    ("table",),
    Source.EXPORTER,
)
TABLE_QUARANTINE_TIME = Metric(
    "taxi_table_quarantine_timestamp_seconds",
    Kind.GAUGE,
    "When the last commit began that failed the checks.",
    ("table",),
    Source.EXPORTER,
)
TABLE_DRIFT = Metric(
    "taxi_table_drift_index",
    Kind.GAUGE,
    "Population stability index of the points of the last commit against the commit before.",
    ("table",),
    Source.EXPORTER,
)
BACKUP_CREATED = Metric(
    "taxi_backup_created_timestamp_seconds", Kind.GAUGE, "When the newest backup was begun.", (), Source.EXPORTER
)
BACKUP_VERIFIED = Metric(
    "taxi_backup_verified_timestamp_seconds",
    Kind.GAUGE,
    "When a backup was last restored and compared; 0 if none ever was.",
    (),
    Source.EXPORTER,
)
SERVED_REQUESTS = Metric(
    "taxi_served_requests_total",
    Kind.COUNTER,
    "Requests to the service of hotspots.",
    ("route", "method", "code"),
    Source.SERVICE,
)
SERVED_SECONDS = Metric(
    "taxi_served_request_seconds",
    Kind.HISTOGRAM,
    "Seconds from the head of a request to the end of its answer.",
    ("route",),
    Source.SERVICE,
    (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
)
SERVED_POINTS = Metric(
    "taxi_served_points_total",
    Kind.COUNTER,
    "Points that were located, inside and outside of hotspots.",
    ("answer",),
    Source.SERVICE,
)
SERVED_MODEL = Metric(
    "taxi_served_model_clusters",
    Kind.GAUGE,
    "Hotspots of the version that answers.",
    ("model", "model_version"),
    Source.SERVICE,
)
SERVED_LOADS = Metric(
    "taxi_served_model_loads_total",
    Kind.COUNTER,
    "Versions that were loaded and put into use.",
    source=Source.SERVICE,
)
SERVED_CREATED = Metric(
    "taxi_served_model_created_timestamp_seconds",
    Kind.GAUGE,
    "Time at which the version that answers was registered.",
    ("model", "model_version"),
    Source.SERVICE,
)
SERVED_AREA_POINTS = Metric(
    "taxi_served_area_points_total",
    Kind.COUNTER,
    "Points that the version that answers located, by area.",
    ("model", "model_version", "area"),
    Source.SERVICE,
)
TRAINED_AREA_SHARE = Metric(
    "taxi_trained_area_ratio",
    Kind.GAUGE,
    "Share of the trips of the training in an area.",
    ("model", "model_version", "area"),
    Source.SERVICE,
)
AB_SHARE = Metric(
    "taxi_ab_share_ratio",
    Kind.GAUGE,
    "Share of the keys that get the challenger; 0 without an A/B test, and when a guard rail stopped it.",
    source=Source.SERVICE,
)
AB_ANSWER_SECONDS = Metric(
    "taxi_ab_answer_seconds",
    Kind.HISTOGRAM,
    "Seconds that locating the points of a request with a key took.",
    ("arm",),
    Source.SERVICE,
    (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
)
AB_CHALLENGER_ERRORS = Metric(
    "taxi_ab_challenger_errors_total",
    Kind.COUNTER,
    "Requests that the challenger failed to answer; the champion answered them.",
    source=Source.SERVICE,
)
AB_OUTCOMES = Metric(
    "taxi_ab_outcomes_total",
    Kind.COUNTER,
    "Outcomes that were stored, by whether they were inside a hotspot of the version that answered.",
    ("arm", "result"),
    Source.SERVICE,
)
AB_OUTCOMES_UNMATCHED = Metric(
    "taxi_ab_outcomes_unmatched_total",
    Kind.COUNTER,
    "Outcomes of answers that are not known, which are not stored.",
    source=Source.SERVICE,
)
AB_ANSWERS_DROPPED = Metric(
    "taxi_ab_answers_dropped_total",
    Kind.COUNTER,
    "Answers that were not stored, since too many waited for the database.",
    source=Source.SERVICE,
)
AB_STORE_FAILURES = Metric(
    "taxi_ab_store_failures_total",
    Kind.COUNTER,
    "Attempts to store answers or outcomes that failed.",
    source=Source.SERVICE,
)
AB_GUARD_RAILS = Metric(
    "taxi_ab_guard_rails_total",
    Kind.COUNTER,
    "Guard rails that stopped the challenger.",
    ("rail",),
    Source.SERVICE,
)
AB_SHADOW_POINTS = Metric(
    "taxi_ab_shadow_points_total",
    Kind.COUNTER,
    "Points that the challenger answered too, by whether it named the same hotspot as the champion.",
    ("agreement",),
    Source.SERVICE,
)
AB_SHADOW_LEFT_OUT = Metric(
    "taxi_ab_shadow_left_out_total",
    Kind.COUNTER,
    "Points that the challenger was to answer too, and did not, since too many waited.",
    source=Source.SERVICE,
)

METRICS: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))

LABELS = {
    "adapter": "the name of an adapter that an installed package declares, else `other`",
    "agreement": "same, other or failed",
    "answer": "inside or outside",
    "area": "the 20 largest hotspots of a model by their ids, `other hotspots`, and `outside`",
    "arm": "champion or challenger",
    "code": "the status of an HTTP response",
    "deployment": "up to 40 of a-z, 0-9 and -, as `TAXI_DEPLOYMENT`; at Prefect also `other`; `none` without one",
    "exact": "true or false",
    "kind": "memory or timing",
    "method": "a method of HTTP, else `other`",
    "mlflow_page": "the path of MLflow's page, made of the ids that MLflow gave; of the last run alone",
    "model": "the model that `taxi serve` was started with; of features, up to 100 folders of `TAXI_FEATURES_DIR`",
    "model_version": "the version that answers; an earlier one is removed",
    "outcome": "completed or failed",
    "pool": "the work pool of the settings",
    "python": "the version of Python",
    "rail": "errors, latency or noise",
    "recorder": "store, mlflow or pushgateway",
    "result": "hit or miss",
    "route": "a path of the service with its parameters by name, else `none`",
    "rule": "the name of a rule of cleaning",
    "run_id": "made of time and chance; of the last run alone",
    "service": "the name of a service of the settings",
    "stage": "plan, scatter, cluster, join or label",
    "state": "a type of state of Prefect's",
    "status": "ok, timeout, out_of_memory, crashed, error, invalid or skipped; of workers: online or offline",
    "table": "the location of the table that `TAXI_TRIPS_TABLE` names",
    "trace_id": "made of the run id; of the last run alone",
    "verdict": "equal, equal_within_rounding or different",
    "version": "the version of taxi-mlops",
}
"""What limits the values of each label: nothing that a user types becomes one."""


def markdown(metrics: Sequence[Metric] = METRICS) -> str:
    """Return the table of all metrics, and that of their labels, as Markdown."""
    lines = ["| metric | kind | labels | what it is | from |", "| --- | --- | --- | --- | --- |"]
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} | {metric.source} |")
    lines += ["", "| label | its values |", "| --- | --- |"]
    lines += [f"| `{label}` | {values} |" for label, values in LABELS.items()]
    return "\n".join(lines) + "\n"


def updated(page: str) -> str:
    """Return the page with its tables replaced by the current ones."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{markdown()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(updated(target.read_text(encoding="utf-8")), encoding="utf-8")
