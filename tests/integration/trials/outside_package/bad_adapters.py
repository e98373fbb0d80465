"""Adapters of somebody else's package, most of which misbehave. They import nothing heavy, so that drills are quick."""

import atexit
import ctypes
import mmap
import os
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from taxi_mlops.domain import AdapterInfo, Clustering

MEBIBYTE = 1024**2


def record(pid):
    """Tell the drill which processes there were."""
    with Path(os.environ["DRILL_PIDS"]).open("a") as file:
        file.write(f"{pid}\n")


def sleep_for_ever():
    while True:
        time.sleep(3600)


def start_daemons():
    """Start processes that outlive whoever started them, each harder to find than the one before."""
    plain = os.fork()
    if plain == 0:
        sleep_for_ever()
    record(plain)
    other_session = os.fork()
    if other_session == 0:
        os.setsid()
        sleep_for_ever()
    record(other_session)
    sleep = "import subprocess; print(subprocess.Popen(['sleep', '3600'], stdout=subprocess.DEVNULL).pid)"
    orphan = subprocess.run(
        [sys.executable, "-c", sleep],
        env={"PATH": os.environ["PATH"]},
        start_new_session=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    record(int(orphan.stdout))


class Plain:
    """One cluster of everything but the first point, which is noise."""

    requires = None
    install = "pip install bad-adapters"

    @property
    def info(self):
        return AdapterInfo(
            name="drill",
            version="1.0",
            summary="a drill",
            exact=False,
            weighted=True,
            parallel=False,
            homepage="https://example.org",
        )

    def unsupported(self, workload):
        return None

    def prepare(self, points, parameters, resources):
        return points

    def warm_up(self, problem):
        self.good(problem)

    def fit(self, problem):
        record(os.getpid())
        return self.act(problem)

    def act(self, problem):
        return self.good(problem)

    def good(self, problem):
        labels = np.zeros(len(problem), dtype=np.int32)
        labels[0] = -1
        return Clustering(labels, labels == 0, {"points": len(problem), "mean": np.float64(0.5), "nan": float("nan")})


class Good(Plain):
    """It has nothing to import, so that it can be a fork."""

    def import_libraries(self):
        pass


class Unsupported(Good):
    def unsupported(self, workload):
        return f"cannot do {len(workload.points)} points"


class MissingLibrary(Good):
    requires = "no_such_library"
    install = "pip install no-such-library"


class Sleeps(Good):
    def act(self, problem):
        sleep_for_ever()


class SleepsInWarmUp(Good):
    def warm_up(self, problem):
        sleep_for_ever()


class Compiles(Good):
    """Takes time and 300 MB to warm up, unless a process before it has: what that left is found beside the pids."""

    def warm_up(self, problem):
        compiled = Path(os.environ["DRILL_PIDS"]).with_name("compiled")
        if not compiled.exists():
            bytearray(b"x") * (300 * MEBIBYTE)
            time.sleep(3.2)
        with compiled.open("a") as file:
            file.write(f"{os.getpid()}\n")


class SleepsWithTheGil(Good):
    def act(self, problem):
        ctypes.PyDLL(None).sleep(3600)


class IgnoresSigterm(Good):
    def act(self, problem):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        sleep_for_ever()


class Allocates(Good):
    def act(self, problem):
        hoard = []
        while True:
            hoard.append(bytearray(b"x") * (4 * MEBIBYTE))


class AllocatesShared(Good):
    """Shared memory is no part of what the limit of a process counts."""

    def act(self, problem):
        hoard = []
        while True:
            hoard.append(mmap.mmap(-1, 4 * MEBIBYTE))
            hoard[-1].write(b"x" * (4 * MEBIBYTE))


class AllocatesInChildren(Good):
    """Each process stays within the limit of a process; all together do not."""

    def act(self, problem):
        for _ in range(4):
            child = os.fork()
            if child == 0:
                hoard = bytearray(b"x") * (100 * MEBIBYTE)
                sleep_for_ever()
                del hoard
            record(child)
        sleep_for_ever()


class AbortsForWantOfMemory(Good):
    def act(self, problem):
        os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
        os.abort()


class KilledFromOutside(Good):
    def act(self, problem):
        os.kill(os.getpid(), signal.SIGKILL)


class Segfaults(Good):
    def act(self, problem):
        ctypes.string_at(0)


class Raises(Good):
    def act(self, problem):
        raise ValueError("no clusters today\nand none tomorrow")


class ExitsAtOnce(Good):
    def act(self, problem):
        os._exit(3)


class ExitsAtOnceWithDaemons(Good):
    def act(self, problem):
        start_daemons()
        os._exit(3)


class ExitsPolitely(Good):
    def act(self, problem):
        sys.exit(4)


class WrongLength(Good):
    def act(self, problem):
        return Clustering(np.zeros(len(problem) + 1, dtype=np.int32))


class Floats(Good):
    def act(self, problem):
        return Clustering(np.zeros(len(problem)))


class Objects(Good):
    def act(self, problem):
        return Clustering(np.array([None] * len(problem)))


class Nothing(Good):
    def act(self, problem):
        return None


class GapInNumbers(Good):
    def act(self, problem):
        labels = np.zeros(len(problem), dtype=np.int64)
        labels[0] = 2
        return Clustering(labels)


class Forks(Good):
    def act(self, problem):
        start_daemons()
        return self.good(problem)


class ForksAndSleeps(Good):
    def act(self, problem):
        start_daemons()
        sleep_for_ever()


class ForksAndComesBackTwice(Good):
    def act(self, problem):
        record(os.fork() or os.getpid())
        return self.good(problem)


class KillsItsGuardian(Good):
    def act(self, problem):
        if os.fork() == 0:
            os.setsid()
            record(os.getpid())
            sleep_for_ever()
        os.kill(os.getppid(), signal.SIGKILL)
        sleep_for_ever()


class Prints(Good):
    """A gigabyte to each of stdout and stderr, not all of it text."""

    def act(self, problem):
        block = b"\xff noise \n" * (MEBIBYTE // 8)
        for _ in range(1024):
            sys.stdout.buffer.write(block)
            sys.stderr.buffer.write(block)
        sys.stderr.buffer.write(b"the last words")
        sys.stderr.buffer.flush()
        return self.good(problem)


class Babbles(Good):
    """Writes into every descriptor that is open."""

    def act(self, problem):
        for descriptor in range(3, 4096):  # the number of a pipe is that of the process that started this one
            try:
                os.write(descriptor, b"{}\nnot ours\n")
            except OSError:
                continue
        return self.good(problem)


class NeverExits(Good):
    def act(self, problem):
        atexit.register(sleep_for_ever)
        return self.good(problem)


class CrashesOnExit(Good):
    def act(self, problem):
        atexit.register(os.abort)
        return self.good(problem)


def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


class BurnsInWorkers(Good):
    """Its work is done by workers that live on after the fit."""

    def prepare(self, points, parameters, resources):
        self.pool = get_context("fork").Pool(2)
        self.pool.map(burn, [0.2, 0.2])
        return points

    def act(self, problem):
        self.pool.map(burn, [0.3, 0.3], chunksize=1)
        return self.good(problem)


class ShowsItsEnvironment(Good):
    def act(self, problem):
        answer = self.good(problem)
        about = {name: value for name, value in os.environ.items() if "NUM_THREADS" in name or name.startswith("TAXI_")}
        about["cpus"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
        about["plain"] = str(type(problem.latitude) is np.ndarray and not problem.latitude.flags.writeable)
        return Clustering(answer.labels, answer.core_mask, about)
