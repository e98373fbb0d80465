"""What each dashboard shows: titles, units, descriptions and queries. `generate.py` makes Grafana's JSON of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

WHERE = '{deployment=~"$deployment"}'


class Form(StrEnum):
    LINES = "lines"
    NUMBER = "number"
    BARS = "bars"
    RUNS = "runs"
    """A table of runs, with links to all that is known of each."""
    LOGS = "logs"


@dataclass(frozen=True)
class Panel:
    """One panel. unit: as Grafana calls it. queries: expression and legend, of Prometheus (LOGS: of Loki)."""

    title: str
    description: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    form: Form = Form.LINES
    wide: bool = False


@dataclass(frozen=True)
class Page:
    """One dashboard."""

    uid: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    by_deployment: bool = True


COMPARISONS = Page(
    "taxi-comparisons",
    "Comparisons",
    "Which DBSCAN wins, by how much, and whether its clustering is equal.",
    (
        Panel(
            "Last comparisons",
            "The newest comparison of each deployment and host; its links lead to trace, log, MLflow run and report.",
            "string",
            ((f"taxi_last_run_info{WHERE}", ""),),
            Form.RUNS,
            wide=True,
        ),
        Panel(
            "Place in the last comparison",
            "1 is the fastest; adapters that the data does not tell apart share a place.",
            "none",
            ((f"min by (adapter) (taxi_adapter_rank{WHERE})", "{{adapter}}"),),
            Form.BARS,
        ),
        Panel(
            "Times faster than the reference",
            "Speed-up of the last comparison, from paired repeats.",
            "x",
            ((f"max by (adapter) (taxi_adapter_speedup_ratio{WHERE})", "{{adapter}}"),),
            Form.BARS,
        ),
        Panel(
            "Clusterings that differ",
            "Verdicts `different` of the last day, of adapters that promise DBSCAN's clustering. It must be 0.",
            "none",
            (
                (
                    'sum(increase(taxi_equivalence_verdicts_total{deployment=~"$deployment", exact="true", '
                    'verdict="different"}[1d])) or vector(0)',
                    "different",
                ),
            ),
            Form.NUMBER,
        ),
        Panel(
            "Median of fit",
            "Median wall-clock time of fit in the last comparison, over time. Other points or parameters make it jump.",
            "s",
            ((f"max by (deployment, adapter) (taxi_adapter_median_fit_seconds{WHERE})", "{{adapter}} {{deployment}}"),),
        ),
        Panel(
            "95th percentile of fit",
            "Over all timed trials of a day, from the histogram.",
            "s",
            ((f"deployment_adapter:taxi_trial_fit_seconds:p95_1d{WHERE}", "{{adapter}} {{deployment}}"),),
        ),
        Panel(
            "Points clustered in a second",
            "Of the last timed trial that ended well.",
            "pps",
            ((f"max by (adapter) (taxi_trial_points_per_second{WHERE})", "{{adapter}}"),),
        ),
        Panel(
            "Peak memory",
            "Of the process tree, in a trial of its own.",
            "bytes",
            ((f"max by (adapter) (taxi_trial_peak_memory_bytes{WHERE})", "{{adapter}}"),),
        ),
        Panel(
            "Trials by outcome",
            "Trials that have ended, in an hour.",
            "none",
            ((f"sum by (status) (increase(taxi_trials_total{WHERE}[1h]))", "{{status}}"),),
        ),
        Panel(
            "Trials that fail",
            "Share of a day's trials that ended neither ok nor skipped. Alert TrialsFailing fires above 20 %.",
            "percentunit",
            ((f"deployment:taxi_trials:failed_ratio_1d{WHERE}", "{{deployment}}"),),
        ),
        Panel(
            "Clusters",
            "Clusters found in the last comparison.",
            "none",
            ((f"max by (adapter) (taxi_adapter_clusters{WHERE})", "{{adapter}}"),),
        ),
        Panel(
            "Noise",
            "Share of points in no cluster, in the last comparison.",
            "percentunit",
            ((f"max by (adapter) (taxi_adapter_noise_ratio{WHERE})", "{{adapter}}"),),
        ),
    ),
)

RUNS = Page(
    "taxi-runs",
    "Runs and workers",
    "Flow runs, workers, and what waits.",
    (
        Panel(
            "Flow runs of the last day",
            "Those that were due in the last 24 hours, by state.",
            "none",
            ((f"sum by (state) (taxi_flow_runs{WHERE}) > 0", "{{state}}"),),
            Form.BARS,
        ),
        Panel(
            "Since the last success",
            "Time since a flow run completed, or the deployment was made. Alert ScheduleSilent: two intervals.",
            "s",
            ((f"deployment:taxi_flow_success:age_seconds{WHERE}", "{{deployment}}"),),
            Form.BARS,
        ),
        Panel(
            "Waited in the queue",
            "Between when a flow run was due and when it started, of the one that started last.",
            "s",
            ((f"max by (deployment) (taxi_flow_queue_wait_seconds{WHERE})", "{{deployment}}"),),
        ),
        Panel(
            "Workers online",
            "Workers that Prefect says are online, by work pool.",
            "none",
            (('sum by (pool) (taxi_workers{status="online"})', "{{pool}}"),),
            Form.NUMBER,
        ),
        Panel(
            "Since a worker was heard of",
            "Age of the newest heartbeat of each work pool. Alert WorkerGone fires above 90 s.",
            "s",
            (("time() - max by (pool) (taxi_worker_heartbeat_timestamp_seconds)", "{{pool}}"),),
        ),
        Panel(
            "Runs that wait to be recorded",
            "`taxi record` feeds them again.",
            "none",
            (("max by (recorder) (taxi_recorder_backlog_runs)", "{{recorder}}"),),
            Form.BARS,
        ),
        Panel(
            "Recordings that failed",
            "Runs of a day that a recorder did not take in at first.",
            "none",
            ((f"sum by (recorder) (increase(taxi_recorder_failures_total{WHERE}[1d]))", "{{recorder}}"),),
        ),
        Panel(
            "Comparisons",
            "That have ended in a day; failed ones ranked no adapter.",
            "none",
            ((f"sum by (outcome) (increase(taxi_runs_total{WHERE}[1d]))", "{{outcome}}"),),
        ),
        Panel(
            "Time that trials took",
            "All trials of the last comparison, start-up included.",
            "s",
            ((f"max by (deployment) (taxi_run_trials_seconds{WHERE})", "{{deployment}}"),),
        ),
        Panel(
            "Since the last comparison",
            "Time since the last trial of the last comparison ended.",
            "s",
            ((f"time() - max by (deployment) (taxi_run_ended_timestamp_seconds{WHERE})", "{{deployment}}"),),
            Form.BARS,
        ),
        Panel(
            "Versions",
            "That made the last comparisons.",
            "none",
            ((f"count by (version, python) (taxi_build_info{WHERE})", "{{version}} on Python {{python}}"),),
            Form.NUMBER,
        ),
        Panel(
            "Log of runs",
            "Events of all runs; a line leads to its trace.",
            "string",
            (('{service_name="taxi-mlops"}', ""),),
            Form.LOGS,
            wide=True,
        ),
    ),
)

DATA = Page(
    "taxi-data",
    "Data",
    "How much, how clean, how fresh.",
    (
        Panel(
            "Points",
            "That the last comparison clustered.",
            "none",
            ((f"max by (deployment) (taxi_points{WHERE})", "{{deployment}}"),),
        ),
        Panel(
            "Rows read",
            "Rows of trips, in a day.",
            "none",
            ((f"sum by (deployment) (increase(taxi_rows_read_total{WHERE}[1d]))", "{{deployment}}"),),
        ),
        Panel(
            "Rows dropped by rule",
            "In a day; what a sample left out is `not_sampled`.",
            "none",
            ((f"sum by (rule) (increase(taxi_rows_dropped_total{WHERE}[1d]))", "{{rule}}"),),
        ),
        Panel(
            "Share of rows dropped",
            "By cleaning, in a day; samples left aside.",
            "percentunit",
            ((f"deployment:taxi_rows_dropped:ratio_1d{WHERE}", "{{deployment}}"),),
        ),
        Panel(
            "Since points were loaded",
            "Alert DataStale fires after three intervals of the schedule.",
            "s",
            ((f"time() - max by (deployment) (taxi_data_loaded_timestamp_seconds{WHERE})", "{{deployment}}"),),
            Form.BARS,
        ),
        Panel(
            "Prepared points found",
            "Comparisons in a day whose points were prepared before (hit), or not (miss).",
            "none",
            ((f"sum by (result) (increase(taxi_points_cache_lookups_total{WHERE}[1d]))", "{{result}}"),),
        ),
    ),
)

_DISK = 'fstype!~"tmpfs|overlay|squashfs|ramfs"'
SYSTEM = Page(
    "taxi-system",
    "System",
    "The host, the stores, and what watches them.",
    (
        Panel(
            "Services",
            "1 where a service that is set takes connections.",
            "none",
            (("min by (service) (taxi_service_up)", "{{service}}"),),
            Form.BARS,
        ),
        Panel(
            "Scraped",
            "1 where Prometheus reads a program's metrics.",
            "none",
            (("min by (job) (up)", "{{job}}"),),
            Form.BARS,
        ),
        Panel(
            "Alerts firing",
            "By severity.",
            "none",
            (('count by (severity) (ALERTS{alertstate="firing"}) or vector(0)', "{{severity}}"),),
            Form.NUMBER,
        ),
        Panel(
            "CPU in use",
            "Share of all CPUs of the host.",
            "percentunit",
            (('1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))', "{{instance}}"),),
        ),
        Panel(
            "Load",
            "Processes that run or wait, over a minute.",
            "none",
            (("node_load1", "{{instance}}"),),
        ),
        Panel(
            "Memory available",
            "Share of the host's. Alert MemoryShort fires below 10 %.",
            "percentunit",
            (("node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", "{{instance}}"),),
        ),
        Panel(
            "Memory of the services",
            "Resident memory of each service's processes, where a process exporter runs.",
            "bytes",
            (('sum by (groupname) (namedprocess_namegroup_memory_bytes{memtype="resident"})', "{{groupname}}"),),
        ),
        Panel(
            "Disk left",
            "Share of each file system. Alert DiskFull fires below 10 %.",
            "percentunit",
            ((f"node_filesystem_avail_bytes{{{_DISK}}} / node_filesystem_size_bytes{{{_DISK}}}", "{{mountpoint}}"),),
        ),
        Panel(
            "PostgreSQL: connections",
            "Open connections by database.",
            "none",
            (("sum by (datname) (pg_stat_activity_count)", "{{datname}}"),),
        ),
        Panel(
            "PostgreSQL: size",
            "Of each database.",
            "bytes",
            (("max by (datname) (pg_database_size_bytes)", "{{datname}}"),),
        ),
        Panel("Redis: memory", "In use.", "bytes", (("redis_memory_used_bytes", "{{instance}}"),)),
        Panel(
            "Object store: requests",
            "Answered in a second, by MinIO or SeaweedFS.",
            "reqps",
            (
                (
                    "sum(rate(minio_s3_requests_total[5m])) or sum(rate(SeaweedFS_s3_request_total[5m]))",
                    "requests",
                ),
            ),
        ),
        Panel(
            "Metrics: samples taken in",
            "By Prometheus, in a second.",
            "cps",
            (("rate(prometheus_tsdb_head_samples_appended_total[5m])", "samples"),),
        ),
        Panel(
            "Log lines taken in",
            "By Loki, in a second.",
            "cps",
            (("sum(rate(loki_distributor_lines_received_total[5m]))", "lines"),),
        ),
        Panel(
            "Spans taken in",
            "By Jaeger, in a second.",
            "cps",
            (("sum(rate(otelcol_receiver_accepted_spans_total[5m]))", "spans"),),
        ),
        Panel(
            "Since the last push",
            "To the Pushgateway, by deployment and host.",
            "s",
            (('time() - push_time_seconds{job="taxi-mlops"}', "{{deployment}} on {{host}}"),),
            Form.BARS,
        ),
    ),
    by_deployment=False,
)

PAGES = (COMPARISONS, RUNS, DATA, SYSTEM)
