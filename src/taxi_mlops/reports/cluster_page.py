"""`clusters.html`: the map of one clustering and its largest clusters, in one file that needs no network."""

from __future__ import annotations

from taxi_mlops.reports.html import file_name, render_page
from taxi_mlops.reports.map_section import MapSection, map_scripts
from taxi_mlops.reports.page import RULES
from taxi_mlops.results.cluster_result import ClusterResult


def render(result: ClusterResult, section: MapSection) -> str:
    """Return the page."""
    return render_page(
        "clusters.html.j2",
        scripts=map_scripts(),
        result=result,
        title=f"Clusters: {file_name(result.dataset.uri)}",
        map=section,
        rules=RULES,
    )
