"""The tent blur that all finishing tools share: Flame's kernel, with edges that hold.

T(x, r) weighs the pixels at distance k with 1 - k/r, across and then down, for every whole k up to r. Between whole
radii it glides: the tent of radius 2.5 is a mixture of those of 2 and 3. Below a radius of 1 nothing happens.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from bipack.imaging.finishing.strips import in_strips
from bipack.imaging.frame import Pixels

_WIDEST_DIRECT = 64
"""Radius up to which the taps are summed one by one; above it two running sums are faster."""

_ROWS = 256


def taps(radius: float) -> Pixels:
    """The weights of one axis, from the far left to the far right; they sum to 1. One weight below a radius of 1."""
    reach = math.floor(radius)
    if radius < 1.0:
        return np.ones(1, np.float32)
    weights = 1.0 - np.abs(np.arange(-reach, reach + 1)) / radius
    # At a whole radius the outermost weights are 0 and only cost time.
    weights = weights[1:-1] if radius == reach else weights
    return np.asarray(weights / weights.sum(), np.float32)


def tent(pixels: Pixels, radius: float) -> Pixels:
    """Blur (height, width[, channels]) float32 by the tent of `radius` pixels; a new array. Values must be finite."""
    if radius < 1.0:
        return pixels.copy()
    out = np.empty_like(pixels)
    height = len(pixels)
    reach = math.ceil(radius)

    def strip(first: int, last: int) -> None:
        top, bottom = max(0, first - reach), min(height, last + reach)
        part = pixels[top:bottom]
        if radius <= _WIDEST_DIRECT:
            weights = taps(radius)
            blurred = cv2.sepFilter2D(part, -1, weights, weights, borderType=cv2.BORDER_REPLICATE)
        else:
            blurred = _one_axis(_one_axis(part, radius, axis=1), radius, axis=0)
        out[first:last] = blurred[first - top : last - top].reshape(out[first:last].shape)

    in_strips(height, max(_ROWS, 2 * reach), strip)
    return out


def scaled_radius(radius: float, width: int, reference_width: float) -> float:
    """`radius` as it is on a picture `width` pixels wide, when it was chosen on one of `reference_width`.

    0 or less means that radii are pixels of this very picture.
    """
    return radius * width / reference_width if reference_width > 0 else radius


def _one_axis(pixels: Pixels, radius: float, axis: int) -> Pixels:
    """The tent along one axis: a mixture of two whole tents, each of them two boxes one after the other."""
    whole = math.floor(radius)
    part = radius - whole
    small, large = (1.0 - part) * whole**2, part * (whole + 1) ** 2
    result = _whole_tent(pixels, whole, axis)
    if large:
        wide = _whole_tent(pixels, whole + 1, axis)
        result = cv2.addWeighted(result, small / (small + large), wide, large / (small + large), 0.0)
    return result


def _whole_tent(pixels: Pixels, radius: int, axis: int) -> Pixels:
    # The edge is laid on before the first box: two boxes that each hold their own edge are no tent there.
    margin = (radius, radius, 0, 0) if axis == 0 else (0, 0, radius, radius)
    padded = cv2.copyMakeBorder(pixels, *margin, cv2.BORDER_REPLICATE)
    size = (1, radius) if axis == 0 else (radius, 1)
    for anchor in (radius // 2, (radius - 1) // 2):  # an even box leans by half a pixel: once left, once right
        where = (0, anchor) if axis == 0 else (anchor, 0)
        padded = cv2.boxFilter(padded, -1, size, anchor=where, borderType=cv2.BORDER_REPLICATE)
    cut = slice(radius, -radius)
    return np.ascontiguousarray(padded[cut] if axis == 0 else padded[:, cut])
