"""`GET /v1/features/{hotspot}`: the last features of a hotspot, from the online store."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Path, Query
from pydantic import BaseModel, Field

from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.features.online import NoFeaturesError, OnlineStore, online_values
from taxi_mlops.features.values import Value
from taxi_mlops.serving.problems import ProblemError, described

_PROBLEMS = described(
    {
        401: "No key",
        404: "No features of this hotspot",
        422: "A value is wrong",
        429: "Too many requests",
        503: "The online store does not answer",
    }
)


class FeaturesAnswer(BaseModel):
    """The features of a hotspot."""

    model: str
    version: str = Field(description="Version of the model whose hotspots they are of.")
    hotspot: int
    at: datetime = Field(description="The time that they are of, on the trips' clocks.")
    stale: bool = Field(description="Whether they are too old: a build or a materialization was missed.")
    features: dict[str, Value] = Field(description="By name; null is unknown.")


def add_features(app: FastAPI, model: str, open_store: Callable[[], OnlineStore]) -> None:
    """Add the route.

    model: name of the model whose features are in the store, which is opened by the first request that needs it.
    """
    opened = functools.cache(open_store)

    @app.get("/v1/features/{hotspot}", responses=_PROBLEMS)
    def features(
        hotspot: Annotated[int, Path(ge=0, lt=2**63)],
        name: Annotated[list[str] | None, Query(max_length=100, description="Only these; all without one.")] = None,
    ) -> FeaturesAnswer:
        """Return the last features of a hotspot that were materialized."""
        try:
            online = opened()
        except UsageError as error:  # of the settings, not of the request
            raise ProblemError(503, f"The online store cannot be used: {error}.") from None
        try:
            found = online_values(online, model, hotspot, name)
        except NoFeaturesError as error:
            raise ProblemError(404, f"{error}.") from None
        except UsageError as error:
            raise ProblemError(422, f"name: {error}.") from None
        except ServiceError as error:
            raise ProblemError(503, f"The online store does not answer: {error}.") from None
        return FeaturesAnswer(
            model=found.model,
            version=found.version,
            hotspot=found.key,
            at=found.at,
            stale=found.stale,
            features=dict(found.features),
        )
