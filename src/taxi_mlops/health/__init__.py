"""The state of the machine and of the services: `taxi doctor`, and metrics for Prometheus by `taxi exporter`."""
