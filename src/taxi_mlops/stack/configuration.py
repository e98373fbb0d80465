"""Read the configuration files of `deploy/`, which containers mount and processes get alike."""

from __future__ import annotations

from pathlib import Path

import taxi_mlops

_PACKAGE = Path(taxi_mlops.__file__).parent
_INSTALLED = _PACKAGE / "stack" / "deploy"
_CHECKED_OUT = _PACKAGE.parent.parent / "deploy"


def deploy_folder() -> Path:
    """Return `deploy/` of the installed package, or of the repository."""
    return _INSTALLED if _INSTALLED.is_dir() else _CHECKED_OUT


def configuration(name: str) -> str:
    """Return the text of one file, as `redis/redis.conf`."""
    return (deploy_folder() / name).read_text(encoding="utf-8")


def environment_file(name: str) -> dict[str, str]:
    """Return the variables of one file in the format of Compose's `env_file`, as `prefect/server.env`."""
    lines = (line.strip() for line in configuration(name).splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
