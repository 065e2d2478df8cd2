"""Smoothing by all pixels of a square: the bilateral and the median, as Nuke's nodes of those names are taken to work.

Both stand beside Flame's own smoothing so that a comp can look the same headless. They visit every pixel of the square,
so a large one takes its time.
"""

from __future__ import annotations

import math
from typing import Optional

import cv2
import numpy as np

from bipack.imaging.finishing.strips import in_strips
from bipack.imaging.frame import Pixels

_ROWS = 32
_BILATERAL_ROWS = 64
_FAST_MEDIANS = (3, 5)


def bilateral(
    pixels: Pixels, size: float, positional_sigma: float, color_sigma: float, inside: Optional[Pixels] = None
) -> Pixels:
    """Mean of the square of `size` pixels to each side, weighted by nearness in place and in color.

    (height, width, 3) float32; the weight is exp(-distance^2 / 2 sigma^2) for the place times the same for the color
    distance over all three channels. Edges hold. A `size` below 1 or a sigma of 0 changes nothing. With `inside`
    (height, width) only what is needed where it is above 0 is smoothed; elsewhere a pixel may stay as it was.
    """
    reach = math.floor(size)
    if reach < 1 or positional_sigma <= 0.0 or color_sigma <= 0.0:
        return pixels.copy()
    out = np.empty_like(pixels) if inside is None else pixels.copy()
    height = len(pixels)
    # Scaled so that minus the square of a difference is already the exponent of its weight.
    unit = math.sqrt(0.5) / color_sigma
    padded = cv2.copyMakeBorder(pixels, reach, reach, reach, reach, cv2.BORDER_REPLICATE)

    def strip(first: int, last: int) -> None:
        left, right = _columns(inside, first, last, pixels.shape[1])
        width = right - left
        if not width:
            return
        part = padded[first : last + 2 * reach, left : right + 2 * reach]
        planes = [plane * np.float32(unit) for plane in cv2.split(part)]
        here = _Window(reach, last - first, width)
        scratch = np.empty((2, (last - first + reach) * (width + reach)), np.float32)
        sums = [here.of(plane, 0, 0).copy() for plane in planes]
        total = np.ones((last - first, width), np.float32)
        for dy in range(reach + 1):
            for dx in range(1 if dy == 0 else -reach, reach + 1):
                # Weights are symmetrical: what a pixel gives its neighbour it gets back, so each is worked out once.
                pairs = _Window(reach, last - first, width, dy, dx)
                weight = _weights(
                    [(pairs.of(plane, 0, 0), pairs.of(plane, dy, dx)) for plane in planes],
                    -0.5 * (dx * dx + dy * dy) / positional_sigma**2,
                    scratch,
                )
                forward, back = pairs.both(weight)
                cv2.accumulate(forward, total)
                cv2.accumulate(back, total)
                for plane, summed in zip(planes, sums, strict=True):
                    cv2.accumulateProduct(here.of(plane, dy, dx), forward, summed)
                    cv2.accumulateProduct(here.of(plane, -dy, -dx), back, summed)
        out[first:last, left:right] = cv2.merge([cv2.divide(plane, total, scale=1.0 / unit) for plane in sums])

    in_strips(height, _BILATERAL_ROWS, strip)
    return out


class _Window:
    """A rectangle of a padded plane, grown upwards and to one side so that pairs (dy, dx) apart lie inside it twice."""

    def __init__(self, reach: int, rows: int, columns: int, dy: int = 0, dx: int = 0) -> None:
        self._rows, self._columns, self._dy, self._dx = rows, columns, dy, dx
        self._top, self._left = reach - dy, reach - max(dx, 0)
        self._height, self._width = rows + dy, columns + abs(dx)

    def of(self, plane: Pixels, dy: int, dx: int) -> Pixels:
        """The part of `plane` that lies (dy, dx) from the rectangle."""
        top, left = self._top + dy, self._left + dx
        return plane[top : top + self._height, left : left + self._width]

    def both(self, weight: Pixels) -> tuple[Pixels, Pixels]:
        """Weights of every pixel with the one (dy, dx) ahead, and with the one as far behind."""
        ahead, behind = max(self._dx, 0), max(-self._dx, 0)
        forward = weight[self._dy :, ahead : ahead + self._columns]
        return forward, weight[: self._rows, behind : behind + self._columns]


def _columns(inside: Optional[Pixels], first: int, last: int, width: int) -> tuple[int, int]:
    """First column of a strip that is asked for, and the one after the last; (0, 0) when there is none."""
    if inside is None:
        return 0, width
    found = np.flatnonzero((inside[first:last] > 0.0).any(axis=0))
    return (int(found[0]), int(found[-1]) + 1) if len(found) else (0, 0)


def _weights(pairs: list[tuple[Pixels, Pixels]], exponent: float, scratch: Pixels) -> Pixels:
    """exp(exponent - distance^2) of every pair, in memory of `scratch`, two long rows."""
    height, width = pairs[0][0].shape
    distance, difference = (row[: height * width].reshape(height, width) for row in scratch)
    for index, (one, other) in enumerate(pairs):
        cv2.subtract(one, other, difference)
        if index:
            cv2.accumulateSquare(difference, distance)
        else:
            cv2.multiply(difference, difference, distance)
    np.subtract(np.float32(exponent), distance, out=distance)
    return np.asarray(cv2.exp(distance, distance), np.float32)


def median(pixels: Pixels, size: float) -> Pixels:
    """Median of each channel over a square of about `size` pixels, 2 floor(size / 2) + 1 of them; edges hold."""
    side = 2 * math.floor(size / 2) + 1
    if side < 3:
        return pixels.copy()
    if side in _FAST_MEDIANS:
        return np.asarray(cv2.medianBlur(pixels, side), np.float32)
    out = np.empty_like(pixels)
    reach = side // 2
    padded = cv2.copyMakeBorder(pixels, reach, reach, reach, reach, cv2.BORDER_REPLICATE)

    def strip(first: int, last: int) -> None:
        windows = np.lib.stride_tricks.sliding_window_view(padded[first : last + 2 * reach], (side, side), axis=(0, 1))
        flat = windows.reshape(*windows.shape[:3], side * side)
        out[first:last] = np.partition(flat, side * side // 2, axis=-1)[..., side * side // 2]

    in_strips(pixels.shape[0], max(1, _ROWS // side), strip)
    return out
