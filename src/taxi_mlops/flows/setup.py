"""Create what the services need before the first run: `taxi setup`. Repeating it changes nothing.

Databases, roles and users of the object store need an administrator; they are created where the servers are started
(`taxi stack up`, or the one-shot services of `deploy/compose.yaml`). The platform's own users may do what is done here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from taxi_mlops.errors import TaxiError
from taxi_mlops.service_urls import experiments_url
from taxi_mlops.settings import Settings


class Part(StrEnum):
    """What is set up, each on its own service."""

    EXPERIMENTS = "experiments"
    BUCKETS = "buckets"
    DEPLOYMENTS = "deployments"


@dataclass(frozen=True)
class Done:
    """The result of one part in one line, or its error."""

    part: Part
    said: str
    failed: bool = False


def set_up(settings: Settings, parts: Sequence[Part] = tuple(Part)) -> Iterator[Done]:
    """Migrate the experiment store, create the bucket, deploy the flows. A part that fails does not stop the others."""
    steps = {Part.EXPERIMENTS: _store, Part.BUCKETS: _buckets, Part.DEPLOYMENTS: _deployments}
    for part in parts:
        try:
            for said in steps[part](settings):
                yield Done(part, said)
        except TaxiError as error:
            yield Done(part, str(error), failed=True)


def _store(settings: Settings) -> Iterator[str]:
    from taxi_mlops.storage.database import Database

    url = experiments_url(settings)
    if url is None:
        yield "turned off"
        return
    yield f"tables at revision {Database(url).upgrade()} in {url}"


def _buckets(settings: Settings) -> Iterator[str]:
    from taxi_mlops.data.objects import ObjectStore
    from taxi_mlops.storage.buckets import ensure_bucket
    from taxi_mlops.storage.objects import TRIPS_BUCKET

    if settings.object_store_url is None:
        yield "none (TAXI_OBJECT_STORE_URL)"
        return
    made = ensure_bucket(ObjectStore(settings), TRIPS_BUCKET)
    yield f"bucket {TRIPS_BUCKET}{' created' if made else ''}, with versions"


def _deployments(settings: Settings) -> Iterator[str]:
    from taxi_mlops.flows.prefect_environment import configured_server, server_is_configured

    if not server_is_configured(settings):
        yield "none (TAXI_PREFECT_API_URL)"
        return
    with configured_server(settings):
        from taxi_mlops.flows.deployments import deploy_all

        yield from deploy_all(settings)
