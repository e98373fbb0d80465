"""One clustering as one validated document: data, parameters, and what clusters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from taxi_mlops.data.request import LoadRequest
from taxi_mlops.parameters import Named
from taxi_mlops.specification import AdapterName, ClusteringParameters, Document


class Cluster(Document):
    """All points clustered once."""

    schema_version: Literal[1] = 1
    dataset: LoadRequest = Field(default_factory=LoadRequest)
    parameters: ClusteringParameters = Field(default_factory=ClusteringParameters)
    adapter: Annotated[AdapterName, Named("adapter", "NAME")] = Field(
        default="grid", description="Implementation that clusters: one that `taxi adapters` lists."
    )
    threads: Annotated[int | None, Named("threads", "N", "all CPUs")] = Field(
        default=None, ge=1, description="Threads of the implementation."
    )
