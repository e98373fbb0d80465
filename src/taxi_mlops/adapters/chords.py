"""Great-circle neighbourhoods for libraries that know only Euclidean distance: chords of the unit sphere in 3-D."""

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
    """Put the points on the unit sphere, and eps into the length of its chord."""
    return ChordProblem(
        coordinates=unit_sphere(points.latitude, points.longitude),
        weight=points.weight,
        eps=chord_length(parameters.eps_metres),
        min_samples=parameters.min_samples,
        threads=threads,
    )


def subsample(problem: ChordProblem) -> ChordProblem:
    """The first points of the problem, to warm up with."""
    chosen = slice(100)
    weight = None if problem.weight is None else problem.weight[chosen]
    return replace(problem, coordinates=problem.coordinates[chosen], weight=weight)
