"""A program of the protocol in plain Python, which fails in the way that its first argument names."""

import array
import json
import math
import os
import sys
import time
from pathlib import Path


def great_circle(one, other, radius):
    (a, b), (c, d) = ((math.radians(x) for x in place) for place in (one, other))
    h = math.sin((a - c) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((b - d) / 2) ** 2
    return 2 * radius * math.asin(min(1.0, math.sqrt(h)))


def dbscan(points, request):
    """Return labels and core flags by the definition."""
    eps, radius = request["eps_metres"], request["earth_radius_metres"]
    near = [[j for j, q in enumerate(points) if great_circle(p, q, radius) <= eps] for p in points]
    core = [len(found) >= request["min_samples"] for found in near]
    labels, number = [-1] * len(points), 0
    for seed in range(len(points)):
        if not core[seed] or labels[seed] != -1:
            continue
        labels[seed], frontier = number, [seed]
        while frontier:
            for j in near[frontier.pop()]:
                if labels[j] == -1:
                    labels[j] = number
                    if core[j]:
                        frontier.append(j)
        number += 1
    return labels, core


def read(path):
    values = array.array("d")
    with Path(path).open("rb") as file:
        values.frombytes(file.read())
    return list(zip(values[::2], values[1::2], strict=True))


def write(path, kind, values):
    with Path(path).open("wb") as file:
        array.array(kind, values).tofile(file)


def say(**answer):
    print(json.dumps(answer), flush=True)


def fit(way, points, prepared, request):
    if way == "crash":
        print("a word about the crash", file=sys.stderr, flush=True)
        os._exit(3)
    if way == "killed":
        os.kill(os.getpid(), 9)
    if way == "hang":
        time.sleep(600)
    if way == "garbage":
        return print("clusters: 3", flush=True)
    if way == "huge":
        return print("x" * 1_000_000, flush=True)
    if way == "error":
        return say(**{"is": "error", "message": "no\nmemory of my own"})
    labels, core = dbscan(points, prepared)
    if way == "chatty":
        print("done soon", flush=True)
    if way == "short":
        labels = labels[:-1]
    if way == "long":
        labels = labels * 3
    if way == "range":
        labels = [label + 7 for label in labels]
    if way == "noise":
        labels = [-1] * len(labels)
    write(request["labels"], "i", labels)
    write(request["core"], "b", [2] * len(core) if way == "flags" else core)
    if way == "missing":
        Path(request["labels"]).unlink()
    if way == "pipe":
        Path(request["labels"]).unlink()
        os.mkfifo(request["labels"])
    if way == "odd":
        with Path(request["labels"]).open("ab") as file:
            file.write(b"x")
    return say(**{"is": "done", "core": way != "noise", "about": {"points": len(points)}})


def main(way):
    points, prepared = [], {}
    if way == "mute":
        time.sleep(600)
    if way == "slow":
        time.sleep(0.3)
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "hello":
            say(**{"is": "hello", "protocol": 2 if way == "newer" else 1, "version": "1.5"})
        elif request["do"] == "prepare":
            points, prepared = read(request["points"]), request
            say(**{"is": "ready"})
        else:
            fit(way, points, prepared, request)


main(sys.argv[1])
