"""Metrics, spans and structured logs of runs, written to files of the run and sent to the services."""
