"""Exact DBSCAN on latitude and longitude, in metres: kernels on numpy and numba that know nothing of the platform.

`dbscan` holds the two functions that cluster; `estimator` the scikit-learn estimator around them, `nearest` its
predictions. The way of the points: `frame` (geometry) and `resolution` → `layout` (sorted into cells) → `counting`
(core points) → `connecting` (clusters) → `labelling`, on `threads`. What no frame covers (poles, antimeridian, the
whole world) goes through `grid`, `neighbours` and `worldwide`. `geodesy` and `haversine` measure.
"""
