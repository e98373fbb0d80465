"""Convert points to 3-D chords of the unit sphere, for libraries that support Euclidean distance alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

from haversine_dbscan.geodesy import chord_length, unit_sphere
from taxi_mlops.domain import FloatArray, Parameters, Points


@dataclass(frozen=True, slots=True, eq=False)
class ChordProblem:
    """coordinates: float64 of shape (n, 3). weight: float64 of shape (n,) or None. eps: in the coordinates' unit."""

    coordinates: FloatArray
    weight: FloatArray | None
    eps: float
    min_samples: int
    threads: int

    def __len__(self) -> int:
        return int(self.coordinates.shape[0])


def prepare_chords(points: Points, parameters: Parameters, threads: int) -> ChordProblem:
    """Place the points on the unit sphere, and convert eps to the length of its chord."""
    return ChordProblem(
        coordinates=unit_sphere(points.latitude, points.longitude),
        weight=points.weight,
        eps=chord_length(parameters.eps_metres),
        min_samples=parameters.min_samples,
        threads=threads,
    )


def centred(problem: ChordProblem) -> ChordProblem:
    """Return the problem with the mean of its points as the origin, near which differences keep their digits."""
    if len(problem) == 0:
        return problem
    return replace(problem, coordinates=problem.coordinates - problem.coordinates.mean(axis=0))


def subsample(problem: ChordProblem) -> ChordProblem:
    """Return the first points of the problem, for the warm-up."""
    chosen = slice(100)
    weight = None if problem.weight is None else problem.weight[chosen]
    return replace(problem, coordinates=problem.coordinates[chosen], weight=weight)
