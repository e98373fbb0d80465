"""Compare the engine with DBSCAN's definition on random corner cases, until a time is up.

    nice -n 15 python benchmarks/fuzz_engine.py [--seconds 1800] [--seed 0] [--case NUMBER]

Each case has a number; it and the seed give the same points again (`--case` runs that one alone). A case is some
hundred points, rarely more, in a difficult place (a pole, the antimeridian, where zones meet, all over the world, the
plane) and in a difficult shape (lattices, coincident points, lines of points eps apart, piles that all but touch), with
an eps that is often exactly the distance of two of the points, weights, single precision, odd strides, some threads,
and a resolution of the cells, or a sweep, drawn at random. Asserted are core points, labels, predictions, and what the
equivalence check says. Where a distance is eps within rounding, either decision is right on the sphere: then the answer
must lie between the definition's answers for a slightly smaller and a slightly larger eps. In the plane, labels must be
equal.

It prints a line a minute and a last one, and ends with 1 at the first case that fails, with its number.
"""

from __future__ import annotations

import argparse
import json
import time
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan import clustering as engine
from haversine_dbscan import worldwide
from haversine_dbscan.geodesy import EARTH_RADIUS_METRES, great_circle_distance
from haversine_dbscan.nearest import NearestCore
from haversine_dbscan.resolution import COARSE
from haversine_dbscan.sweeping import MOST_SWEPT
from taxi_mlops.domain import Clustering, Parameters
from taxi_mlops.evaluation.equivalence import Verdict, check_equivalence
from taxi_mlops.evaluation.rounding import tolerance_metres
from taxi_mlops.testing.cases import make_points
from taxi_mlops.testing.oracle import brute_force_dbscan

Floats = NDArray[np.float64]
LARGEST = 20_000_000.0
"""Metres; half the circumference of the earth, almost."""


class Case(NamedTuple):
    """Points (x, y): longitude and latitude in degrees, or in the plane; how they are clustered."""

    place: str
    x: NDArray[Any]
    y: NDArray[Any]
    eps: float
    min_samples: float
    weight: Floats | None
    threads: int
    resolution: float
    most_swept: int


def shape(random: np.random.Generator, n: int) -> Floats:
    """Return (n, 2) offsets in units of about eps."""
    piles = random.normal(0, 1.2, (random.integers(1, 6), 2))
    along = np.arange(n, dtype=float)[:, None] * random.choice([1.0, 0.999999, 1.000001])
    gap = random.choice([1.0, 1.0 + 1e-6, 1.0 - 1e-6])
    shapes = [
        random.integers(-5, 6, (n, 2)) * random.choice([0.25, 0.5, 1.0, 1.5]),
        random.normal(0, random.choice([0.1, 1.0, 5.0]), (n, 2)),
        along * np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[0.6, 0.8]]])[random.integers(0, 3)],
        piles[random.integers(0, len(piles), n)],
        np.stack([random.integers(0, 2, n) * gap, random.normal(0, 0.01, n)], axis=1),
        random.standard_cauchy((n, 2)).clip(-1e4, 1e4),
        random.uniform(-10, 10, (n, 2)),
    ]
    return np.asarray(shapes[random.integers(0, len(shapes))], dtype=np.float64)


def on_sphere(random: np.random.Generator, n: int) -> tuple[str, Floats, Floats, float]:
    """Return the place, longitudes, latitudes, and an eps that suits them."""
    eps = float(10.0 ** random.uniform(-6, 7.3))
    place = str(random.choice(["city", "pole", "antimeridian", "edge", "world", "world", "grid"]))
    if place == "world":
        latitude, longitude = np.degrees(np.arcsin(random.uniform(-1, 1, n))), random.uniform(-180, 180, n)
        again = random.integers(0, n, n // 2)
        latitude[again], longitude[again] = latitude[0], longitude[0]
        latitude[: n // 3] += random.choice([0.0, 0.5, 1.0]) * np.degrees(eps / EARTH_RADIUS_METRES)
    elif place == "grid":
        step = random.choice([5.0, 10.0, 15.0, 30.0])
        latitude = step * random.integers(-int(90 / step), int(90 / step) + 1, n).astype(float)
        longitude = step * random.integers(-int(180 / step), int(180 / step) + 1, n).astype(float)
        eps = float(step / 180.0 * np.pi * EARTH_RADIUS_METRES * random.choice([0.3, 0.5, 1.0, 2.0]))
    else:
        centre = {
            "city": (random.uniform(-60, 60), random.uniform(-170, 170)),
            "pole": (random.choice([90.0, -90.0]), 0.0),
            "antimeridian": (random.uniform(-85, 85), 180.0),
            "edge": (random.choice([70.0, -70.0, 45.0, -45.0, 0.0]), random.choice([0.0, 180.0, 100.0])),
        }[place]
        away = shape(random, n) * np.degrees(eps / EARTH_RADIUS_METRES)
        if place == "pole" and random.random() < 0.7:
            latitude = centre[0] - np.sign(centre[0]) * np.hypot(*away.T)
            longitude = np.degrees(np.arctan2(away[:, 1], away[:, 0]))
        else:
            latitude = centre[0] + away[:, 0]
            longitude = centre[1] + away[:, 1] / max(np.cos(np.radians(centre[0])), 1e-3)
    return place, (longitude + 180.0) % 360.0 - 180.0, np.clip(latitude, -90, 90), eps


def make_case(seed: int, number: int) -> Case:
    """Return case `number`."""
    random = np.random.default_rng([seed, number])
    n = int(random.choice([1, 2, 3, 10, 40, 120, 300, 1200], p=[0.1, 0.1, 0.1, 0.15, 0.2, 0.2, 0.13, 0.02]))
    if random.random() < 0.35:
        place, eps = "plane", float(10.0 ** random.uniform(-8, 8))
        x, y = shape(random, n).T * eps + random.choice([0.0, 1.0, 100.0]) * eps
        distances = np.sqrt((x - x[0]) ** 2 + (y - y[0]) ** 2)
    else:
        place, x, y, eps = on_sphere(random, n)
        distances = great_circle_distance(y[0], x[0], y, x)
    if random.random() < 0.3:  # exactly the distance of two points
        eps = float(random.choice(distances)) or eps
    eps = min(max(eps, 1e-6), LARGEST)
    weight = None
    if random.random() < 0.3:
        weight = random.integers(-2 if random.random() < 0.3 else 0, 12, n) / 4.0
    order = random.permutation(n)
    x, y = x[order], y[order]
    if random.random() < 0.2:
        x, y = x.astype(np.float32), y.astype(np.float32)
    if random.random() < 0.2:
        x, y = np.repeat(x, 3)[::3], np.stack([y, y], axis=1)[:, 0]
    min_samples = float(random.choice([1, 2, 3, 5, max(1, n // 4), n, n + 1]))
    resolution = float(random.choice([COARSE, 2.0, 2.84, 5.0, 9.7]))
    most_swept = int(random.choice([0, MOST_SWEPT]))
    return Case(place, x, y, eps, min_samples, weight, int(random.integers(1, 4)), resolution, most_swept)


def definition_in_plane(case: Case, x: Floats, y: Floats) -> Clustering:
    """Return DBSCAN by its definition in the plane, as `brute_force_dbscan` does on the sphere."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    near = (x[:, None] - x) ** 2 + (y[:, None] - y) ** 2 <= case.eps**2
    core = near @ (np.ones(len(x)) if case.weight is None else case.weight) >= case.min_samples
    members = np.flatnonzero(core)
    labels = np.full(len(x), -1, dtype=np.int32)
    if len(members):
        _, found = connected_components(csr_array(near[np.ix_(members, members)]), directed=False)
        first = np.unique(found, return_index=True)[1]
        labels[members] = np.argsort(np.argsort(first))[found]
        reached = np.where(near[:, members], labels[members], np.iinfo(np.int32).max).min(axis=1)
        labels = np.where(core, labels, np.where(reached == np.iinfo(np.int32).max, -1, reached)).astype(np.int32)
    return Clustering(labels, core)


def check_plane(case: Case) -> str:
    """Assert that one case in the plane is right, to the last label."""
    answer = engine.dbscan_plane(case.x, case.y, case.eps, case.min_samples, case.weight, case.threads)
    truth = definition_in_plane(case, case.x.astype(float), case.y.astype(float))
    np.testing.assert_array_equal(answer[1], truth.core_mask)
    np.testing.assert_array_equal(answer[0], truth.labels)
    return "equal"


def check_sphere(case: Case) -> str:
    """Assert that one case on the sphere is right; return the verdict."""
    longitude, latitude = case.x.astype(float), case.y.astype(float)
    labels, core = engine.dbscan(case.y, case.x, case.eps, case.min_samples, case.weight, case.threads)
    answer = Clustering(labels, core)
    truth = brute_force_dbscan(latitude, longitude, case.eps, case.min_samples, case.weight)
    same = bool(np.array_equal(core, truth.core_mask) and np.array_equal(labels, truth.labels))
    distances = great_circle_distance(latitude[:, None], longitude[:, None], latitude, longitude)
    tolerance = tolerance_metres(case.eps)
    close = bool((np.abs(distances - case.eps) <= tolerance).any())
    if not same:
        assert close, "labels differ, and no distance is eps"
        if case.weight is None or case.weight.min() >= 0.0:  # else more neighbours may be fewer core points
            assert_between(case, answer, distances <= case.eps - tolerance, distances <= case.eps + tolerance)
    if case.weight is None or case.weight.min() >= 0.0:
        points = make_points(latitude, longitude, case.weight)
        verdict = check_equivalence(points, Parameters(case.eps, case.min_samples), truth, answer).verdict
        assert verdict is not Verdict.DIFFERENT, verdict
        assert verdict is Verdict.EQUAL or close
    check_predictions(case, labels, core, distances, tolerance)
    return "equal" if same else "equal_within_rounding"


def assert_between(case: Case, answer: Clustering, fewer: NDArray[np.bool_], more: NDArray[np.bool_]) -> None:
    """Assert that an answer lies between those that fewer and more neighbours give."""
    weight = np.ones(len(case.x)) if case.weight is None else case.weight
    core, labels = answer.core_mask, answer.labels
    assert core is not None
    assert not ((fewer @ weight >= case.min_samples) & ~core).any(), "a core point is missing"
    assert not (core & ~(more @ weight >= case.min_samples)).any(), "a point should not be core"
    both = core[:, None] & core
    assert not (both & fewer & (labels[:, None] != labels)).any(), "core points within eps are in two clusters"
    reach = more & both
    for label in np.unique(labels[core]):
        members = labels == label
        reached = members & core & (np.arange(len(core)) == np.flatnonzero(members & core)[0])
        while (grown := reach[reached].any(axis=0) & members).sum() > reached.sum():
            reached = grown
        assert reached.sum() == (members & core).sum(), "a cluster is not connected"
    in_reach = more & core & (labels[:, None] == labels)
    assert in_reach[labels >= 0].any(axis=1).all(), "a point is in a cluster out of its reach"
    assert not (fewer & core)[labels < 0].any(), "noise has a core point within eps"


def check_predictions(
    case: Case, labels: NDArray[np.int32], core: NDArray[np.bool_], distances: Floats, tolerance: float
) -> None:
    """Assert that every point is predicted the cluster of a nearest core point."""
    members = np.flatnonzero(core)
    model = NearestCore(case.x[members], case.y[members], labels[members], case.eps, spherical=True)
    predicted = model.predict(case.x, case.y, case.threads)
    if len(members) == 0:
        assert (predicted == -1).all()
        return
    nearest = distances[:, members].min(axis=1)
    assert (predicted[nearest <= case.eps - tolerance] >= 0).all(), "a core point within eps is not found"
    assert (predicted[nearest > case.eps + tolerance] == -1).all(), "a core point beyond eps is found"
    of_label = np.where(labels[members] == predicted[:, None], distances[:, members], np.inf).min(axis=1)
    slack = tolerance + 1e-9 * nearest
    assert (of_label[predicted >= 0] <= (nearest + slack)[predicted >= 0]).all(), "a nearer core point is overlooked"


def check(case: Case) -> str:
    """Assert that one case is right."""
    choose: Callable[..., float] = lambda *_: case.resolution  # noqa: E731
    engine.choose_resolution = worldwide.choose_resolution = choose  # type: ignore[assignment]
    engine.MOST_SWEPT = case.most_swept  # type: ignore[attr-defined]
    return check_plane(case) if case.place == "plane" else check_sphere(case)


def main() -> None:
    """Run cases until the time is up, or one alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int)
    arguments = parser.parse_args()
    if arguments.case is not None:
        case = make_case(arguments.seed, arguments.case)
        print(case)
        print(check(case))
        return
    began = printed = time.monotonic()
    counts: Counter[str] = Counter()
    number = 0
    while time.monotonic() - began < arguments.seconds:
        case = make_case(arguments.seed, number)
        try:
            counts[f"{case.place}: {check(case)}"] += 1
        except Exception as error:
            traceback.print_exc()
            message = f"case {number} of seed {arguments.seed} fails ({case.place}); run it with --case {number}"
            raise SystemExit(message) from error
        number += 1
        if time.monotonic() - printed > 60.0:
            printed = time.monotonic()
            print(f"{printed - began:.0f} s: {number} cases", flush=True)
    print(json.dumps({"seed": arguments.seed, "cases": number, "failed": 0, **dict(sorted(counts.items()))}))


if __name__ == "__main__":
    main()
