"""The engine on real trips: the clustering of scikit-learn, by the four clauses."""

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from sklearn.cluster import DBSCAN

from haversine_dbscan.clustering import dbscan
from haversine_dbscan.geodesy import EARTH_RADIUS_METRES
from taxi_mlops.domain import Clustering, Parameters, Points, Provenance
from taxi_mlops.evaluation.equivalence import Verdict, check_equivalence

FILES = {
    "santiago_taxi_od.parquet": ("origin_latitude", "origin_longitude"),
    "chicago_taxi_2013_2016_sample.csv": ("pickup_latitude", "pickup_longitude"),
    "yellow_tripdata_2016-06_sample.csv": ("pickup_latitude", "pickup_longitude"),
}
PARAMETERS = [
    (20, 1),
    (50, 3),
    (50, 10),
    (100, 5),
    (100, 50),
    (250, 20),
    (250, 200),
    (500, 10),
    (1000, 300),
    (30_000, 5),
]


@pytest.mark.parametrize("file", FILES)
def test_equal_to_scikit_learn(shared_data, file):
    read = pq.read_table if file.endswith(".parquet") else pyarrow.csv.read_csv
    columns = [read(shared_data / file)[name].to_numpy().astype(float) for name in FILES[file]]
    degrees = np.stack(columns, axis=1)
    degrees = degrees[np.isfinite(degrees).all(axis=1)][:6000]  # (0, 0) stays in: points far from all others
    provenance = Provenance(file, "test", "1", len(degrees), len(degrees))
    points = Points(*degrees.T.copy(), None, "", provenance)
    for eps, min_samples in PARAMETERS:
        fitted = DBSCAN(
            eps=eps / EARTH_RADIUS_METRES, min_samples=min_samples, metric="haversine", algorithm="ball_tree"
        ).fit(np.radians(degrees))
        core = np.zeros(len(degrees), dtype=bool)
        core[fitted.core_sample_indices_] = True
        reference = Clustering(fitted.labels_.astype(np.int32), core)
        candidate = Clustering(*dbscan(points.latitude, points.longitude, eps, min_samples))
        result = check_equivalence(points, Parameters(eps, min_samples), reference, candidate)
        assert result.verdict in (Verdict.EQUAL, Verdict.EQUAL_WITHIN_ROUNDING), (eps, min_samples, result)
        if result.verdict is Verdict.EQUAL:
            np.testing.assert_array_equal(candidate.labels, reference.labels)
