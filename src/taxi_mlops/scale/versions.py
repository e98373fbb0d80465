"""Check that the workers of a cluster have the same versions as this process."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from taxi_mlops.errors import UsageError

Versions = Mapping[str, str | None]
"""By package; None for what is not installed."""

PACKAGES = ("taxi-mlops", "haversine-dbscan", "numpy", "pyarrow")
"""What tasks and their answers consist of."""


def version_of(package: str) -> str | None:
    """Return the version that this process has; of `python`, without the last part."""
    if package == "python":
        return ".".join(platform.python_version_tuple()[:2])
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def require_equal(cluster: str, members: Mapping[str, Versions]) -> None:
    """Raise UsageError if a member of a cluster has other versions than this process. members: by name."""
    for member, versions in sorted(members.items()):
        for package, there in versions.items():
            here = version_of(package)
            if there != here:
                raise UsageError(
                    f"{cluster}: {member} has {f'{package} {there}' if there else f'no {package}'}, and this process "
                    f"{here or 'none'}; install the same version"
                )
