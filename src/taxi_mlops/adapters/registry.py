"""List and load adapters: Python entry points of the group `taxi_mlops.adapters`, ours and those of other packages.

Listing imports the adapters' own modules and none of the libraries behind them.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from itertools import groupby

from taxi_mlops.adapters.base import Adapter, RunsByDefault
from taxi_mlops.domain import AdapterInfo
from taxi_mlops.errors import AdapterUnavailableError

GROUP = "taxi_mlops.adapters"


@dataclass(frozen=True, slots=True)
class AdapterListing:
    """One row of the list of adapters.

    reason: why it is not available, None if it is. install: the command that installs its library, None if the adapter
    itself cannot be loaded. info: None if the library is missing. by_default: whether a comparison runs it that names
    no adapters.
    """

    name: str
    available: bool
    reason: str | None
    install: str | None
    info: AdapterInfo | None
    by_default: bool = True


def list_adapters() -> tuple[AdapterListing, ...]:
    """Return every adapter that an installed package declares, by name; broken ones with the reason."""
    return tuple(_listing(name, entries) for name, entries in _declared().items())


def declared_names() -> frozenset[str]:
    """Return the names alone, without loading an adapter."""
    return frozenset(entry.name for entry in entry_points(group=GROUP))


def load_adapter(name: str) -> Adapter:
    """Construct the adapter of this name.

    Raises AdapterUnavailableError if it is unknown, broken, declared by two packages, or its library is missing.
    """
    declared = _declared()
    if name not in declared:
        raise AdapterUnavailableError(f"there is no adapter {name!r}; available: {', '.join(declared)}")
    adapter = _construct(name, declared[name])
    reason = _missing_library(adapter)
    if reason is not None:
        raise AdapterUnavailableError(f"adapter {name!r}: {reason}; install it with: {adapter.install}")
    return adapter


def _declared() -> dict[str, tuple[EntryPoint, ...]]:
    """Return entry points by name, sorted."""
    ordered = sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, _package(entry)))
    return {name: tuple(entries) for name, entries in groupby(ordered, key=lambda entry: entry.name)}


def _listing(name: str, entries: tuple[EntryPoint, ...]) -> AdapterListing:
    try:
        adapter = _construct(name, entries)
    except AdapterUnavailableError as error:
        return AdapterListing(name, available=False, reason=str(error), install=None, info=None)
    reason, info = _missing_library(adapter), None
    if reason is None:
        try:
            info = adapter.info
        except Exception as error:  # noqa: BLE001 - whatever somebody else's package raises is the reason to show
            reason = _one_line(error)
    by_default = adapter.by_default if isinstance(adapter, RunsByDefault) else True
    return AdapterListing(name, reason is None, reason, adapter.install, info, by_default)


def _construct(name: str, entries: tuple[EntryPoint, ...]) -> Adapter:
    """Load and construct an adapter, without importing its library."""
    if len(entries) > 1:
        packages = " and ".join(_package(entry) for entry in entries)
        raise AdapterUnavailableError(f"adapter {name!r} is declared by {packages}; uninstall one of them")
    entry = entries[0]
    try:
        adapter: Adapter = entry.load()()
        _ = adapter.requires, adapter.install
    except Exception as error:
        raise AdapterUnavailableError(
            f"adapter {name!r} of package {_package(entry)} cannot be loaded from {entry.value}: {_one_line(error)}"
        ) from error
    return adapter


def _missing_library(adapter: Adapter) -> str | None:
    """Return which library is missing, or None. Searches for it without importing it."""
    if adapter.requires is None or find_spec(adapter.requires.partition(".")[0]) is not None:
        return None
    return f"library {adapter.requires} is not installed"


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "an unknown package"


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
