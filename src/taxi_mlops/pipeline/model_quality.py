"""The quality of the clusters that a hotspot model is made of, for its card."""

from __future__ import annotations

from taxi_mlops.evaluation.quality.metrics import Estimate
from taxi_mlops.pipeline.cluster import Clusters
from taxi_mlops.results.model_card import Proof


def quality_of(clusters: Clusters, proof: Proof | None, seed: int) -> tuple[Estimate, Estimate]:
    """Return DBCV and the stability under resampling of the clusters. Large data are sampled, as both say.

    Stability clusters samples with the engine, so it says something only of a clustering that is DBSCAN's.
    """
    from taxi_mlops.evaluation.quality.measure import density_validity
    from taxi_mlops.evaluation.quality.stability import stability

    points = clusters.points
    validity = density_validity(points, clusters.clustering.labels, seed)
    if proof is None or not proof.equal:
        return validity, Estimate(None, reason="the clustering is not proven to be DBSCAN's, which is what is refitted")
    return validity, stability(points, clusters.parameters, seed)
