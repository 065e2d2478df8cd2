"""A stabilised crop cut out of a picture, and its exact inverse: what was edited in the crop put back into the picture.

Only the difference between the edited crop and the crop as it was cut is put back. Where nothing was edited that
difference is exactly 0, whatever the filter, so the picture keeps its bits. Sampling is Keys' cubic (a = -0.5) at
exact positions; where the crop shrinks the picture, or the picture the crop, a Gaussian keeps out what would alias.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging.faces.square import Doubles, Square, mapped
from bipack.imaging.frame import Pixels

SOFT_BORDER = 0.04
"""Share of the crop's side over which an edit fades out at its border."""

_BAND = 1 << 16
"""Samples that are taken at a time."""


def cut(pixels: Pixels, square: Square, size: int, outside: str = "hold") -> Pixels:
    """(size, size, channels) of `pixels` (height, width, channels) under `square`.

    `square` is in pixels of this array. Beyond its edges the picture is held, or 0 with `outside` "black".
    """
    near, square = _needed(pixels, square, size)
    near = _kept_from_aliasing(near, square.side / size)
    return _sampled(near, square.matrix(size), (0, size), (0, size), outside)


def put_back(pixels: Pixels, square: Square, before: Pixels, after: Pixels) -> Pixels:
    """`pixels` with the edit from `before` to `after`, two crops (size, size, channels), added in its place.

    `before` is what `cut` gave. Pixels that see no edited one keep their bits; NaN and infinities in the difference
    would spread and count as no edit.
    """
    size = before.shape[0]
    with np.errstate(invalid="ignore"):
        edit = np.where(np.isfinite(after) & np.isfinite(before), after - before, np.float32(0)).astype(np.float32)
    result = pixels.copy()
    if not edit.any():
        return result
    edit = _kept_from_aliasing(edit * border(size)[..., None], size / square.side)
    rows, columns = _touched(edit, square, *pixels.shape[:2])
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        return result
    moved = _sampled(edit, square.inverse(size), rows, columns, "black")
    window = result[rows[0] : rows[1], columns[0] : columns[1]]
    np.copyto(window, window + moved, where=moved != 0)
    return result


def window(square: Square, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of a picture that the square touches; empty slices where it lies beside the picture."""
    rows, columns = _covered(square, height, width)
    return slice(rows[0], max(rows)), slice(columns[0], max(columns))


def spread(planes: Pixels, square: Square, rows: slice, columns: slice) -> Pixels:
    """Planes of the crop (size, size, n) at these pixels of the picture, (rows, columns, n); 0 beyond the crop.

    Linear: what lies between 0 and 1 stays there. In memory each plane lies by itself.
    """
    size = planes.shape[0]
    matrix = square.inverse(size)
    # OpenCV counts from pixel centres.
    matrix[:, 2] += matrix[:, :2] @ np.array([columns.start + 0.5, rows.start + 0.5]) - 0.5
    near = _kept_from_aliasing(planes, size / square.side)
    result = np.empty((planes.shape[2], rows.stop - rows.start, columns.stop - columns.start), np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for index in range(planes.shape[2] if result.size else 0):
        plane = np.ascontiguousarray(near[..., index])
        cv2.warpAffine(plane, matrix, result.shape[:0:-1], result[index], flags=flags, borderValue=0)
    return result.transpose(1, 2, 0)


def border(size: int) -> Pixels:
    """(size, size) 1 inside, falling smoothly to 0 at the border of the crop."""
    place = (np.arange(size) + 0.5) / size
    rise = np.clip(np.minimum(place, 1 - place) / SOFT_BORDER, 0, 1)
    rise = rise * rise * (3 - 2 * rise)
    return np.minimum.outer(rise, rise).astype(np.float32)


def _kept_from_aliasing(pixels: Pixels, shrink: float) -> Pixels:
    """Blurred as far as sampling every `shrink` pixels asks for; unchanged where nothing shrinks."""
    if shrink <= 1.0:
        return pixels
    sigma = 0.5 * math.sqrt(shrink * shrink - 1)
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32).reshape(
        pixels.shape
    )


def _needed(pixels: Pixels, square: Square, size: int) -> tuple[Pixels, Square]:
    """The part of the picture that a crop is made of, and the square in its pixels: a plate may be far larger."""
    rows, columns = _covered(square, *pixels.shape[:2])
    margin = 4 + 3 * math.ceil(square.side / size)
    top, left = max(0, rows[0] - margin), max(0, columns[0] - margin)
    part = pixels[top : rows[1] + margin, left : columns[1] + margin]
    if not part.size:
        return pixels, square
    return part, replace(square, x=square.x - left, y=square.y - top)


def _touched(edit: Pixels, square: Square, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns of the picture that an edit (size, size, channels) of the crop reaches: most are small."""
    where = np.any(edit != 0, axis=2)
    down, across = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    if not len(down):
        return (0, 0), (0, 0)
    # A cubic sees two pixels further, of the larger of both.
    reach = 3 + math.ceil(square.side / edit.shape[0])
    ends = np.array([[x, y] for x in (across[0] - 3, across[-1] + 4) for y in (down[0] - 3, down[-1] + 4)])
    corners = mapped(square.matrix(edit.shape[0]), ends)
    low, high = np.floor(corners.min(axis=0)) - reach, np.ceil(corners.max(axis=0)) + reach
    rows, columns = (max(0, int(low[1])), min(height, int(high[1]))), (max(0, int(low[0])), min(width, int(high[0])))
    return rows, columns


def _covered(square: Square, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns of the picture that the square touches."""
    corners = square.corners()
    low, high = np.floor(corners.min(axis=0)) - 1, np.ceil(corners.max(axis=0)) + 1
    columns = max(0, int(low[0])), min(width, int(high[0]))
    rows = max(0, int(low[1])), min(height, int(high[1]))
    return rows, columns


def _sampled(pixels: Pixels, matrix: Doubles, rows: tuple[int, int], columns: tuple[int, int], outside: str) -> Pixels:
    """`pixels` (height, width, channels) at the places that `matrix` gives for result pixels `rows` by `columns`."""
    tall, wide = rows[1] - rows[0], columns[1] - columns[0]
    result = np.empty((tall, wide, pixels.shape[2]), np.float32)
    across = np.arange(*columns) + 0.5
    step = max(1, _BAND // max(1, wide))
    for start in range(0, tall, step):
        down = np.arange(rows[0] + start, rows[0] + min(tall, start + step)) + 0.5
        grid = np.stack(np.meshgrid(across, down), axis=-1)
        places = mapped(matrix, grid.reshape(-1, 2)).reshape(grid.shape) - 0.5
        result[start : start + len(down)] = _cubic(pixels, places, outside)
    return result


def _cubic(pixels: Pixels, places: Doubles, outside: str) -> Pixels:
    """(rows, columns, channels) of `pixels` at `places` (rows, columns, 2), x and y from the first pixel's middle."""
    base = np.floor(places)
    weights = _keys((places - base).astype(np.float32))
    # Only what is looked at: OpenCV counts its pixels in 16 bits. Beyond the edges one pixel is like the next.
    last = np.array(pixels.shape[1::-1]) - 1
    ends = base[:: max(1, len(base) - 1), :: max(1, base.shape[1] - 1)]  # a similarity: its corners are its extremes
    low, high = (np.clip(end, 0, last).astype(int) for end in (ends.min((0, 1)) - 1, ends.max((0, 1)) + 2))
    part = np.ascontiguousarray(pixels[low[1] : high[1] + 1, low[0] : high[0] + 1])
    corner = np.clip(base - low, -4, high - low + 4).astype(np.int16)
    beyond = cv2.BORDER_CONSTANT if outside == "black" else cv2.BORDER_REPLICATE
    total = np.zeros((*places.shape[:2], pixels.shape[2]), np.float32)
    sums, share = np.empty_like(total), np.empty_like(total)
    for dy in range(4):
        sums[:] = 0
        for dx in range(4):
            step = np.array([dx - 1, dy - 1], np.int16)
            near = cv2.remap(part, corner + step, None, cv2.INTER_NEAREST, borderMode=beyond)
            sums += np.multiply(near.reshape(total.shape), weights[dx][..., :1], out=share)
        total += np.multiply(sums, weights[dy][..., 1:], out=share)
    return total


def _keys(t: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Keys' four weights, a = -0.5, for fractions `t` (rows, columns, 2)."""
    t2, t3 = t * t, t * t * t
    return [
        -0.5 * t3 + t2 - 0.5 * t,
        1.5 * t3 - 2.5 * t2 + 1,
        -1.5 * t3 + 2 * t2 + 0.5 * t,
        0.5 * t3 - 0.5 * t2,
    ]
