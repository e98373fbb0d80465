"""Measure the quality of a clustering: internal indices on the sphere, cluster sizes, stability.

Whether two clusterings are equal is in `evaluation.equivalence`. Entry point: `measure.measure_quality`.
"""
