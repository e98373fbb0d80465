"""PostGIS's ST_ClusterDBSCAN behind the protocol of taxi-mlops, on a server of its own.

Lines of JSON on standard input and output. The server listens on a unix socket in a folder of this process alone, and
ends with it. As root it runs as the user postgres, which Debian's package makes. Needs Python's standard library only.
"""

from __future__ import annotations

import array
import contextlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PREFIX = "taxi-postgis-"
START_SECONDS = 60.0
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "jit": "off",
    "max_connections": "5",
}


def newest_bin() -> Path:
    """Return the folder of PostgreSQL's programs that Debian's package installs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise RuntimeError("PostgreSQL is not installed; apt-get install postgresql-15-postgis-3")
    return found[-1].parent


class Server:
    """A private server and one session of psql."""

    def __init__(self) -> None:
        remove_stale_folders()
        self.folder = Path(tempfile.gettempdir()) / f"{PREFIX}{os.getpid()}"
        self.folder.mkdir(mode=0o700)
        self.user: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses root
            shutil.chown(self.folder, "postgres", "postgres")
            self.user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"]
        programs = newest_bin()
        data = self.folder / "data"
        self._run([programs / "initdb", "-D", data, "-U", "taxi", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"])
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        options += ["-c", f"unix_socket_directories={self.folder}", "-c", "unix_socket_permissions=0700"]
        self.server = subprocess.Popen(
            [*self.user, str(programs / "postgres"), "-D", str(data), *options],
            stdin=subprocess.DEVNULL, stdout=sys.stderr, cwd=self.folder,
        )  # fmt: skip
        self.session = self._session()
        self.ask("CREATE EXTENSION postgis;")
        self.version = self.ask("SELECT postgis_lib_version();")[0]

    def _run(self, command: list[object]) -> None:
        words = [*self.user, *map(str, command)]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr, cwd=self.folder)

    def _session(self) -> subprocess.Popen[str]:
        """Open a session as soon as the server takes one."""
        deadline = time.monotonic() + START_SECONDS
        command = [*self.user, "psql", "-X", "-q", "-A", "-t", "-h", str(self.folder), "-U", "taxi", "-d", "postgres"]
        while True:
            tried = subprocess.run(
                [*command, "-c", "SELECT 1"], capture_output=True, text=True, check=False, cwd=self.folder
            )
            if tried.returncode == 0:
                break
            if self.server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start: {tried.stderr.strip()}")
            time.sleep(0.05)
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=self.folder, bufsize=1
        )

    def ask(self, statement: str, *data: str) -> list[str]:
        """Run a statement, give it lines of data for COPY FROM STDIN, and return the lines of its answer."""
        assert self.session.stdin is not None
        assert self.session.stdout is not None
        self.session.stdin.write(f"{statement}\n")
        self.session.stdin.writelines(data)
        self.session.stdin.write("\\echo @done :ERROR :LAST_ERROR_MESSAGE\n")
        self.session.stdin.flush()
        lines: list[str] = []
        for line in self.session.stdout:
            if line.startswith("@done"):
                _, failed, message = line.rstrip("\n").split(" ", 2)
                if failed == "true":
                    raise RuntimeError(message)
                return lines
            lines.append(line.rstrip("\n"))
        raise RuntimeError("the session with the server has ended")

    def close(self) -> None:
        self.session.kill()
        with contextlib.suppress(ProcessLookupError):
            self.server.send_signal(3)  # SIGQUIT: an immediate shutdown
        self.server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def remove_stale_folders() -> None:
    """Remove the folders of processes that were killed; their servers end when they miss their files."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not Path(f"/proc/{folder.name.removeprefix(PREFIX)}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def stereographic(degrees: array.array[float], radius: float) -> tuple[list[float], list[float], float]:
    """Project to the plane that touches the earth in the middle of the points; conformal.

    Returns metres east and north, and the largest factor by which lengths grow: 1 / cos²(c / 2) at the angle c from the
    middle.
    """
    north, east = [math.radians(x) for x in degrees[::2]], [math.radians(x) for x in degrees[1::2]]
    x = math.fsum(math.cos(a) * math.cos(b) for a, b in zip(north, east, strict=True))
    y = math.fsum(math.cos(a) * math.sin(b) for a, b in zip(north, east, strict=True))
    z = math.fsum(map(math.sin, north))
    middle, meridian = math.atan2(z, math.hypot(x, y)), math.atan2(y, x)
    sine, cosine = math.sin(middle), math.cos(middle)
    xs, ys, stretch = [], [], 1.0
    for a, b in zip(north, east, strict=True):
        turn, up, across = b - meridian, math.sin(a), math.cos(a)
        # Without the difference of nearly equal products, which loses digits.
        along = math.sin(a - middle) + 2.0 * sine * across * math.sin(turn / 2.0) ** 2
        factor = 2.0 / max(1.0 + sine * up + cosine * across * math.cos(turn), 1e-12)
        xs.append(radius * factor * across * math.sin(turn))
        ys.append(radius * factor * along)
        stretch = max(stretch, factor)
    return xs, ys, stretch


class Postgis:
    """Answers requests. The server starts with the first."""

    def __init__(self) -> None:
        self.server: Server | None = None
        self.request: dict[str, Any] = {}
        self.error = 0.0

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.server = self.server or Server()
        if request["do"] == "hello":
            return {"is": "hello", "protocol": 1, "version": self.server.version}
        return self.prepare(self.server, request) if request["do"] == "prepare" else self.fit(self.server, request)

    def prepare(self, server: Server, request: dict[str, Any]) -> dict[str, Any]:
        degrees = array.array("d", Path(str(request["points"])).read_bytes())
        xs, ys, stretch = stereographic(degrees, float(request["earth_radius_metres"])) if degrees else ([], [], 1.0)
        server.ask("DROP TABLE IF EXISTS points, raw;")
        server.ask("CREATE UNLOGGED TABLE raw (id integer, x float8, y float8);")
        rows = (f"{i}\t{x!r}\t{y!r}\n" for i, (x, y) in enumerate(zip(xs, ys, strict=True)))
        server.ask("COPY raw FROM STDIN;", *rows, "\\.\n")
        server.ask("CREATE UNLOGGED TABLE points AS SELECT id, ST_MakePoint(x, y) AS geom FROM raw; ANALYZE points;")
        self.request, self.error = request, float(request["eps_metres"]) * (stretch - 1.0)
        return {"is": "ready"}

    def fit(self, server: Server, request: dict[str, Any]) -> dict[str, Any]:
        eps, min_samples = float(self.request["eps_metres"]), int(self.request["min_samples"])
        found = server.ask(
            f"COPY (SELECT id, ST_ClusterDBSCAN(geom, {eps!r}, {min_samples}) OVER () FROM points) TO STDOUT;"
        )
        labels = array.array("i", [-1]) * int(self.request["n"])
        for row in found:
            number, label = row.split("\t")
            if label != "\\N":
                labels[int(number)] = int(label)
        Path(str(request["labels"])).write_bytes(labels.tobytes())
        return {"is": "done", "about": {"projection_error_metres": self.error}}


def main() -> None:
    postgis = Postgis()
    try:
        for line in sys.stdin:
            try:
                answer = postgis.answer(json.loads(line))
            except Exception as error:  # whatever goes wrong is the answer
                answer = {"is": "error", "message": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), flush=True)
    finally:
        if postgis.server is not None:
            postgis.server.close()


if __name__ == "__main__":
    main()
