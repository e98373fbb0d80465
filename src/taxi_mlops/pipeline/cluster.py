"""Cluster the points once with one adapter, in this process, without a comparison: `taxi cluster`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from taxi_mlops.adapters.base import Closes
from taxi_mlops.adapters.programs import open_adapter
from taxi_mlops.clustering import Cluster
from taxi_mlops.domain import AdapterInfo, Clustering, Parameters, Points, Resources, Workload
from taxi_mlops.errors import TaxiError, UsageError
from taxi_mlops.evaluation.eps_choice import EpsChoice, choose_eps
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.points import Load, cached_points
from taxi_mlops.pipeline.resolve import threads_to_use
from taxi_mlops.settings import Settings
from taxi_mlops.specification import AUTO
from taxi_mlops.trials.child import warm_up_points
from taxi_mlops.trials.clusterings import InvalidClusteringError, checked_clustering


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """The result of clustering all points once. `clustering` is in canonical form.

    seconds: wall-clock time of each stage so far, by name. place_reason: why in memory.
    """

    points: Points
    parameters: Parameters
    adapter: AdapterInfo
    threads: int
    clustering: Clustering
    eps_choice: EpsChoice | None
    created_at: datetime
    seconds: Mapping[str, float]
    place_reason: str = ""


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Measures the wall-clock seconds of stages, by name."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 4)


def cluster(document: Cluster, settings: Settings, observer: Observer, load: Load = cached_points) -> Clusters:
    """Load the points, choose eps if it is `auto`, and cluster them.

    Raises TaxiError for an error of the user's, and where the implementation fails.
    """
    adapter, threads = open_adapter(document.adapter, settings.cache_dir), threads_to_use(document.threads)
    watch = Stopwatch()
    with watch.stage("load"):
        points = load(document.dataset, settings, observer)
    choice = None
    if document.parameters.eps_metres == AUTO:
        observer.stage("Choosing eps")
        with watch.stage("choose_eps"):
            choice = choose_eps(points, document.parameters.min_samples, document.dataset.seed)
    update = {"eps_metres": choice.eps_metres} if choice else {}
    parameters = document.parameters.model_copy(update=update).to_domain()
    reason = adapter.unsupported(Workload(points, parameters))
    if reason is not None:
        raise UsageError(f"adapter {document.adapter} cannot cluster these points: {reason}")
    observer.stage("Clustering")
    resources = Resources(threads)
    with _failures_named(document.adapter):
        info = adapter.info
        try:
            with watch.stage("warm_up"):
                adapter.warm_up(adapter.prepare(warm_up_points(points, parameters), parameters, resources))
            with watch.stage("prepare"):
                problem = adapter.prepare(points, parameters, resources)
            with watch.stage("fit"):
                answer = adapter.fit(problem)
        finally:
            if isinstance(adapter, Closes):
                adapter.close()
        clustering = checked_clustering(answer, len(points))
    return Clusters(points, parameters, info, threads, clustering, choice, datetime.now(UTC), watch.seconds)


@contextmanager
def _failures_named(name: str) -> Iterator[None]:
    """Raise whatever an implementation raises as a TaxiError with one line of text."""
    try:
        yield
    except MemoryError:
        raise TaxiError(f"adapter {name} ran out of memory; take --adapter grid, or fewer points (--sample)") from None
    except InvalidClusteringError as error:
        raise TaxiError(f"adapter {name} gave no clustering: {error}") from None
    except TaxiError:
        raise
    except Exception as error:
        raise TaxiError(f"adapter {name} failed: {type(error).__name__}: {' '.join(str(error).split())}") from error
