"""An adapter for a program in any language, described by a TOML file and asked by lines of JSON."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES
from taxi_mlops.adapters.program_file import ProgramFile, missing_command
from taxi_mlops.adapters.program_process import PROTOCOL, Done, Hello, ProgramError, ProgramProcess, Ready
from taxi_mlops.domain import AdapterInfo, Clustering, Parameters, Points, Resources, Workload


@dataclass(frozen=True, slots=True, eq=False)
class ProgramProblem:
    """A problem as the program reads it.

    folder: with the files of points, weights and answers. seconds: how long an answer may take.
    """

    folder: Path
    request: dict[str, Any]
    points: int
    seconds: float


class ProgramAdapter:
    """A program that stays up from the first call to `close`; the fit alone is timed.

    `program_adapter` derives a class for each file, since the class of an adapter is constructed without arguments.
    folder: that of the TOML file, in which the command runs.
    """

    requires: ClassVar[str | None] = None
    install: ClassVar[str]
    file: ClassVar[ProgramFile]
    folder: ClassVar[Path]

    def __init__(self) -> None:
        """Construct it; starts nothing."""
        self._process: ProgramProcess | None = None
        self._version: str | None = None
        self._prepared: ProgramProblem | None = None
        self._files: Path | None = None

    @property
    def info(self) -> AdapterInfo:
        """Start the program if it is not up, for its version. Raises ImportError if it is not installed."""
        if self._version is None:
            self._start()
        return program_info(self.file, str(self._version))

    @property
    def missing(self) -> str | None:
        """What the command lacks on this machine, or None. Starts nothing."""
        return missing_command(self.file.command, self.folder)

    def unsupported(self, workload: Workload) -> str | None:
        weighted = workload.points.weight is not None
        return f"{self.file.name} takes no weights" if weighted and not self.file.weighted else None

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> ProgramProblem:
        """Write the points to a file, and have the program convert them to its own form."""
        # The folder of a trial's temporary files, which is removed with the trial, even if it is killed.
        self._files = self._files or Path(tempfile.mkdtemp(prefix="program-", dir=os.environ.get("JOBLIB_TEMP_FOLDER")))
        folder = Path(tempfile.mkdtemp(dir=self._files))
        request: dict[str, Any] = {
            "do": "prepare",
            "points": str(_write(folder / "points.f64", np.column_stack((points.latitude, points.longitude)))),
            "weights": None if points.weight is None else str(_write(folder / "weights.f64", points.weight)),
            "n": len(points),
            "eps_metres": parameters.eps_metres,
            "min_samples": parameters.min_samples,
            "earth_radius_metres": EARTH_RADIUS_METRES,
            "threads": resources.threads,
        }
        problem = ProgramProblem(folder, request, len(points), resources.timeout_seconds)
        self._prepare(problem)
        return problem

    def warm_up(self, problem: ProgramProblem) -> None:
        self.fit(problem)

    def fit(self, problem: ProgramProblem) -> Clustering:
        """Have the program cluster, and read its files. Raises ProgramError; labels are checked by the caller."""
        if problem is not self._prepared or self._process is None:
            self._prepare(problem)
        labels, core = problem.folder / "labels.i32", problem.folder / "core.u8"
        for path in (labels, core):
            path.unlink(missing_ok=True)
        request = {"do": "fit", "labels": str(labels), "core": str(core)}
        done = self._ask(request, Done, problem.seconds)
        core_mask = _read(core, np.dtype(np.uint8), problem.points) if done.core else None
        if core_mask is not None and core_mask.max(initial=0) > 1:
            raise ProgramError(f"core flag {core_mask.max()} is neither 0 nor 1")
        return Clustering(
            labels=_read(labels, np.dtype("<i4"), problem.points).astype(np.int32, copy=False),
            core_mask=None if core_mask is None else core_mask.astype(np.bool_),
            about=done.about,
        )

    def close(self) -> None:
        """End the program and remove the files."""
        process, self._process, self._prepared = self._process, None, None
        if process is not None:
            process.end()
        if self._files is not None:
            shutil.rmtree(self._files, ignore_errors=True)
            self._files = None

    def __del__(self) -> None:
        """End the program of an adapter that nobody closed."""
        with suppress(Exception):
            self.close()

    def _start(self) -> ProgramProcess:
        """Start the program if it is not up, and return it."""
        if self._process is None:
            missing = self.missing
            if missing is not None:
                raise ImportError(f"{missing}; install it with: {self.install}")
            process = ProgramProcess(self.file.command, self.folder)
            hello = process.ask({"do": "hello", "protocol": PROTOCOL}, Hello, self.file.start_seconds)
            self._process, self._version = process, hello.version
        return self._process

    def _prepare(self, problem: ProgramProblem) -> None:
        self._start()
        self._prepared = None
        self._ask(problem.request, Ready, problem.seconds)
        self._prepared = problem

    def _ask(self, request: dict[str, Any], expected: Any, seconds: float) -> Any:  # noqa: ANN401 - as `ask`
        """Ask the program; one that has failed is started again by the next call."""
        process = self._start()
        try:
            return process.ask(request, expected, seconds)
        except BaseException:
            self._process = self._prepared = None
            raise


def program_info(file: ProgramFile, version: str) -> AdapterInfo:
    """Return what the file says of the program, with the version that the program itself reported."""
    return AdapterInfo(
        name=file.name,
        version=version,
        summary=file.summary,
        exact=file.exact,
        weighted=file.weighted,
        parallel=file.parallel,
        homepage=file.homepage,
        note=file.note,
    )


def program_adapter(file: ProgramFile, folder: Path) -> ProgramAdapter:
    """Return an adapter of a class of its own for the program; starts nothing."""
    attributes = {"install": file.install, "file": file, "folder": folder, "__module__": __name__}
    made: type[ProgramAdapter] = type(ProgramAdapter.__name__, (ProgramAdapter,), attributes)
    return made()


def _write(path: Path, values: NDArray[np.float64]) -> Path:
    np.ascontiguousarray(values, dtype="<f8").tofile(path)
    return path


def _read(path: Path, kind: np.dtype[Any], n: int) -> NDArray[Any]:
    """Return the values of a file that the program wrote, at most n + 1 of them. Raises ProgramError."""
    try:
        # Neither a link nor a pipe, which could be endless.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ProgramError(f"answered, but {path.name} cannot be read: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise ProgramError(f"answered, but {path.name} is not a file")
        if about.st_size % kind.itemsize:
            raise ProgramError(f"{path.name} has {about.st_size:,} bytes, no multiple of {kind.itemsize}")
        return np.frombuffer(file.read((n + 1) * kind.itemsize), dtype=kind)
