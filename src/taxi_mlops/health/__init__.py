"""Check the machine and the services: `taxi doctor`, and metrics of the platform for Prometheus: `taxi exporter`.

Metrics of runs are in `monitoring`; starting and stopping services is in `stack`.
Entry points: `diagnosis.diagnose`, `connections.try_connections`, `exporter.serve`.
"""
