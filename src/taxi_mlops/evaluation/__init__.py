"""Evaluate the outcomes of trials: equivalence, quality, performance, statistics, ranking.

All functions are pure. Which outcomes are evaluated, and where the results are written, is in `results` and `pipeline`.
"""
