"""The interface of DBSCAN implementations.

An adapter is one file with one class and one entry point in the group `taxi_mlops.adapters`. Only `fit` is timed.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

from taxi_mlops.domain import AdapterInfo, Clustering, Parameters, Points, Resources, Workload

Problem = Any
"""The result of `prepare` and the argument of `fit`: the points in the implementation's own form, opaque to others."""


class Adapter(Protocol):
    """One DBSCAN implementation.

    The class is constructed without arguments and its module imports nothing heavy at the top: listing the adapters
    must not import the libraries behind them.
    """

    requires: ClassVar[str | None]
    """The import name of the library behind the adapter, beyond the core; None if it needs none."""
    install: ClassVar[str]
    """The command that installs it, shown if the library is missing."""

    @property
    def info(self) -> AdapterInfo:
        """Name, version and capabilities of the implementation. Raises ImportError if the library is missing."""
        ...

    def unsupported(self, workload: Workload) -> str | None:
        """Return why this workload cannot be run, or None. Must be cheap: a pass over the points at most, no index."""
        ...

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> Problem:
        """Convert the points to the implementation's own form. Timed apart from `fit`; builds no index."""
        ...

    def warm_up(self, problem: Problem) -> None:
        """Compile code, start thread pools, and do all else that a first call does. Never timed as part of `fit`."""
        ...

    def fit(self, problem: Problem) -> Clustering:
        """Cluster the points. This is timed. Must not change the problem: it may be called again."""
        ...


@runtime_checkable
class Closes(Protocol):
    """An adapter that must release what `warm_up` or `fit` has started: processes, servers, files."""

    def close(self) -> None:
        """Release everything. Called once, after `fit`; not timed."""
        ...


@runtime_checkable
class RunsByDefault(Protocol):
    """An adapter that says whether a comparison runs it that names no adapters; the others are run."""

    by_default: ClassVar[bool]


@runtime_checkable
class ImportsAhead(Protocol):
    """An adapter whose trials may be forked from a process that has imported its libraries.

    Leave the method out if importing starts a thread or a process, opens a file or shares memory, or if the library
    does not work after a fork: each trial is then a fresh process. Most of this is checked at run time.
    """

    def import_libraries(self) -> None:
        """Import everything that `warm_up`, `prepare` and `fit` import. Computes nothing."""
        ...
