"""One clustering, and one prediction, as validated documents."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ByteSize, Field, field_serializer
from pydantic_core import PydanticCustomError

from taxi_mlops.data.request import Box, ColumnParameters, DatasetParameters, LoadRequest
from taxi_mlops.parameters import Named, Without
from taxi_mlops.specification import AdapterName, ClusteringParameters, Document, MemoryBytes

Threads = Annotated[
    int | None,
    Field(ge=1, description="Threads of the implementation."),
    Named("threads", "N", "all CPUs"),
]

_PLACES = r"memory|tiles|dask|ray|(dask|tls|ray)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}"


def _check_place(value: str) -> str:
    if not re.fullmatch(_PLACES, value):
        raise PydanticCustomError(
            "on",
            "Input should be memory, tiles, dask, ray, or the address of a cluster: dask://HOST:PORT, tls://HOST:PORT, "
            "ray://HOST:PORT",
        )
    return value


Place = Annotated[str, AfterValidator(_check_place)]


class Cluster(Document):
    """All points clustered once."""

    schema_version: Literal[1] = 1
    dataset: LoadRequest = Field(default_factory=LoadRequest)
    parameters: ClusteringParameters = Field(default_factory=ClusteringParameters)
    adapter: Annotated[AdapterName, Named("adapter", "NAME")] = Field(
        default="grid", description="Implementation that clusters: one that `taxi adapters` lists."
    )
    threads: Threads = None
    on: Annotated[Place | None, Named("on", "PLACE", "tiles, if the points do not fit into memory")] = Field(
        default=None,
        description="Where to cluster: memory, tiles (which wait on disk), or tiles on a cluster: dask or ray (of this "
        "machine), dask://HOST:PORT, tls://HOST:PORT (Dask), ray://HOST:PORT.",
    )
    memory_limit: Annotated[MemoryBytes | None, Named("memory_limit", "SIZE", "75 % of the machine's")] = Field(
        default=None, description="Memory to use, as 8GB or 50%; it decides between memory and tiles."
    )

    @field_serializer("memory_limit")
    def _bytes(self, value: ByteSize | None) -> int | None:
        return None if value is None else int(value)


class ClusterParameters(DatasetParameters, total=False):
    """The parameters of a clustering as keywords, for type checkers and editors; a test keeps them complete."""

    eps: float | Literal["auto"]
    min_samples: int
    adapter: str
    threads: int | None
    on: str | None
    memory_limit: int | str | None


class PredictionParameters(ColumnParameters, total=False):
    """The parameters of a prediction as keywords, for type checkers and editors; a test keeps them complete."""

    month: str | None
    threads: int | None


class NewTrips(LoadRequest):
    """Points to predict the clusters of: each is judged by itself."""

    bbox: Annotated[Box | None, Named("bbox", "S,W,N,E", "everywhere")] = Field(
        default=None, description=str(LoadRequest.model_fields["bbox"].description)
    )


class Prediction(Document):
    """The clusters of new points, by the model of an earlier clustering."""

    schema_version: Literal[1] = 1
    model: Annotated[str, Named("model", "MODEL", positional=True)] = Field(
        default="model.npz", description="model.npz of `taxi cluster`, or what `GridDBSCAN.save` wrote."
    )
    dataset: Annotated[NewTrips, Without("zones", "sample", "seed")] = Field(default_factory=NewTrips)
    threads: Threads = None
