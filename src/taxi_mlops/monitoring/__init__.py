"""Watching runs and the platform: metrics, spans, structured logs."""
