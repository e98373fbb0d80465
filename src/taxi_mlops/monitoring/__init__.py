"""Metrics, spans and structured logs of a run: files in the run folder, sent to the services that the settings name.

The health of the machine and of the services is in `health`; what a recorder stores is in `recording`.
Entry points: `logs.run_logs`, `tracing.run_trace`, `metrics.MetricsCollector`, `catalogue.METRICS`.
"""
