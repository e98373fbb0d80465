"""Load a model in a new process that knows nothing of this one, as a server would, and let it answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TIMEOUT_SECONDS = 300.0
_LINES = 3
_KEPT = ("HOME", "LANG", "LD_LIBRARY_PATH", "NUMBA_CACHE_DIR", "PATH", "TMPDIR")
_PROGRAM = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow
from mlflow.models import Model
model = mlflow.pyfunc.load_model(sys.argv[1])
answer = model.predict(Model.load(sys.argv[1]).load_input_example(sys.argv[1]))
print(json.dumps({name: answer[name].tolist() for name in ("hotspot", "metres")}))
"""


class CleanProcessError(Exception):
    """The model did not load, or did not answer; the message says why."""


def answer(model: Path, timeout: float = TIMEOUT_SECONDS) -> list[int]:
    """Return the hotspots of a model's input example. model: in MLflow's format. Raises CleanProcessError."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with tempfile.TemporaryDirectory(prefix="taxi-clean-") as folder:
        try:
            ended = subprocess.run(  # noqa: S603 - this interpreter, on a path of ours
                [sys.executable, "-I", "-c", _PROGRAM, str(model.absolute())],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CleanProcessError(f"it did not answer within {timeout:g} s") from None
    if ended.returncode != 0:
        lines = ended.stderr.strip().split("\n")[-_LINES:]
        raise CleanProcessError(f"its process ended with exit code {ended.returncode}: {' '.join(lines)[-500:]}")
    try:
        return [int(hotspot) for hotspot in json.loads(ended.stdout.strip().split("\n")[-1])["hotspot"]]
    except (ValueError, KeyError, TypeError):
        raise CleanProcessError(f"it answered {ended.stdout.strip()[-200:]!r}") from None
