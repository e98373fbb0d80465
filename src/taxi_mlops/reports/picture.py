"""Millions of points as one small picture: counted by pixel, shaded by rank, coloured by cluster."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.domain import NOISE, FloatArray
from taxi_mlops.reports.colouring import colour, neighbours

PALETTE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7")
"""The colours of Okabe and Ito (2008) that readers with any colour vision tell apart, on white and on black."""
NOISE_COLOUR = "#8c8c8c"
MAX_PICTURE_BYTES = 1_700_000

_EMPTY = -2
_SHADES = 10
_FAINTEST = 0.35
_FAINTEST_NOISE, _STRONGEST_NOISE = 0.45, 0.9
_SIDES = (3000, 2400, 1900, 1500, 1200, 900, 700)
PAPER_SIDE = 900
"""Longer side of the picture for print, where a point must still be seen."""
_PIXELS_PER_POINT_ROOT = 6.0
_MARGIN = 0.03
_SPARSE, _LONELY = 0.03, 0.003
"""Shares of drawn pixels below which those of clusters, and those of noise too, are made larger."""


@dataclass(frozen=True, slots=True)
class Extent:
    """A box in metres of the frame."""

    west: float
    south: float
    east: float
    north: float

    @classmethod
    def around(cls, east: FloatArray, north: FloatArray) -> Extent:
        """The box of points, shape (n,), n ≥ 1, with a margin; never less than 100 m wide or high."""
        margin = max(_MARGIN * max(np.ptp(east), np.ptp(north)), 50.0)
        return cls(
            float(east.min()) - margin,
            float(north.min()) - margin,
            float(east.max()) + margin,
            float(north.max()) + margin,
        )

    @property
    def width(self) -> float:
        return self.east - self.west

    @property
    def height(self) -> float:
        return self.north - self.south


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A PNG with a transparent ground. colours: number in `PALETTE` of each region, int64 (k,).

    outside: points that lie beyond its extent.
    """

    png: bytes
    width: int
    height: int
    colours: NDArray[np.int64]
    outside: int

    @property
    def data_uri(self) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


def draw(
    east: FloatArray,
    north: FloatArray,
    region: NDArray[np.int32],
    extent: Extent,
    colours: NDArray[np.int64] | None = None,
    longest_side: int = _SIDES[0],
) -> Picture:
    """Draw points as pixels in the colour of their region.

    east, north: metres, shape (n,). region: int32 (n,), 0 … k − 1, or `NOISE`. A pixel takes the region with most of
    its points, and a shade by the rank of their number among all pixels (histogram equalisation), so that both an
    airport and a quiet street show; where few pixels are drawn, they grow by one all around. The resolution is the
    highest that fits the points, `longest_side` in pixels and `MAX_PICTURE_BYTES`. colours: of an earlier picture of
    the same regions; without them, neighbours differ.
    """
    inside = (east >= extent.west) & (east < extent.east) & (north >= extent.south) & (north < extent.north)
    outside = len(inside) - int(np.count_nonzero(inside))
    if outside:
        east, north, region = east[inside], north[inside], region[inside]
    k = int(region.max(initial=NOISE)) + 1
    for side in _sides(len(region), longest_side):
        scale = side / max(extent.width, extent.height)
        width, height = max(1, round(extent.width * scale)), max(1, round(extent.height * scale))
        column = np.minimum(((east - extent.west) * scale).astype(np.int64), width - 1)
        row = np.minimum(((extent.north - north) * scale).astype(np.int64), height - 1)
        regions, counts = _count(row * width + column, region, k, width * height)
        if colours is None:
            colours = colour(neighbours(regions.reshape(height, width), k), k, len(PALETTE))
        png = _encode(regions.reshape(height, width), counts.reshape(height, width), colours)
        if len(png) <= MAX_PICTURE_BYTES:
            break
    assert colours is not None  # noqa: S101 - there is at least one side
    return Picture(png, width, height, colours, outside)


def _sides(n: int, longest: int) -> tuple[int, ...]:
    """Lengths of the longer side to try, the finest first: few points on many pixels would be too small to see."""
    useful = min(longest, _PIXELS_PER_POINT_ROOT * np.sqrt(n))
    return tuple(side for side in _SIDES if side <= useful) or _SIDES[-1:]


def _count(
    pixel: NDArray[np.int64], region: NDArray[np.int32], k: int, pixels: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """For each pixel the region with most points, `_EMPTY` without any, and the number of points in all."""
    runs, sizes = np.unique(pixel * (k + 1) + (region + 1), return_counts=True)
    where, which = np.divmod(runs, k + 1)
    order = np.lexsort((sizes, where))  # the last of a pixel is its largest, and wins the assignment
    regions = np.full(pixels, _EMPTY, dtype=np.int32)
    regions[where[order]] = which[order] - 1
    return regions, np.bincount(where, sizes, pixels).astype(np.int64)


def _encode(regions: NDArray[np.int32], counts: NDArray[np.int64], colours: NDArray[np.int64]) -> bytes:
    """An indexed PNG: entry 0 is transparent, then the shades of noise, then those of each colour."""
    from PIL import Image, ImageColor

    drawn = regions != _EMPTY
    shade = np.zeros(regions.shape, dtype=np.uint8)
    shade[drawn] = _equalised(counts[drawn])
    hue = np.zeros(regions.shape, dtype=np.uint8)
    clustered = regions >= 0
    hue[clustered] = colours[regions[clustered]] + 1
    index = _spread(np.where(drawn, 1 + hue * _SHADES + shade, 0).astype(np.uint8))
    entries, opacities = [(0, 0, 0)], [0]
    for name in (NOISE_COLOUR, *PALETTE):
        low, high = (_FAINTEST_NOISE, _STRONGEST_NOISE) if name == NOISE_COLOUR else (_FAINTEST, 1.0)
        entries += [ImageColor.getrgb(name)[:3]] * _SHADES
        opacities += [round(255 * value) for value in np.linspace(low, high, _SHADES)]
    image = Image.fromarray(index, mode="P")
    image.putpalette([channel for entry in entries for channel in entry])
    file = io.BytesIO()
    image.save(file, "png", transparency=bytes(opacities), optimize=True)
    return file.getvalue()


def _spread(index: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Let pixels grow into the empty ones around them where few are drawn, so that they are seen; noise grows last."""
    from scipy.ndimage import maximum_filter

    drawn = np.count_nonzero(index) / index.size
    if drawn > _SPARSE:
        return index
    growing = index if drawn < _LONELY else np.where(index > _SHADES, index, 0)
    return np.where(index == 0, maximum_filter(growing, size=3, mode="constant"), index)


def _equalised(counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The shade, 0 … `_SHADES` − 1, of each count by its rank among them; equal counts share a shade."""
    if not len(counts):
        return np.empty(0, dtype=np.uint8)
    values, occurrences = np.unique(counts, return_counts=True)
    if len(values) == 1:
        return np.full(len(counts), _SHADES - 1, dtype=np.uint8)
    before = np.concatenate(([0], np.cumsum(occurrences)[:-1]))
    levels = np.floor(_SHADES * before / (len(counts) - occurrences[-1] + 1)).astype(np.uint8)
    levels = np.minimum(levels, _SHADES - 1)
    return np.asarray(levels[np.searchsorted(values, counts)], dtype=np.uint8)
