"""Choose what a specification leaves open, from the installed adapters and the resources of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ByteSize

from taxi_mlops.adapters.programs import program_listings, program_paths, shipped_names
from taxi_mlops.adapters.registry import AdapterListing, list_adapters
from taxi_mlops.domain import AdapterInfo
from taxi_mlops.errors import AdapterUnavailableError, UsageError
from taxi_mlops.limits import usable_cpus, usable_memory
from taxi_mlops.results.journal import UnavailableAdapter
from taxi_mlops.settings import load_settings
from taxi_mlops.specification import Specification

FIRST_REFERENCE = "sklearn"
SHARE_OF_MEMORY = 0.75


@dataclass(frozen=True, slots=True)
class Resolved:
    """A specification with every choice made.

    infos: of the adapters that will run, by name. unavailable: the adapters whose library is not installed.
    """

    specification: Specification
    infos: Mapping[str, AdapterInfo]
    unavailable: tuple[UnavailableAdapter, ...]


def resolve(specification: Specification) -> Resolved:
    """Choose adapters, reference, threads and memory limit if the specification does not.

    A program that comes with the package and is named as an adapter becomes an adapter file.

    Raises AdapterUnavailableError if a named adapter is unknown or not installed, UsageError for a program that is not
    installed, for more threads than CPUs and for a choice of adapters without a reference.
    """
    plan = specification.trials
    listings = {listing.name: listing for listing in list_adapters()}
    usual = [listing for listing in listings.values() if listing.by_default]
    cache = load_settings().cache_dir
    programs = program_paths(plan.adapter_file, cache)
    by_name = [
        name
        for name in dict.fromkeys((*(plan.adapters or ()), plan.reference))
        if name in shipped_names() and name not in listings and name not in programs
    ]
    programs |= program_paths(by_name, cache)
    listings |= program_listings(programs)
    named = plan.adapters or tuple(listing.name for listing in usual if listing.available)
    asked = (*named, *programs)
    infos = {name: _info(name, listings) for name in (*asked, *([plan.reference] if plan.reference else ()))}
    reference = plan.reference or _first_reference(infos)
    missing = () if plan.adapters else _missing(usual)
    chosen = plan.model_copy(
        update={
            "adapters": tuple(infos),
            "adapter_file": (*map(_absolute, plan.adapter_file), *by_name),
            "reference": reference,
            "threads": threads_to_use(plan.threads),
            "memory_limit": plan.memory_limit or ByteSize(usable_memory() * SHARE_OF_MEMORY),
        }
    )
    return Resolved(specification.model_copy(update={"trials": chosen}), infos, missing)


def _absolute(reference: str) -> str:
    """Return a path that is right in every folder; the name of a shipped program stays a name."""
    return str(Path(reference).expanduser().resolve()) if reference.endswith(".toml") else reference


def _info(name: str, listings: Mapping[str, AdapterListing]) -> AdapterInfo:
    if name not in listings:
        known = ", ".join(dict.fromkeys((*listings, *shipped_names())))
        raise AdapterUnavailableError(f"there is no adapter {name!r}; available: {known}")
    listing = listings[name]
    if listing.info is None:
        advice = f"; install it with: {listing.install}" if listing.install else ""
        raise AdapterUnavailableError(f"adapter {name!r}: {listing.reason}{advice}")
    return listing.info


def _first_reference(infos: Mapping[str, AdapterInfo]) -> str:
    if FIRST_REFERENCE in infos:
        return FIRST_REFERENCE
    for name, info in infos.items():
        if info.exact:
            return name
    raise UsageError(
        f"none of {', '.join(infos)} promises exact DBSCAN, so nothing can be the reference; "
        f"add --reference {FIRST_REFERENCE}"
    )


def _missing(listings: Iterable[AdapterListing]) -> tuple[UnavailableAdapter, ...]:
    return tuple(
        UnavailableAdapter(
            name=listing.name,
            reason=f"{listing.reason}; install it with: {listing.install}" if listing.install else str(listing.reason),
        )
        for listing in listings
        if not listing.available
    )


def threads_to_use(asked: int | None) -> int:
    """Return the requested number of threads, or one for each CPU. Raises UsageError for more than there are CPUs."""
    cpus = len(usable_cpus())
    if asked is not None and asked > cpus:
        raise UsageError(f"--threads {asked} is more than the {cpus} CPUs that this process may use")
    return asked or cpus
