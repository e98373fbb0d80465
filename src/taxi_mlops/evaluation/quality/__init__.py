"""Measure the quality of a clustering: internal indices on the sphere, cluster sizes, stability."""
