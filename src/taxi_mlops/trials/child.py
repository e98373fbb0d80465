"""The child process of a trial: it limits itself, warms up, prepares, fits, and writes its answer to a folder.

It is either a fresh process, or a fork of a template, in which the adapter's libraries are imported already. It imports
little itself, so that `cold_start_seconds` measures the adapter's own imports.

Usage, by itself alone (`_restart`): python -m taxi_mlops.trials.child REQUEST_JSON REPORT_FD
"""

from __future__ import annotations

import errno
import faulthandler
import gc
import os
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from taxi_mlops.adapters.base import Adapter, Closes, Problem
from taxi_mlops.adapters.registry import load_adapter
from taxi_mlops.domain import AdapterInfo, Clustering, Parameters, Points, Resources, TrialKind, TrialStatus
from taxi_mlops.errors import AdapterUnavailableError
from taxi_mlops.trials import confinement
from taxi_mlops.trials.cpu_time import descendants_cpu_time, own_cpu_time
from taxi_mlops.trials.inherited_memory import PageRange, take_over
from taxi_mlops.trials.protocol import CORE_MASK_FILE, LABELS_FILE, Reporter, Request, shorten
from taxi_mlops.trials.workload_folder import open_workload

WARM_UP_POINTS = 500
SLOW_WARM_UP_SECONDS = 3.0
"""A slower warm-up has compiled code that later processes find on disk. Its memory does not count as `fit`'s."""
MAX_ABOUT_LENGTH = 64
"""Maximum number of entries in `Clustering.about`."""


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a fork inherits from its template.

    adapter, info: loaded and unused. pages: of the template's memory after its imports. peak_memory_bytes: of the
    template until then.
    """

    adapter: Adapter
    info: AdapterInfo
    pages: tuple[PageRange, ...]
    peak_memory_bytes: int


def main(request_json: str, report_descriptor: int, inheritance: Inheritance | None = None) -> int:
    """Run the request and send reports on the pipe. Returns the exit code: 0 whenever there is an answer.

    inheritance: None in a fresh process.
    """
    request = Request.from_json(request_json)
    reporter = Reporter(report_descriptor)
    if request.restarted:
        reporter.send(restarted=True)
    try:
        confine(request.resources)
        confinement.offer_to_out_of_memory_killer()
        if inheritance is not None:
            _take_over_memory(inheritance)
        _run(request, reporter, inheritance)
    except Exception as error:  # noqa: BLE001 - whatever an implementation raises is the outcome of its trial
        # The frames refer to what filled the memory.
        traceback.clear_frames(error.__traceback__)
        traceback.print_exception(error)
        cause = shorten(f"{type(error).__name__}: {error}").removesuffix(":")
        if _is_out_of_memory(error):
            limit = request.resources.memory_limit_bytes
            within = "" if limit is None else f", within the limit of {limit:,} bytes for each process"
            reporter.send(status=TrialStatus.OUT_OF_MEMORY, cause=f"{cause}{within}")
        else:
            reporter.send(status=TrialStatus.ERROR, cause=cause)
    # Objects that live until the end need not be examined by the garbage collector.
    gc.freeze()
    return 0


def confine(resources: Resources) -> None:
    """Pin this process to its CPUs and limit its memory."""
    faulthandler.enable()
    confinement.leave_no_core_dump()
    confinement.pin_to(resources.cpus)
    if resources.memory_limit_bytes is not None:
        confinement.limit_memory(resources.memory_limit_bytes)


def load(name: str, file: Path | None = None) -> tuple[Adapter, AdapterInfo]:
    """Construct an adapter. Raises AdapterUnavailableError or ImportError if its library is missing.

    file: the TOML file of a program, None for an adapter of an installed package.
    """
    if file is None:
        adapter = load_adapter(name)
    else:
        from taxi_mlops.adapters.programs import load_program

        adapter = load_program(file)
    return adapter, adapter.info


def _take_over_memory(inheritance: Inheritance) -> None:
    """Give the fork the memory that a process would have that imported everything itself."""
    take_over(inheritance.pages)
    # All forks start with the template's random state. Python's own generator reseeds itself.
    np.random.seed()


def _run(request: Request, reporter: Reporter, inheritance: Inheritance | None) -> None:
    reporter.send(phase="import")
    workload = open_workload(request.workload)
    points, parameters, resources = workload.points, workload.parameters, request.resources
    try:
        if inheritance is not None:
            adapter, info = inheritance.adapter, inheritance.info
        else:
            adapter, info = load(request.adapter, request.adapter_file)
    except (AdapterUnavailableError, ImportError) as error:
        reporter.send(status=TrialStatus.SKIPPED, cause=shorten(str(error)))
        return
    reporter.send(adapter_version=info.version)
    reason = adapter.unsupported(workload)
    if reason is not None:
        reporter.send(status=TrialStatus.SKIPPED, cause=shorten(reason))
        return

    timed = request.kind is TrialKind.TIMING
    reporter.send(phase="warm-up")
    began = time.monotonic()
    adapter.warm_up(adapter.prepare(warm_up_points(points, parameters), parameters, resources))
    if not timed and not request.restarted and time.monotonic() - began > SLOW_WARM_UP_SECONDS:
        if isinstance(adapter, Closes):
            adapter.close()  # what it started would outlive this program, and its memory would count
        _restart(request, reporter)
    reporter.send(phase="prepare", **({"ready_at": time.monotonic()} if timed else {}))

    started = time.perf_counter()
    problem = adapter.prepare(points, parameters, resources)
    prepared = time.perf_counter()
    reporter.send(phase="fit", **({"prepare_seconds": prepared - started} if timed else {}))

    # A template has frozen its imports, so that garbage collection skips them; a fit collects as usual.
    gc.unfreeze()
    gc.collect()
    answer = _timed_fit(adapter, problem, reporter) if timed else _fit(adapter, problem)
    reporter.send(phase="answer", peak_memory_bytes=None if timed else _peak_memory_bytes(inheritance))
    if isinstance(adapter, Closes):
        adapter.close()
    reason = _save(answer, request.scratch)
    if reason is not None:
        reporter.send(status=TrialStatus.INVALID, cause=shorten(reason))
        return
    reporter.send(status=TrialStatus.OK, about=_plain(answer.about))


def _restart(request: Request, reporter: Reporter) -> NoReturn:
    """Execute a new program in this process: the kernel resets its high-water mark, and guardian and limits stay.

    Done only once: an implementation that caches nothing on disk would restart forever.
    """
    descriptor = reporter.inheritable_descriptor()
    again = replace(request, restarted=True).to_json()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "taxi_mlops.trials.child", again, str(descriptor)])  # noqa: S606


def warm_up_points(points: Points, parameters: Parameters) -> Points:
    """Return a small problem like the large one: `WARM_UP_POINTS` points drawn with a fixed seed.

    The first one is repeated up to `min_samples` times, so that there is a core point and a cluster to expand.
    """
    drawn = np.random.default_rng(0).choice(len(points), size=min(len(points), WARM_UP_POINTS), replace=False)
    repeated = np.repeat(drawn[:1], min(parameters.min_samples, WARM_UP_POINTS))
    chosen = np.concatenate((repeated, drawn))
    return Points(
        latitude=points.latitude[chosen],
        longitude=points.longitude[chosen],
        weight=None if points.weight is None else points.weight[chosen],
        fingerprint=f"warm-up of {points.fingerprint}",
        provenance=points.provenance,
    )


def _fit(adapter: Adapter, problem: Problem) -> Clustering:
    process = os.getpid()
    answer = adapter.fit(problem)
    if os.getpid() != process:  # the adapter forked, and its fork returned as well: only one of the two may answer
        os._exit(0)
    return answer


def _peak_memory_bytes(inheritance: Inheritance | None) -> int | None:
    """Return the high-water mark of this process, or that of its template if that is larger."""
    own = confinement.peak_resident_bytes(os.getpid())
    return own if own is None or inheritance is None else max(own, inheritance.peak_memory_bytes)


def _timed_fit(adapter: Adapter, problem: Problem, reporter: Reporter) -> Clustering:
    descendants_before = descendants_cpu_time()
    own_before = own_cpu_time()
    started = time.perf_counter()
    answer = _fit(adapter, problem)
    ended = time.perf_counter()
    used = own_cpu_time() - own_before
    used += descendants_cpu_time() - descendants_before
    reporter.send(fit_seconds=ended - started, fit_user_seconds=used.user, fit_system_seconds=used.system)
    return answer


def _save(answer: object, scratch: Path) -> str | None:
    """Write the arrays of the answer for the parent to check; return why that is impossible, or None."""
    if not isinstance(answer, Clustering):
        return f"fit returned {type(answer).__name__}, not a Clustering"
    # Of any type, whatever `Clustering` promises.
    arrays: dict[str, Any] = {LABELS_FILE: answer.labels}
    if answer.core_mask is not None:
        arrays[CORE_MASK_FILE] = answer.core_mask
    for file, array in arrays.items():
        if not isinstance(array, np.ndarray):
            return f"{Path(file).stem} is a {type(array).__name__}, not an array"
        if array.dtype.hasobject:
            return f"{Path(file).stem} has dtype {array.dtype}, which holds Python objects"
        np.save(scratch / file, array, allow_pickle=False)
    return None


def _plain(about: Mapping[str, object]) -> dict[str, str | int | float]:
    """Return the entries that JSON can hold, limited in number and length."""
    plain: dict[str, str | int | float] = {}
    for key, value in list(about.items())[:MAX_ABOUT_LENGTH]:
        item = value.item() if isinstance(value, np.generic) else value
        if isinstance(item, int) or (isinstance(item, float) and isfinite(item)):
            plain[shorten(str(key))] = item
        else:
            plain[shorten(str(key))] = shorten(str(item))
    return plain


def _is_out_of_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        error = error.__cause__ or error.__context__
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
