"""A trial that takes more memory than its container has."""

from __future__ import annotations

import json

import pytest
from platform_in_containers import Platform

pytestmark = pytest.mark.timeout(1800)

PROGRAM = """
import json, sys

kept = []
for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "fit" and request_n > 100:
        while True:
            kept.append(bytearray(b"x" * 50_000_000))
    if request["do"] == "prepare":
        request_n = request["n"]
    if request["do"] == "fit":
        open(request["labels"], "wb").write(b"\\xff" * 4 * request_n)
    hello = {"is": "hello", "protocol": 1, "version": "1"}
    answers = {"hello": hello, "prepare": {"is": "ready"}, "fit": {"is": "done"}}
    print(json.dumps(answers[request["do"]]), flush=True)
"""
FILE = """
name = "eater"
summary = "takes all memory"
command = ["python", "eater.py"]
install = "nothing to install"
exact = false
note = "it takes all memory"
"""


def test_a_trial_that_takes_all_memory_is_a_row_and_the_worker_lives(platform: Platform) -> None:
    for name, text in (("eater.py", PROGRAM), ("eater.toml", FILE)):
        platform.podman.run(
            "exec", "--interactive", platform.container("prefect-worker"), "tee", f"/runs/{name}", input=text
        )
    before = worker(platform)
    # More than the container has: its own limit has to end the trial.
    asked = ("adapter_file=/runs/eater.toml", "adapters=grid", "repeats=1", "memory_limit=64GB", "output=/runs/eaten")
    command = ("taxi", "run", "compare", *asked, "sample=2000", "--watch")
    followed = platform.execute("prefect-worker", *command, seconds=900)
    assert followed.splitlines()[-1].startswith("Completed"), followed
    lines = platform.execute("prefect-worker", "cat", "/runs/eaten/trials.jsonl").splitlines()
    outcomes = [row["outcome"] for row in map(json.loads, lines) if row["kind"] == "trial"]
    ended = {(one["trial"]["adapter"], one["status"]) for one in outcomes if one["status"] != "skipped"}
    assert ended == {("grid", "ok"), ("eater", "out_of_memory")}, outcomes
    assert worker(platform) == before


def worker(platform: Platform) -> tuple[int, int]:
    """The process of the worker's container, and how often it was started again."""
    [found] = platform.podman.inspect(platform.container("prefect-worker"))
    return found["State"]["Pid"], found["RestartCount"]
