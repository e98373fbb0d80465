"""The dashboards: titles, units, descriptions and queries of each panel. `generate.py` writes the JSON of Grafana."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

WHERE = '{deployment=~"$deployment"}'


class Form(StrEnum):
    LINES = "lines"
    NUMBER = "number"
    BARS = "bars"
    RUNS = "runs"
    """A table of runs, with links to the trace, log and pages of each."""
    LOGS = "logs"


@dataclass(frozen=True)
class Panel:
    """One panel. unit: a unit of Grafana. queries: expression and legend, for Prometheus (LOGS: for Loki)."""

    title: str
    description: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    form: Form = Form.LINES
    wide: bool = False


@dataclass(frozen=True)
class Pages:
    """The pages of another program. name: of the variable that holds their address. default: that of a new stack."""

    name: str
    title: str
    default: str


CLUSTERS = (
    Pages("dask_url", "Dask", "http://localhost:8787/status"),
    Pages("ray_url", "Ray", "http://localhost:8265"),
)
"""The dashboards of the clusters that tiles may run on."""


@dataclass(frozen=True)
class Page:
    """One dashboard. others: pages that it links to at the top."""

    uid: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    by_deployment: bool = True
    others: tuple[Pages, ...] = ()


COMPARISONS = Page(
    "taxi-comparisons",
    "Comparisons",
    "The fastest implementation of DBSCAN, by how much, and whether its clustering is equal.",
    (
        Panel(
            "Last comparisons",
            "The newest comparison of each deployment and host, with links to trace, log, MLflow run and report.",
            "string",
            ((f"taxi_last_run_info{WHERE}", ""),),
            Form.RUNS,
            wide=True,
        ),
        Panel(
            "Rank in the last comparison",
            "1 is the fastest. Adapters that the timings do not distinguish share a rank.",
            "none",
            ((f"min by (adapter) (taxi_adapter_rank{WHERE})", "{{adapter}}"),),
            Form.BARS,
        ),
        Panel(
            "Speed-up over the reference",
            "Of the last comparison, from paired repeats.",
            "x",
            ((f"max by (adapter) (taxi_adapter_speedup_ratio{WHERE})", "{{adapter}}"),),
            Form.BARS,
        ),
        Panel(
            "Clusterings that differ",
            "Verdicts `different` of the last day, for adapters that promise DBSCAN's clustering. It must be 0.",
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
            "Median time of fit",
            "Wall-clock time of fit in the last comparison, over time. It changes with points and parameters, too.",
            "s",
            ((f"max by (deployment, adapter) (taxi_adapter_median_fit_seconds{WHERE})", "{{adapter}} {{deployment}}"),),
        ),
        Panel(
            "95th percentile of the time of fit",
            "All timed trials of a day, from the histogram.",
            "s",
            ((f"deployment_adapter:taxi_trial_fit_seconds:p95_1d{WHERE}", "{{adapter}} {{deployment}}"),),
        ),
        Panel(
            "Points clustered per second",
            "In the last timed trial that ended with ok.",
            "pps",
            ((f"max by (adapter) (taxi_trial_points_per_second{WHERE})", "{{adapter}}"),),
        ),
        Panel(
            "Peak memory",
            "Memory of the process tree, in a trial that is not timed.",
            "bytes",
            ((f"max by (adapter) (taxi_trial_peak_memory_bytes{WHERE})", "{{adapter}}"),),
        ),
        Panel(
            "Trials by outcome",
            "Trials that ended, per hour.",
            "none",
            ((f"sum by (status) (increase(taxi_trials_total{WHERE}[1h]))", "{{status}}"),),
        ),
        Panel(
            "Failed trials",
            "Share of the trials of a day that ended neither ok nor skipped. Alert TrialsFailing fires above 20 %.",
            "percentunit",
            ((f"deployment:taxi_trials:failed_ratio_1d{WHERE}", "{{deployment}}"),),
        ),
        Panel(
            "Clusters",
            "Number of clusters in the last comparison.",
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
    "Flow runs, workers, and runs that wait to be recorded.",
    (
        Panel(
            "Flow runs of the last day",
            "Flow runs that were due in the last 24 hours, by state.",
            "none",
            ((f"sum by (state) (taxi_flow_runs{WHERE}) > 0", "{{state}}"),),
            Form.BARS,
        ),
        Panel(
            "Time since the last success",
            "Since a flow run completed, or the deployment was made. Alert ScheduleSilent fires after two intervals.",
            "s",
            ((f"deployment:taxi_flow_success:age_seconds{WHERE}", "{{deployment}}"),),
            Form.BARS,
        ),
        Panel(
            "Time in the queue",
            "From when the newest flow run was due to when it started.",
            "s",
            ((f"max by (deployment) (taxi_flow_queue_wait_seconds{WHERE})", "{{deployment}}"),),
        ),
        Panel(
            "Workers online",
            "Workers that are online according to Prefect, by work pool.",
            "none",
            (('sum by (pool) (taxi_workers{status="online"})', "{{pool}}"),),
            Form.NUMBER,
        ),
        Panel(
            "Time since the last heartbeat",
            "Of each work pool. Alert WorkerGone fires above 90 s.",
            "s",
            (("time() - max by (pool) (taxi_worker_heartbeat_timestamp_seconds)", "{{pool}}"),),
        ),
        Panel(
            "Runs that wait to be recorded",
            "By recorder. `taxi record` records them.",
            "none",
            (("max by (recorder) (taxi_recorder_backlog_runs)", "{{recorder}}"),),
            Form.BARS,
        ),
        Panel(
            "Failed recordings",
            "Runs of a day that a recorder failed to record at first.",
            "none",
            ((f"sum by (recorder) (increase(taxi_recorder_failures_total{WHERE}[1d]))", "{{recorder}}"),),
        ),
        Panel(
            "Comparisons",
            "Comparisons that ended, per day. A failed one ranked no adapter.",
            "none",
            ((f"sum by (outcome) (increase(taxi_runs_total{WHERE}[1d]))", "{{outcome}}"),),
        ),
        Panel(
            "Time of trials",
            "All trials of the last comparison, start-up included.",
            "s",
            ((f"max by (deployment) (taxi_run_trials_seconds{WHERE})", "{{deployment}}"),),
        ),
        Panel(
            "Time since the last comparison",
            "Since the last trial of the last comparison ended.",
            "s",
            ((f"time() - max by (deployment) (taxi_run_ended_timestamp_seconds{WHERE})", "{{deployment}}"),),
            Form.BARS,
        ),
        Panel(
            "Versions",
            "Versions that the last comparisons ran with.",
            "none",
            ((f"count by (version, python) (taxi_build_info{WHERE})", "{{version}} on Python {{python}}"),),
            Form.NUMBER,
        ),
        Panel(
            "Log of runs",
            "Events of all runs. Each line links to its trace.",
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
    "Number of points, rows dropped, and age of the data.",
    (
        Panel(
            "Points",
            "Points that the last comparison clustered.",
            "none",
            ((f"max by (deployment) (taxi_points{WHERE})", "{{deployment}}"),),
        ),
        Panel(
            "Rows read",
            "Rows of trips, per day.",
            "none",
            ((f"sum by (deployment) (increase(taxi_rows_read_total{WHERE}[1d]))", "{{deployment}}"),),
        ),
        Panel(
            "Rows dropped by rule",
            "Per day. `not_sampled`: left out by a sample.",
            "none",
            ((f"sum by (rule) (increase(taxi_rows_dropped_total{WHERE}[1d]))", "{{rule}}"),),
        ),
        Panel(
            "Share of rows dropped",
            "By cleaning, per day, without samples.",
            "percentunit",
            ((f"deployment:taxi_rows_dropped:ratio_1d{WHERE}", "{{deployment}}"),),
        ),
        Panel(
            "Time since points were loaded",
            "Alert DataStale fires after three intervals of the schedule.",
            "s",
            ((f"time() - max by (deployment) (taxi_data_loaded_timestamp_seconds{WHERE})", "{{deployment}}"),),
            Form.BARS,
        ),
        Panel(
            "Time since the last commit",
            "To the table of trips. Alert TableStale fires after five weeks.",
            "s",
            (("time() - max by (table) (taxi_table_commit_timestamp_seconds)", "{{table}}"),),
            Form.BARS,
        ),
        Panel(
            "Rows of the table",
            "Of its newest version.",
            "none",
            (("max by (table) (taxi_table_rows)", "{{table}}"),),
        ),
        Panel(
            "Size of the table",
            "Of the files of its newest version.",
            "bytes",
            (("max by (table) (taxi_table_bytes)", "{{table}}"),),
        ),
        Panel(
            "Commits in quarantine",
            "Alert CommitQuarantined fires until a later commit succeeds.",
            "none",
            (("max by (table) (taxi_table_quarantined_commits)", "{{table}}"),),
        ),
        Panel(
            "Drift of the points",
            "Population stability index of the last commit against the one before. TripsDrifted fires above 0.25.",
            "none",
            (("max by (table) (taxi_table_drift_index)", "{{table}}"),),
        ),
        Panel(
            "Age of features",
            "Alert FeaturesStale fires after three hours.",
            "s",
            (("time() - max by (model) (taxi_features_last_timestamp_seconds)", "{{model}}"),),
            Form.BARS,
        ),
        Panel(
            "Size of features",
            "Of all months, on disk.",
            "bytes",
            (("max by (model) (taxi_features_bytes)", "{{model}}"),),
        ),
        Panel(
            "Cache of points",
            "Comparisons per day whose points were in the cache (hit), or not (miss).",
            "none",
            ((f"sum by (result) (increase(taxi_points_cache_lookups_total{WHERE}[1d]))", "{{result}}"),),
        ),
    ),
)

TILES = Page(
    "taxi-tiles",
    "Clusterings in tiles",
    "The last clustering in tiles of each deployment: size, stages and result.",
    (
        Panel(
            "Seconds of each stage",
            "Of the last clustering in tiles.",
            "s",
            ((f"max by (stage) (taxi_tiles_stage_seconds{WHERE})", "{{stage}}"),),
            Form.BARS,
        ),
        Panel(
            "Time since the last clustering",
            "In tiles, and complete.",
            "s",
            ((f"time() - max by (deployment) (taxi_tiles_ended_timestamp_seconds{WHERE})", "{{deployment}}"),),
            Form.BARS,
        ),
        Panel(
            "Rows and points",
            "Rows that were read, and points that cleaning left.",
            "none",
            (
                (f"max by (deployment) (taxi_tiles_rows{WHERE})", "{{deployment}} rows"),
                (f"max by (deployment) (taxi_tiles_points{WHERE})", "{{deployment}} points"),
            ),
        ),
        Panel(
            "Tiles and workers",
            "Tiles that the points were cut into, and workers that clustered them.",
            "none",
            (
                (f"max by (deployment) (taxi_tiles{WHERE})", "{{deployment}} tiles"),
                (f"max by (deployment) (taxi_tiles_workers{WHERE})", "{{deployment}} workers"),
            ),
        ),
        Panel(
            "Clusters",
            "Clusters that were found.",
            "none",
            ((f"max by (deployment) (taxi_tiles_clusters{WHERE})", "{{deployment}}"),),
        ),
        Panel(
            "Noise",
            "Share of the points.",
            "percentunit",
            ((f"max by (deployment) (taxi_tiles_noise_ratio{WHERE})", "{{deployment}}"),),
        ),
        Panel(
            "Disk space of waiting points",
            "Removed when the clustering is complete.",
            "bytes",
            ((f"max by (deployment) (taxi_tiles_spill_bytes{WHERE})", "{{deployment}}"),),
        ),
    ),
    others=CLUSTERS,
)

_DISK = 'fstype!~"tmpfs|overlay|squashfs|ramfs"'
SYSTEM = Page(
    "taxi-system",
    "System",
    "The host, the services, and monitoring itself.",
    (
        Panel(
            "Services",
            "1 if a service of the settings accepts connections.",
            "none",
            (("min by (service) (taxi_service_up)", "{{service}}"),),
            Form.BARS,
        ),
        Panel(
            "Scrapes",
            "1 if Prometheus can read the metrics of a program.",
            "none",
            (("min by (job) (up)", "{{job}}"),),
            Form.BARS,
        ),
        Panel(
            "Firing alerts",
            "Number of alerts, by severity.",
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
            "Processes that run or wait, mean of a minute.",
            "none",
            (("node_load1", "{{instance}}"),),
        ),
        Panel(
            "Memory available",
            "Share of the host's memory. Alert MemoryShort fires below 10 %.",
            "percentunit",
            (("node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", "{{instance}}"),),
        ),
        Panel(
            "Memory of the services",
            "Resident memory of the processes of each service, if a process exporter runs.",
            "bytes",
            (('sum by (groupname) (namedprocess_namegroup_memory_bytes{memtype="resident"})', "{{groupname}}"),),
        ),
        Panel(
            "Disk space left",
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
            "Size of each database.",
            "bytes",
            (("max by (datname) (pg_database_size_bytes)", "{{datname}}"),),
        ),
        Panel("Redis: memory", "Memory in use.", "bytes", (("redis_memory_used_bytes", "{{instance}}"),)),
        Panel(
            "Object store: requests",
            "Requests per second to MinIO or SeaweedFS.",
            "reqps",
            (
                (
                    "sum(rate(minio_s3_requests_total[5m])) or sum(rate(SeaweedFS_s3_request_total[5m]))",
                    "requests",
                ),
            ),
        ),
        Panel(
            "Prometheus: samples",
            "Samples received per second.",
            "cps",
            (("rate(prometheus_tsdb_head_samples_appended_total[5m])", "samples"),),
        ),
        Panel(
            "Loki: lines",
            "Log lines received per second.",
            "cps",
            (("sum(rate(loki_distributor_lines_received_total[5m]))", "lines"),),
        ),
        Panel(
            "Jaeger: spans",
            "Spans received per second.",
            "cps",
            (("sum(rate(otelcol_receiver_accepted_spans_total[5m]))", "spans"),),
        ),
        Panel(
            "Time since the last push",
            "To the Pushgateway, by deployment and host.",
            "s",
            (('time() - push_time_seconds{job="taxi-mlops"}', "{{deployment}} on {{host}}"),),
            Form.BARS,
        ),
    ),
    by_deployment=False,
    others=CLUSTERS,
)

MODELS = Page(
    "taxi-models",
    "Models",
    "Which version of a hotspot model `taxi serve` answers with, how fast, and how many points are in hotspots.",
    (
        Panel(
            "Versions",
            "Hotspots of the version that each service answers with.",
            "none",
            (("taxi_served_model_clusters", "{{model}} {{model_version}} at {{instance}}"),),
        ),
        Panel(
            "Requests",
            "Requests per second, by route and status.",
            "reqps",
            (("sum by (route, code) (rate(taxi_served_requests_total[5m]))", "{{route}} {{code}}"),),
        ),
        Panel(
            "Requests that failed",
            "Share of answers with status 5xx.",
            "percentunit",
            (
                (
                    'sum(rate(taxi_served_requests_total{code=~"5.."}[5m])) '
                    "/ sum(rate(taxi_served_requests_total[5m]))",
                    "failed",
                ),
            ),
        ),
        Panel(
            "Time to answer",
            "99 of 100 requests of a route are answered within it.",
            "s",
            (
                (
                    "histogram_quantile(0.99, sum by (le, route) (rate(taxi_served_request_seconds_bucket[5m])))",
                    "{{route}}",
                ),
            ),
        ),
        Panel(
            "Points in hotspots",
            "Share of the located points that are inside a hotspot.",
            "percentunit",
            (
                (
                    'sum(rate(taxi_served_points_total{answer="inside"}[5m])) '
                    "/ sum(rate(taxi_served_points_total[5m]))",
                    "inside",
                ),
            ),
        ),
        Panel(
            "Drift of the points",
            "Population stability index of the last day's points against the training, over areas. 0.25 is much.",
            "none",
            (("model:taxi_served_points:psi_1d", "{{model}} {{model_version}}"),),
        ),
        Panel(
            "Drift by area",
            "What each area adds to the index; the largest are where the points have changed.",
            "none",
            (("topk(5, model_area:taxi_served_points:psi_1d)", "{{area}}"),),
            Form.BARS,
        ),
        Panel(
            "Age of the champion",
            "Time since the version that answers was registered.",
            "s",
            (
                (
                    "time() - max by (model, model_version) (taxi_served_model_created_timestamp_seconds)",
                    "{{model}} {{model_version}}",
                ),
            ),
        ),
        Panel(
            "Versions taken up",
            "Versions that services loaded in the last day, the first of each process among them.",
            "none",
            (("sum by (instance) (increase(taxi_served_model_loads_total[1d]))", "{{instance}}"),),
        ),
        Panel(
            "Share of the challenger",
            "Share of the keys that get the challenger of an A/B test; 0 without one, or after a guard rail.",
            "percentunit",
            (("taxi_ab_share_ratio", "{{instance}}"),),
        ),
        Panel(
            "Hit rates in the A/B test",
            "Share of the last hour's outcomes in a hotspot of the version that answered. `taxi ab status` decides.",
            "percentunit",
            (
                (
                    'sum by (arm) (increase(taxi_ab_outcomes_total{result="hit"}[1h])) '
                    "/ sum by (arm) (increase(taxi_ab_outcomes_total[1h]))",
                    "{{arm}}",
                ),
            ),
        ),
        Panel(
            "Time to locate in the A/B test",
            "9 of 10 requests with a key are located within it.",
            "s",
            (
                (
                    "histogram_quantile(0.9, sum by (le, arm) (rate(taxi_ab_answer_seconds_bucket[5m])))",
                    "{{arm}}",
                ),
            ),
        ),
        Panel(
            "Agreement of the shadow answers",
            "Share of the last hour's points for which the challenger named the same hotspot as the champion.",
            "percentunit",
            (
                (
                    'sum(increase(taxi_ab_shadow_points_total{agreement="same"}[1h])) '
                    "/ sum(increase(taxi_ab_shadow_points_total[1h]))",
                    "same hotspot",
                ),
            ),
        ),
        Panel(
            "Failures of the A/B test",
            "Of the last hour: what was not stored, errors of the challenger, and guard rails that were hit.",
            "none",
            (
                ("sum(increase(taxi_ab_answers_dropped_total[1h]))", "answers dropped"),
                ("sum(increase(taxi_ab_outcomes_unmatched_total[1h]))", "outcomes without an answer"),
                ("sum(increase(taxi_ab_store_failures_total[1h]))", "database"),
                ("sum(increase(taxi_ab_challenger_errors_total[1h]))", "errors of the challenger"),
                ("sum(increase(taxi_ab_guard_rails_total[1h]))", "guard rails"),
                ("sum(increase(taxi_ab_shadow_left_out_total[1h]))", "shadow answers left out"),
            ),
        ),
    ),
    by_deployment=False,
)

PAGES = (COMPARISONS, RUNS, DATA, TILES, SYSTEM, MODELS)
