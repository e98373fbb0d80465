"""The services of a profile: which there are, what each needs, in which order they start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from taxi_mlops.errors import UsageError
from taxi_mlops.stack.service import Service

DEFAULT_PROFILE = "single"


@dataclass(frozen=True)
class Registry:
    """The services of one profile."""

    services: tuple[Service, ...]

    def in_order(self, names: Sequence[str], *, needed: bool = True) -> tuple[Service, ...]:
        """Return the services of these names, after their dependencies. Raises UsageError for an unknown one."""
        by_name = {service.name: service for service in self.services}
        unknown = [name for name in names if name not in by_name]
        if unknown:
            raise UsageError(f"no service {unknown[0]!r}; there are {', '.join(by_name)}")
        wanted = set(names)
        while needed and (more := {need for name in wanted for need in by_name[name].depends_on} - wanted):
            wanted |= more
        return tuple(by_name[name] for name in self.sorter().static_order() if name in wanted)

    def missing(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return why these services, or their dependencies, cannot be started here; empty if they can."""
        return tuple({reason: None for service in self.in_order(names) if (reason := service.missing())})

    def sorter(self) -> TopologicalSorter[str]:
        return TopologicalSorter({service.name: service.depends_on for service in self.services})
