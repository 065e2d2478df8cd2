"""Resizing that moves nothing: exact pixel-centre phase, widened kernels when shrinking, edges that hold.

Result pixel i covers the source span [i, i + 1) * source / result; its centre is at (i + 0.5) * source / result - 0.5.
Every axis is one banded matrix, applied block by block as small dense products (the bands of a block overlap almost
wholly, and a dense product is what the processor does best). `cubic` is Keys' kernel with a = -0.5, the "bicubic" of
MATLAB and of published super-res scores; it is also the baseline of every score in Bipack.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.errors import UsageError
from bipack.imaging import nonfinite
from bipack.imaging.frame import Pixels

KERNELS = ("nearest", "linear", "cubic", "lanczos3")
_BLOCK = 32
"""Result columns or rows made by one product."""

Span = tuple[float, float]
Spans = tuple[Optional[Span], Optional[Span]]
"""Edges of the source, across and down, in its pixels; None is the whole axis. See `imaging.sizing`."""

_SINGLE_THREAD_PRODUCT = 1 << 18
_BAND_SAMPLES = 1 << 22
"""Samples of the half-resized band that is held at a time."""


def upscale(pixels: Pixels, factor: float, kernel: str = "cubic") -> Pixels:
    """Enlarge (height, width[, channels]) float32 by `factor`; sizes are rounded to whole pixels."""
    height, width = pixels.shape[:2]
    return resize(pixels, round(width * factor), round(height * factor), kernel)


def resize(pixels: Pixels, width: int, height: int, kernel: str = "cubic", spans: Spans = (None, None)) -> Pixels:
    """Resize (height, width[, channels]) float32 to `width` by `height`, in the space the values are in.

    `spans` are the edges (across, down) of the source, in its pixels, between which the result lies; all of it by
    default. Values are never clamped. NaN and infinities are held out, so that they do not spread, and put back where
    they were. Raises UsageError for an unknown kernel and for a size below 1.
    """
    out = np.empty((height, width, *pixels.shape[2:]), np.float32)
    for first, rows in resized_rows(pixels, width, height, kernel, spans):
        out[first : first + len(rows)] = rows
    return out


def resized_rows(
    pixels: Pixels, width: int, height: int, kernel: str = "cubic", spans: Spans = (None, None)
) -> Iterator[tuple[int, Pixels]]:
    """Like `resize`, in bands from the top: (first row, rows). Memory does not grow with the picture.

    The bands lie one after another, together they are exactly what `resize` returns.
    """
    if kernel not in KERNELS:
        raise UsageError(f"Kernel {kernel!r} is unknown. Use one of: {', '.join(KERNELS)}.")
    if width < 1 or height < 1:
        raise UsageError(f"A picture cannot be resized to {width}x{height}; both must be 1 or more.")
    source = np.asarray(pixels, np.float32)
    if kernel == "nearest":
        yield from _nearest_rows(source, width, height, spans)
        return
    clean, bad, _ = nonfinite.hold_out(source)
    for first, rows in _filtered_rows(clean, width, height, kernel, spans):
        if bad is not None:
            _put_back(rows, source, bad, first, height, spans)
        yield first, rows


def _filtered_rows(source: Pixels, width: int, height: int, kernel: str, spans: Spans) -> Iterator[tuple[int, Pixels]]:
    """Channel by channel, band by band: the columns of the source rows that the band needs, then its rows."""
    channels = math.prod(source.shape[2:])
    planes = source.reshape(*source.shape[:2], channels)
    across = _products(source.shape[1], width, kernel, spans[0])
    down = _products(source.shape[0], height, kernel, spans[1])
    blocks_in_band = max(1, _BAND_SAMPLES // (_BLOCK * width * channels))
    for start in range(0, len(down), blocks_in_band):
        blocks = down[start : start + blocks_in_band]
        top, bottom = min(block.low for block in blocks), max(block.high for block in blocks)
        first, last = blocks[0].first, blocks[-1].last
        wide = np.empty((bottom - top, width), np.float32)
        done = []
        for channel in range(channels):
            plane = np.ascontiguousarray(planes[top:bottom, :, channel])
            for block in across:
                for part in _pieces(len(plane), block.weights.size):
                    target = wide[part, block.first : block.last]
                    np.matmul(plane[part, block.low : block.high], block.transposed, out=target)
            rows = np.empty((last - first, width), np.float32)
            for block in blocks:
                for part in _pieces(width, block.weights.size):
                    target = rows[block.first - first : block.last - first, part]
                    np.matmul(block.weights, wide[block.low - top : block.high - top, part], out=target)
            done.append(rows)
        yield first, (done[0] if channels == 1 else cv2.merge(done)).reshape(-1, width, *source.shape[2:])


def _pieces(length: int, weights: int) -> Iterator[slice]:
    """`length` cut so that a product with that many weights stays small enough for one thread of BLAS.

    OpenBLAS wakes all its threads above 2^18 multiplications; for products this thin that costs up to ten times more.
    """
    step = max(8, _SINGLE_THREAD_PRODUCT // weights)
    for start in range(0, length, step):
        yield slice(start, start + step)


@dataclass(frozen=True, eq=False)
class _Product:
    """One block of the banded matrix: result samples first..last from source samples low..high."""

    first: int
    last: int
    low: int
    high: int
    weights: Pixels
    transposed: Pixels


@functools.lru_cache(maxsize=32)
def _products(source: int, result: int, kernel: str, span: Span | None = None) -> tuple[_Product, ...]:
    """The matrix of one axis as dense blocks of a few result samples."""
    index, weights = taps(source, result, kernel, span)
    blocks = []
    for first in range(0, result, _BLOCK):
        last = min(first + _BLOCK, result)
        low, high = int(index[first:last].min()), int(index[first:last].max()) + 1
        dense = np.zeros((last - first, high - low))
        rows = np.repeat(np.arange(last - first), index.shape[1])
        np.add.at(dense, (rows, (index[first:last] - low).ravel()), weights[first:last].ravel())
        single = dense.astype(np.float32)
        blocks.append(_Product(first, last, low, high, single, np.ascontiguousarray(single.T)))
    return tuple(blocks)


def taps(
    source: int, result: int, kernel: str, span: Span | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each result sample the source samples that it reads (edges repeated) and their weights, which sum to 1."""
    shape, radius = _SHAPES[kernel]
    first, last = span or (0.0, float(source))
    stretch = max(1.0, (last - first) / result)
    centers = first + (np.arange(result) + 0.5) * ((last - first) / result) - 0.5
    count = 2 * math.ceil(radius * stretch) + 1
    index = np.floor(centers).astype(np.int64)[:, None] + np.arange(count) - count // 2
    weights = shape((index - centers[:, None]) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.clip(index, 0, source - 1), weights


def _linear(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _lanczos3(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.abs(x) < 3.0, np.sinc(x) * np.sinc(x / 3.0), 0.0)


_SHAPES: dict[str, tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], float]] = {
    "linear": (_linear, 1.0),
    "cubic": (_cubic, 2.0),
    "lanczos3": (_lanczos3, 3.0),
}


def nearest_index(source: int, result: int, span: Span | None = None) -> NDArray[np.int64]:
    """The source sample under the centre of each result sample."""
    if span is not None:
        centers = span[0] + (np.arange(result) + 0.5) * ((span[1] - span[0]) / result)
        index: NDArray[np.int64] = np.clip(np.floor(centers).astype(np.int64), 0, source - 1)
        return index
    return np.minimum(((2 * np.arange(result) + 1) * source) // (2 * result), source - 1)


def resize_nearest(
    stored: NDArray[np.generic], width: int, height: int, spans: Spans = (None, None)
) -> NDArray[np.generic]:
    """Resize any type by repeating or dropping pixels: for ids and data that must not be mixed."""
    rows, columns = nearest_index(stored.shape[0], height, spans[1]), nearest_index(stored.shape[1], width, spans[0])
    return np.ascontiguousarray(stored[rows][:, columns])


def _nearest_rows(source: Pixels, width: int, height: int, spans: Spans) -> Iterator[tuple[int, Pixels]]:
    columns = nearest_index(source.shape[1], width, spans[0])
    rows = nearest_index(source.shape[0], height, spans[1])
    band = max(1, _BAND_SAMPLES // max(1, width * math.prod(source.shape[2:])))
    for first in range(0, height, band):
        yield first, source[rows[first : first + band]][:, columns]


def _put_back(rows: Pixels, source: Pixels, bad: NDArray[np.bool_], first: int, height: int, spans: Spans) -> None:
    """Set the samples of `rows` whose nearest source sample is NaN or infinite to that sample."""
    which = nearest_index(source.shape[0], height, spans[1])[first : first + len(rows)]
    columns = nearest_index(source.shape[1], rows.shape[1], spans[0])
    for row, line in enumerate(which):
        if bad[line].any():
            mask = bad[line][columns]
            rows[row][mask] = source[line][columns][mask]
