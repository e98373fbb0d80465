"""The interface that every DBSCAN implementation stands behind.

An adapter is one file with one class and one entry point in the group `taxi_mlops.adapters`. Only `fit` is timed.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

from taxi_mlops.domain import AdapterInfo, Clustering, Parameters, Points, Resources, Workload

Problem = Any
"""What `prepare` hands to `fit`: the points in whatever form the implementation wants. Nobody else looks inside."""


class Adapter(Protocol):
    """One DBSCAN implementation.

    The class is constructed without arguments and its module imports nothing heavy at the top: listing the adapters
    must not import the libraries behind them.
    """

    requires: ClassVar[str | None]
    """The import name of the library behind the adapter, beyond the core; None where it needs none."""
    install: ClassVar[str]
    """The command that installs it, shown where the library is missing."""

    @property
    def info(self) -> AdapterInfo:
        """Who it is. Raises ImportError where the library is missing."""
        ...

    def unsupported(self, workload: Workload) -> str | None:
        """Say why this workload cannot be run, or None. Cheap: it may look at sizes, not at every point."""
        ...

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> Problem:
        """Convert the points to the form that the implementation wants. Timed apart from `fit`; builds no index."""
        ...

    def warm_up(self, problem: Problem) -> None:
        """Compile, start thread pools, touch what a first call touches. Never timed as part of `fit`."""
        ...

    def fit(self, problem: Problem) -> Clustering:
        """Cluster. This is what is timed. Must not change the problem: it may be called again."""
        ...


@runtime_checkable
class Closes(Protocol):
    """An adapter that ends what `warm_up` or `fit` has started and kept: processes, servers, files."""

    def close(self) -> None:
        """Release everything. Called once, after the fit; not timed."""
        ...


@runtime_checkable
class ImportsAhead(Protocol):
    """An adapter whose libraries a trial need not import itself: it is forked from a process that has imported them.

    Leave the method out where importing starts a thread or a process, opens a file or shares memory, or where the
    library does not bear a fork: each trial is then a fresh process. What can be seen of this is checked at run time.
    """

    def import_libraries(self) -> None:
        """Import all that `warm_up`, `prepare` and `fit` import. Computes nothing."""
        ...
