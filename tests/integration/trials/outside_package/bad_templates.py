"""Adapters that misbehave while their libraries are imported, or towards the template that their trials fork from."""

import mmap
import os
import random
import signal
import sys
import tempfile
import threading
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import psutil
from bad_adapters import MEBIBYTE, Good, record, sleep_for_ever, start_daemons

from taxi_mlops.domain import Clustering

kept = []


class StartsThread(Good):
    def import_libraries(self):
        threading.Thread(target=sleep_for_ever, daemon=True).start()


class StartsProcesses(Good):
    def import_libraries(self):
        start_daemons()


class OpensFile(Good):
    def import_libraries(self):
        kept.append(tempfile.TemporaryFile())  # noqa: SIM115 - it is to stay open


class SharesMemory(Good):
    def import_libraries(self):
        kept.append(mmap.mmap(-1, MEBIBYTE))


class RaisesOnImport(Good):
    def import_libraries(self):
        raise ImportError("libfast.so.7: cannot open shared object file")


class HangsOnImport(Good):
    def import_libraries(self):
        record(os.getpid())
        sleep_for_ever()


class CrashesOnImport(Good):
    def import_libraries(self):
        os.abort()


class AllocatesOnImport(Good):
    """More than the limit of a trial, whoever does it."""

    def import_libraries(self):
        kept.append(bytearray(b"x") * (400 * MEBIBYTE))

    def warm_up(self, problem):
        self.import_libraries()


class PrintsOnImport(Good):
    """A gigabyte."""

    def import_libraries(self):
        block = b"\xff noise \n" * (MEBIBYTE // 8)
        for _ in range(1024):
            sys.stderr.buffer.write(block)
        sys.stderr.buffer.write(b"words of the import\n")
        sys.stderr.buffer.flush()


class WarmsUp(Good):
    """Counts how often a process has been warmed up, and by whom."""

    times = 0

    def warm_up(self, problem):
        WarmsUp.times += 1

    def act(self, problem):
        answer = self.good(problem)
        about = {"times": WarmsUp.times, "template": template().pid, "pid": os.getpid()}
        return Clustering(answer.labels, answer.core_mask, about)


def is_fork():
    return "taxi_mlops.trials.template" in psutil.Process().cmdline()


def template():
    """The process that forked the guardian of this one."""
    if not is_fork():
        raise RuntimeError("this process has no template")
    return psutil.Process().parent().parent()


class KillsItsTemplate(Good):
    def act(self, problem):
        template().kill()
        time.sleep(0.2)
        return self.good(problem)


class StopsItsTemplate(Good):
    def act(self, problem):
        if is_fork():
            template().suspend()
        return self.good(problem)


class KillsTheGuardianOfItsTemplate(Good):
    def act(self, problem):
        template().parent().kill()
        time.sleep(0.2)
        return self.good(problem)


class KillsTheRun(Good):
    def act(self, problem):
        run = template().parent().parent()
        run.kill()
        sleep_for_ever()


class ShowsItself(Good):
    """What a process is given by whoever started it, and random numbers of every kind."""

    def act(self, problem):
        answer = self.good(problem)
        umask = os.umask(0)
        os.umask(umask)
        same = {
            "descriptors": sorted(map(kind_of, Path("/proc/self/fd").iterdir())),
            # Digests: what an implementation says of itself is cut short.
            "environment": sha256(str(sorted(os.environ)).encode()).hexdigest(),
            "marker": os.environ["TAXI_TRIAL"] == psutil.Process().environ()["TAXI_TRIAL"],
            "folder": str(Path.cwd()),
            "umask": umask,
            "blocked signals": signal.pthread_sigmask(signal.SIG_BLOCK, []),
            "handlers": [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)],
            "session": os.getsid(0) == os.getpid(),
            "children": len(psutil.Process().children()),
            "path": sha256(str(sys.path).encode()).hexdigest(),
            "temporary folder": os.environ["JOBLIB_TEMP_FOLDER"]
            == str(Path(os.environ["JOBLIB_TEMP_FOLDER"]).resolve()),
        }
        random_numbers = [random.random(), np.random.random(), np.random.default_rng().random(), os.urandom(8).hex()]
        about = {name: str(value) for name, value in same.items()}
        return Clustering(answer.labels, answer.core_mask, about | {"random": str(random_numbers)})


def kind_of(entry):
    """Of an open file, so that it is the same in every process."""
    return str(entry.readlink()).partition(":")[0] if entry.is_symlink() else "the folder itself"
