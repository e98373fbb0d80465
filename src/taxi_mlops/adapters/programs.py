"""Find the files of programs: a path of the user's, or one that comes with this package, and install the latter.

A program that comes with the package is copied to the cache and built there; a comparison installs nothing.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from taxi_mlops.adapters.base import Adapter
from taxi_mlops.adapters.program import ProgramAdapter, program_adapter, program_info
from taxi_mlops.adapters.program_file import missing_command, read_program_file
from taxi_mlops.adapters.program_process import ProgramError
from taxi_mlops.adapters.registry import AdapterListing, declared_names, load_adapter
from taxi_mlops.errors import AdapterUnavailableError, TaxiError, UsageError

SHIPPED = Path(__file__).parent / "shipped"
FILE = "adapter.toml"
BUILD_SECONDS = 1_800.0
_STAMP = ".installed"


def shipped_names() -> tuple[str, ...]:
    """Return the names of the programs that come with the package."""
    return tuple(sorted(path.parent.name for path in SHIPPED.glob(f"*/{FILE}")))


def program_path(reference: str, cache: Path) -> Path:
    """Return the absolute path of a TOML file. Raises UsageError if there is none, or its program is not installed.

    reference: a path that ends in .toml, or the name of a program that comes with the package. cache: of the settings.
    """
    if reference.endswith(".toml"):
        return Path(reference).expanduser().resolve()
    _check_shipped(reference)
    installed = _home(reference, cache)
    if not is_installed(reference, cache):
        raise UsageError(f"adapter {reference!r} is not installed; install it with: taxi adapters install {reference}")
    return installed / FILE


def load_program(path: Path) -> ProgramAdapter:
    """Construct the adapter of a TOML file; starts nothing. Raises UsageError."""
    return program_adapter(read_program_file(path), path.parent)


def program_paths(references: Iterable[str], cache: Path) -> dict[str, Path]:
    """Return the files by the names of their adapters. Raises UsageError, also for a name that is taken."""
    found: dict[str, Path] = {}
    for reference in references:
        path = program_path(reference, cache)
        name = read_program_file(path).name
        if name in found or name in declared_names():
            raise UsageError(f"{path}: there is another adapter {name!r}; give it a name of its own")
        found[name] = path
    return found


def program_listings(paths: Mapping[str, Path]) -> dict[str, AdapterListing]:
    """Start each program once for its version, and return what there is to say about it."""
    return {name: _listing(name, load_program(path)) for name, path in paths.items()}


def _listing(name: str, adapter: ProgramAdapter) -> AdapterListing:
    try:
        if adapter.missing is not None:
            return AdapterListing(name, available=False, reason=adapter.missing, install=adapter.install, info=None)
        return AdapterListing(name, available=True, reason=None, install=adapter.install, info=adapter.info)
    except (ProgramError, MemoryError) as error:
        return AdapterListing(name, available=False, reason=str(error), install=None, info=None)
    finally:
        adapter.close()


def open_adapter(name: str, cache: Path) -> Adapter:
    """Construct an adapter of an installed package, or that of a program that comes with this one; starts nothing.

    Raises AdapterUnavailableError if it is unknown, broken, or something that it needs is missing, UsageError for a
    program that is not installed.
    """
    if name in declared_names() or name not in shipped_names():
        return load_adapter(name)
    adapter = load_program(program_path(name, cache))
    if adapter.missing is not None:
        raise AdapterUnavailableError(f"adapter {name!r}: {adapter.missing}; install it with: {adapter.install}")
    return adapter


def shipped_listings(cache: Path) -> tuple[AdapterListing, ...]:
    """Return a row for each program that comes with the package, whether it is installed or not; starts none."""
    return tuple(_shipped_listing(name, cache) for name in shipped_names())


def _shipped_listing(name: str, cache: Path) -> AdapterListing:
    file, version = read_program_file(SHIPPED / name / FILE), installed_version(name, cache)
    if version is None:
        return AdapterListing(name, False, "the program is not installed", file.install, None, by_default=False)
    reason = missing_command(file.command, _home(name, cache))
    info = program_info(file, version) if reason is None else None
    return AdapterListing(name, reason is None, reason, file.install, info, by_default=False)


def is_installed(name: str, cache: Path) -> bool:
    """Return whether a shipped program was built in the cache from the files that are shipped now."""
    return installed_version(name, cache) is not None


def installed_version(name: str, cache: Path) -> str | None:
    """Return the version that a shipped program reported when it was installed from the files that are shipped now."""
    stamp = _home(name, cache) / _STAMP
    digest, _, version = stamp.read_text(encoding="utf-8").partition("\n") if stamp.is_file() else ("", "", "")
    return version if version and digest == _digest(name) else None


def install_program(name: str, cache: Path) -> Path:
    """Copy a shipped program to the cache, run its build commands there, start it once, and return its folder.

    Raises UsageError for an unknown name or a missing tool, TaxiError if a command fails, a file has another checksum,
    or the program does not start; what was installed before stays then.
    """
    _check_shipped(name)
    file, home = read_program_file(SHIPPED / name / FILE), _home(name, cache)
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=home.parent) as made:
        folder = Path(made) / name
        for source in _sources(name):
            shutil.copytree(source, folder, dirs_exist_ok=True)
        for command in file.build:
            _build(command, folder)
        for fetched, digest in file.sha256.items():
            path = folder / fetched
            if not path.is_file():
                raise TaxiError(f"the build made no {fetched}; nothing was installed")
            if sha256(path.read_bytes()).hexdigest() != digest:
                raise TaxiError(f"{fetched} has another SHA-256 than {digest}; nothing was installed")
        (folder / _STAMP).write_text(f"{_digest(name)}\n{_version(folder)}", encoding="utf-8")
        shutil.rmtree(home, ignore_errors=True)
        folder.rename(home)
    return home


def _version(folder: Path) -> str:
    """Start a program for its version."""
    adapter = load_program(folder / FILE)
    try:
        return adapter.info.version
    except (ImportError, ProgramError, MemoryError) as error:
        raise TaxiError(f"{adapter.file.name} was built, but does not start: {error}; nothing was installed") from None
    finally:
        adapter.close()


def _build(command: tuple[str, ...], folder: Path) -> None:
    missing = missing_command(command, folder)
    if missing is not None:
        raise UsageError(f"{missing}; install it first")
    said = " ".join(command)
    try:
        ended = subprocess.run(  # noqa: S603 - of a file that comes with this package
            command, cwd=folder, stdin=subprocess.DEVNULL, timeout=BUILD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise TaxiError(f"{said} took more than {BUILD_SECONDS:g} s; nothing was installed") from None
    if ended.returncode:
        raise TaxiError(f"{said} exited with code {ended.returncode}; nothing was installed")


def _check_shipped(name: str) -> None:
    if name not in shipped_names():
        raise UsageError(
            f"{name!r} is neither a file that ends in .toml nor a program that comes with taxi-mlops: "
            f"{', '.join(shipped_names())}"
        )


def _home(name: str, cache: Path) -> Path:
    return cache / "programs" / name


def _sources(name: str) -> tuple[Path, ...]:
    """Return the folders whose files make a shipped program."""
    shared = read_program_file(SHIPPED / name / FILE).shared
    return (SHIPPED / name,) if shared is None else (SHIPPED / name, SHIPPED / shared)


def _digest(name: str) -> str:
    """Return a digest of the files of a shipped program."""
    hashed = sha256()
    for folder in _sources(name):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                hashed.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return hashed.hexdigest()
