"""The kernels as plain Python, in a process of its own: the same answers with the compiler off."""

import os
import subprocess
import sys

SCRIPT = """
import numpy as np
from numba import config
from haversine_dbscan.clustering import dbscan, dbscan_plane
from haversine_dbscan.geodesy import great_circle_distance
from haversine_dbscan.nearest import NearestCore
from haversine_dbscan.neighbours import Neighbourhoods
from haversine_dbscan.reaching import has_neighbour_of_label
from taxi_mlops.testing.oracle import brute_force_dbscan

assert config.DISABLE_JIT
np.seterr(all="raise", under="ignore")
rng = np.random.default_rng(0)
places = [(-33.45, -70.66), (89.9999, 10.0), (70.0, 180.0), (-45.0, -180.0)]
checked = 0
for place in places:
    for eps in (30.0, 1e6, 8e6):
        away = rng.normal(0, 1.5, (60, 2)) * eps / 111_195
        away[50:] = away[:10]
        latitude = np.clip(place[0] + away[:, 0], -90, 90)
        longitude = (place[1] + away[:, 1] + 180) % 360 - 180
        for weight in (None, rng.integers(1, 9, 60) / 4):
            truth = brute_force_dbscan(latitude, longitude, eps, 5, weight)
            labels, core = dbscan(latitude, longitude, eps, 5, weight, threads=2)
            np.testing.assert_array_equal(core, truth.core_mask)
            np.testing.assert_array_equal(labels, truth.labels)
            near = Neighbourhoods(latitude, longitude, eps, weight)
            away_from = great_circle_distance(latitude[:, None], longitude[:, None], latitude, longitude)
            weighs = np.ones(60) if weight is None else weight
            np.testing.assert_array_equal(near.counts, (away_from <= eps) @ weighs)
            np.testing.assert_array_equal(near.cluster(5)[0], truth.labels)
            checked += 1
        x, y = longitude[core], latitude[core]
        predicted = NearestCore(x, y, labels[core], eps, spherical=True).predict(longitude, latitude, 2)
        np.testing.assert_array_equal(predicted[core], labels[core])
        np.testing.assert_array_equal(predicted >= 0, labels >= 0)
        found = has_neighbour_of_label(y, x, labels[core], eps, latitude, longitude, labels)
        np.testing.assert_array_equal(found, labels >= 0)

from sklearn.cluster import DBSCAN

points = np.concatenate([rng.normal(0, 1, (150, 2)), rng.integers(-4, 5, (60, 2))])
for eps, min_samples in ((1.0, 4), (2.0, 60), (0.3, 2), (9.0, 211)):
    expected = DBSCAN(eps=eps, min_samples=min_samples).fit(points)
    labels, core = dbscan_plane(*points.T, eps, min_samples)
    np.testing.assert_array_equal(labels, expected.labels_)
    np.testing.assert_array_equal(np.flatnonzero(core), expected.core_sample_indices_)
    checked += 1
print(checked)
"""


def test_the_same_answers_with_the_compiler_off():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "28"
