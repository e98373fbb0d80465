"""Structured logs of a run."""
