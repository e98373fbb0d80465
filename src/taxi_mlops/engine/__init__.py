"""Exact DBSCAN on latitude and longitude, in metres: kernels on numpy and numba that know nothing of the platform.

`dbscan` holds the two functions that cluster; `estimator` the scikit-learn estimator around them, `nearest` its
predictions. The way of the points: `frame` (geometry) and `resolution` → `layout` (sorted into cells) → `counting`
(core points) → `connecting` (clusters) → `labelling`, put together by `steps` on `threads`. What no frame covers
(poles, antimeridian, the whole world) goes the same way in several `zones` that `worldwide` joins, and through
`pairwise` where eps is a good part of the earth. `rivals` lists what those need to know who join the clusters of
parts. `reaching` asks the same cells for the equivalence check. `geodesy` and `haversine` measure.
"""
