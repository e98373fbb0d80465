"""Draw millions of points as one small image: counted by pixel, shaded by rank, coloured by cluster."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.domain import NOISE, FloatArray
from taxi_mlops.reports.colouring import colour, neighbours

PALETTE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7")
"""The colours of Okabe and Ito (2008), which readers with any colour vision can distinguish, on white and on black."""
NOISE_COLOUR = "#8c8c8c"
MAX_PICTURE_BYTES = 1_700_000

_COMPRESSION = 6
"""Compression level of the PNG; 9 takes many times as long for a tenth less."""
_NEIGHBOUR_SIDE = 750
"""Longer side in pixels of the raster on which neighbours are found."""
_SHADES = 10
_FAINTEST = 0.35
_FAINTEST_NOISE, _STRONGEST_NOISE = 0.45, 0.9
_SIDES = (3000, 2400, 1900, 1500, 1200, 900, 700)
PAPER_SIDE = 900
"""Longer side of the image for print, in which a point must still be visible."""
_PIXELS_PER_POINT_ROOT = 6.0
_MARGIN = 0.03
_SPARSE, _LONELY = 0.03, 0.003
"""Shares of drawn pixels below which those of clusters, and those of noise too, are enlarged."""


@dataclass(frozen=True, slots=True)
class Extent:
    """A box in metres of the frame."""

    west: float
    south: float
    east: float
    north: float

    @classmethod
    def around(cls, east: FloatArray, north: FloatArray) -> Extent:
        """Return the box of points, shape (n,), n ≥ 1, with a margin; at least 100 m wide and high."""
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
    """A PNG with a transparent background. colours: number in `PALETTE` of each region, int64 (k,).

    outside: points beyond its extent.
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

    east, north: metres, shape (n,). region: int32 (n,), 0 … k − 1, or `NOISE`. A pixel has the region of most of its
    points, and a shade by the rank of their number among all pixels (histogram equalisation), so that both an airport
    and a quiet street are visible; if few pixels are drawn, they are enlarged by one all around. The resolution is the
    highest that fits the points, `longest_side` in pixels and `MAX_PICTURE_BYTES`. colours: of an earlier image of the
    same regions; without them, neighbours differ.
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
        if colours is None:
            colours = colour(_pairs(row, column, region, k, side), k, len(PALETTE))
        pixels = _count(row * width + column, region, k)
        png = _encode(_paint(pixels, colours, height, width))
        if len(png) <= MAX_PICTURE_BYTES:
            break
    assert colours is not None  # noqa: S101 - there is at least one side
    return Picture(png, width, height, colours, outside)


def _sides(n: int, longest: int) -> tuple[int, ...]:
    """Return lengths of the longer side to try, the finest first: few points on many pixels would be invisible."""
    useful = min(longest, _PIXELS_PER_POINT_ROOT * np.sqrt(n))
    return tuple(side for side in _SIDES if side <= useful) or _SIDES[-1:]


@dataclass(frozen=True, slots=True, eq=False)
class _Pixels:
    """The pixels with a point, ascending: position int64 (m,), the region of most of its points, and points in all."""

    position: NDArray[np.int64]
    region: NDArray[np.int64]
    count: NDArray[np.int64]


def _count(pixel: NDArray[np.int64], region: NDArray[np.int32], k: int) -> _Pixels:
    runs, sizes = np.unique(pixel * (k + 1) + (region + 1), return_counts=True)
    where, which = np.divmod(runs, k + 1)
    order = np.lexsort((sizes, where))  # the last region of a pixel is its largest
    last = np.flatnonzero(np.diff(where, append=-1))
    first = np.concatenate(([0], last[:-1] + 1)) if len(last) else last
    count = np.add.reduceat(sizes, first) if len(last) else sizes
    return _Pixels(where[last], which[order[last]] - 1, count)


def _pairs(
    row: NDArray[np.int64], column: NDArray[np.int64], region: NDArray[np.int32], k: int, side: int
) -> NDArray[np.int64]:
    """Return pairs (p, 2) of regions that are neighbours, on a coarser raster, which takes a hundredth of the time.

    A pixel gets its smallest region, so that none is lost; regions that share a pixel are neighbours as well.
    """
    step = -(-side // _NEIGHBOUR_SIDE)
    clustered = region >= 0
    region, row, column = region[clustered], row[clustered] // step, column[clustered] // step
    height, width = int(row.max(initial=0)) + 1, int(column.max(initial=0)) + 1
    where, which = np.divmod(np.unique((row * width + column) * max(k, 1) + region), max(k, 1))
    raster = np.full(height * width, NOISE, dtype=np.int32)
    order = np.argsort(-np.bincount(region, minlength=k)[which], kind="stable")
    raster[where[order]] = which[order]
    shared = np.flatnonzero(where[1:] == where[:-1])
    sharing = np.column_stack((which[shared], which[shared + 1]))
    return np.unique(np.concatenate((neighbours(raster.reshape(height, width), k), sharing)), axis=0)


def _paint(pixels: _Pixels, colours: NDArray[np.int64], height: int, width: int) -> NDArray[np.uint8]:
    """Return indices into the palette: 0 is transparent, then the shades of noise, then those of each colour."""
    hue = np.where(pixels.region >= 0, colours[pixels.region] + 1, 0) if len(colours) else 0
    index = np.zeros(height * width, dtype=np.uint8)
    index[pixels.position] = 1 + hue * _SHADES + _equalised(pixels.count)
    return _spread(index.reshape(height, width))


def _encode(index: NDArray[np.uint8]) -> bytes:
    """Return an indexed PNG."""
    from PIL import Image, ImageColor

    entries, opacities = [(0, 0, 0)], [0]
    for name in (NOISE_COLOUR, *PALETTE):
        low, high = (_FAINTEST_NOISE, _STRONGEST_NOISE) if name == NOISE_COLOUR else (_FAINTEST, 1.0)
        entries += [ImageColor.getrgb(name)[:3]] * _SHADES
        opacities += [round(255 * value) for value in np.linspace(low, high, _SHADES)]
    image = Image.fromarray(index, mode="P")
    image.putpalette([channel for entry in entries for channel in entry])
    file = io.BytesIO()
    image.save(file, "png", transparency=bytes(opacities), compress_level=_COMPRESSION)
    return file.getvalue()


def _spread(index: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Enlarge pixels into the empty ones around them if few are drawn, so that they are visible; noise comes last."""
    from scipy.ndimage import maximum_filter

    drawn = np.count_nonzero(index) / index.size
    if drawn > _SPARSE:
        return index
    growing = index if drawn < _LONELY else np.where(index > _SHADES, index, 0)
    return np.where(index == 0, maximum_filter(growing, size=3, mode="constant"), index)


def _equalised(counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the shade, 0 … `_SHADES` − 1, of each count by its rank; equal counts have the same shade."""
    if not len(counts):
        return np.empty(0, dtype=np.uint8)
    values, occurrences = np.unique(counts, return_counts=True)
    if len(values) == 1:
        return np.full(len(counts), _SHADES - 1, dtype=np.uint8)
    before = np.concatenate(([0], np.cumsum(occurrences)[:-1]))
    levels = np.floor(_SHADES * before / (len(counts) - occurrences[-1] + 1)).astype(np.uint8)
    levels = np.minimum(levels, _SHADES - 1)
    return np.asarray(levels[np.searchsorted(values, counts)], dtype=np.uint8)
