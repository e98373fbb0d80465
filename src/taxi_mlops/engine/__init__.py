"""Exact DBSCAN on latitude and longitude, in metres: kernels on numpy and numba that know nothing of the platform.

`geodesy` measures, `grid` sorts the points into cells, `neighbours` asks about neighbourhoods, `dbscan` clusters.
"""
