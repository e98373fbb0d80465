"""Comparisons for people to read."""
