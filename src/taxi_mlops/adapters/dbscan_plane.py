"""`dbscan-plane`: the C++ library of Wang, Gu and Shun (SIGMOD 2020) in the plane, for which it is made.

In two dimensions it searches all cells that may hold neighbours, so that its clusters are those of DBSCAN's definition
in the plane (`dbscan` uses it in three dimensions, where it is not exact). The plane itself is not exact: `plane` has
the bound, and points are refused for which it exceeds a share of eps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from math import sqrt
from typing import ClassVar

from taxi_mlops.adapters.plane import plane_around, project
from taxi_mlops.domain import AdapterInfo, Clustering, FloatArray, Parameters, Points, Resources, Workload

MAX_ERROR = 1e-4
"""The largest share of eps by which a distance may be wrong; reached 220 km from the middle of the points."""

_MAX_CELLS = 2**31
"""Along an axis: the library numbers its cells, of side eps / √2, in 32 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class PlaneProblem:
    """metres: east and north of the middle, float64 of shape (n, 2). eps: in the plane. error_metres: its bound."""

    metres: FloatArray
    eps: float
    min_samples: int
    error_metres: float


class DbscanPlaneAdapter:
    """The SIGMOD 2020 library on an azimuthal equidistant projection, in float64."""

    requires: ClassVar[str | None] = "dbscan"
    install: ClassVar[str] = "pip install dbscan"
    by_default: ClassVar[bool] = False

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="dbscan-plane",
            version=version("dbscan"),
            summary="Wang, Gu and Shun (SIGMOD 2020), C++ grid, in a plane around the points",
            exact=False,
            weighted=False,
            parallel=True,
            homepage="https://github.com/wangyiqiu/dbscan-python",
            note=(
                "it is exact in its plane, where distances near eps are wrong by c²/12 of eps at most, c the angle of "
                "the farthest point from the middle (0.1 mm of 50 m in a city of 30 km radius); points more than some "
                "220 km from their middle are refused"
            ),
        )

    def unsupported(self, workload: Workload) -> str | None:
        points, eps = workload.points, workload.parameters.eps_metres
        if points.weight is not None:
            return "dbscan-plane takes no weights"
        plane = plane_around(points.latitude, points.longitude)
        error = plane.error_metres(eps)
        if error > MAX_ERROR * eps:
            return (
                f"the points are up to {plane.extent_metres / 2_000.0:,.0f} km from their middle, where a plane is "
                f"wrong by {error / eps:.2%} of eps, and dbscan-plane allows {MAX_ERROR:.2%} (some 220 km); use dbscan"
            )
        if plane.extent_metres * sqrt(2.0) / eps >= _MAX_CELLS:
            return f"dbscan numbers its grid cells in 32 bits, which is too few for eps = {eps:g} m on these points"
        return None

    def import_libraries(self) -> None:
        import dbscan  # noqa: F401

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> PlaneProblem:  # noqa: ARG002
        plane = plane_around(points.latitude, points.longitude)
        return PlaneProblem(
            metres=project(points.latitude, points.longitude, plane),
            eps=plane.eps(parameters.eps_metres),
            min_samples=parameters.min_samples,
            error_metres=plane.error_metres(parameters.eps_metres),
        )

    def warm_up(self, problem: PlaneProblem) -> None:
        self.fit(replace(problem, metres=problem.metres[:100]))

    def fit(self, problem: PlaneProblem) -> Clustering:
        from dbscan import DBSCAN

        labels, core_mask = DBSCAN(problem.metres, problem.eps, min_samples=problem.min_samples)
        about = {"projection_error_metres": problem.error_metres}
        return Clustering(labels=labels, core_mask=core_mask, about=about)
