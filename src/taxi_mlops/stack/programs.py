"""Find the programs of services, and their versions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from taxi_mlops.errors import ServiceError
from taxi_mlops.stack.configuration import deploy_folder

INSTALL = f"sh {deploy_folder() / 'native' / 'install.sh'}"
"""Installs every program; named in messages."""
INSTALL_SERVERS = "pip install 'taxi-mlops[stack]'"
"""Installs those that are Python packages."""

_VERSION = re.compile(r"\d+(?:\.\d+)+|DEVELOPMENT\S*|RELEASE\S*")
_TIMEOUT_SECONDS = 30.0


def find_program(name: str) -> str | None:
    """Return the program's path: of this environment, on PATH, or in Debian's folders that are not on it."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parts[-2]), reverse=True)
    folders = [Path(sys.executable).parent, *os.get_exec_path(), *debian, "/usr/sbin", Path.home() / "go" / "bin"]
    return shutil.which(name, path=os.pathsep.join(str(folder) for folder in folders))


def program(*names: str) -> str:
    """Return the path of the program, which has one of these names. Raises ServiceError if it is not installed."""
    found = next(filter(None, map(find_program, names)), None)
    if found is None:
        raise ServiceError(f"{names[0]} is not installed; {INSTALL} gets it")
    return found


@cache
def program_version(path: str, option: str = "--version") -> str:
    """Return the version that the program prints with this option."""
    done = subprocess.run(  # noqa: S603 - a program that we found ourselves
        [path, option], capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
    )
    found = _VERSION.search(done.stdout + done.stderr)
    return found.group() if found else "unknown"
