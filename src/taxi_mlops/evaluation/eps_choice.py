"""Choosing eps: the knee of the curve of distances to the k-th neighbour (Ester et al., KDD 1996, section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EpsChoice:
    """An eps that was chosen from the points, with the curve that it was read off.

    k: the neighbour whose distance is taken, the point itself counted; it is min_samples. sampled: how many points the
    curve was made from. share, distance_metres: the curve, increasing: that share of the sampled points has its k-th
    neighbour within so many metres. knee_share: where on the curve eps lies.
    """

    eps_metres: float
    k: int
    sampled: int
    share: tuple[float, ...]
    distance_metres: tuple[float, ...]
    knee_share: float
