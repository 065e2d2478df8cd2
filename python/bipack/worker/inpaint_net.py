"""The inpaint network on a hole of any width: solved where it is narrow, then finer and finer from there.

The network was trained on holes of some 28 pixels. A wider one is shrunk until it is that narrow, continued smoothly,
filled with that as the start, enlarged, and filled again. (A smooth fill over the whole pyramid is a better start than
the one inside the graph: +0.1 dB on held-out pictures.) Only the hole and a margin are computed at each size, so that
the cost follows the hole.

Each pass is the mean of what the network says of the picture and of its mirror images, and the step that is left at the
border of the hole is taken out of it smoothly: so no seam shows where the surroundings are even.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from bipack.imaging.frame import Pixels
from bipack.imaging.smooth_fill import Mask, smooth_fill

WIDEST = 28.0
"""Pixels that a hole may be wide where it is solved first: what the shipped network was trained on."""

CONTEXT = 96
"""Pixels around the hole that the network is shown, at every size."""

_MOST_HALVINGS = 6

_EASED = 0.7
"""Share of the step at the border that is taken out; the rest may well be in the picture."""

_RELAXATIONS = 20
"""Of the step on its way into the hole: the more, the nearer to a membrane."""

_MIRRORS = ((1, 1), (1, -1), (-1, 1), (-1, -1))
"""Steps along rows and columns."""

Network = Callable[[Pixels, Mask], Pixels]
"""Runs once: encoded (height, width, 3) with a start in its hole, and the hole, to the filled picture."""


def fill(picture: Pixels, hole: Mask, network: Network, multiple: int = 32) -> Pixels:
    """`picture`, encoded (height, width, 3), with its `hole` filled; a new array, the known part unchanged.

    What lies in the hole has no influence. The network is given sizes that are multiples of `multiple`.
    """
    return _from_coarse(picture, hole, network, multiple, _halvings(hole))


def reach(hole: Mask) -> int:
    """Pixels around `hole` that have an influence on its fill."""
    return CONTEXT << _halvings(hole)


def _halvings(hole: Mask) -> int:
    padded = np.pad(hole, 1).astype(np.uint8)
    wide = 2.0 * float(cv2.distanceTransform(padded, cv2.DIST_L2, 5).max())
    return min(_MOST_HALVINGS, max(0, math.ceil(math.log2(max(wide, 1.0) / WIDEST))))


def _from_coarse(picture: Pixels, hole: Mask, network: Network, multiple: int, halvings: int) -> Pixels:
    if not halvings:
        return _once(smooth_fill(picture, ~hole), hole, network, multiple)
    height, width = hole.shape
    size = (width + 1) // 2, (height + 1) // 2
    weight = _halved((~hole).astype(np.float32), size)
    sums = _halved(np.where(hole[..., np.newaxis], np.float32(0.0), picture), size)
    small = np.asarray(sums / np.maximum(weight, 1e-6)[..., np.newaxis], np.float32)
    filled = _from_coarse(small, weight <= 0.0, network, multiple, halvings - 1)
    large = cv2.resize(filled, (2 * size[0], 2 * size[1]), interpolation=cv2.INTER_LINEAR)[:height, :width]
    start = np.where(hole[..., np.newaxis], np.asarray(large, np.float32), picture)
    return _once(start, hole, network, multiple)


def _halved(values: Pixels, size: tuple[int, int]) -> Pixels:
    """Means of two by two; beyond an odd border there is nothing."""
    padded = cv2.copyMakeBorder(values, 0, values.shape[0] % 2, 0, values.shape[1] % 2, cv2.BORDER_CONSTANT, value=0)
    return np.asarray(cv2.resize(padded, size, interpolation=cv2.INTER_AREA), np.float32)


def _once(picture: Pixels, hole: Mask, network: Network, multiple: int) -> Pixels:
    """One pass over the hole and what is around it."""
    result = picture.copy()
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    if not len(rows):
        return result
    area = _around(rows, hole.shape[0], multiple), _around(columns, hole.shape[1], multiple)
    part, gap = picture[area], hole[area]
    below, right = (-side % multiple for side in gap.shape)
    # What is missing up to a whole multiple is one more hole; it starts from the border's pixels.
    padded = np.pad(part, ((0, below), (0, right), (0, 0)), "edge")
    filled = _mean_of_mirrors(padded, np.pad(gap, ((0, below), (0, right)), constant_values=True), network)
    filled = np.where(gap[..., np.newaxis], filled[: gap.shape[0], : gap.shape[1]], part)
    result[area] = np.where(gap[..., np.newaxis], filled + _EASED * _step(filled, gap), part)
    return result


def _mean_of_mirrors(picture: Pixels, hole: Mask, network: Network) -> Pixels:
    total = np.zeros_like(picture)
    for down, across in _MIRRORS:
        total += network(picture[::down, ::across], hole[::down, ::across])[::down, ::across]
    return total / np.float32(len(_MIRRORS))


def _step(picture: Pixels, hole: Mask) -> Pixels:
    """From the hole to what surrounds it, measured around its border and continued smoothly from there.

    Of the two means that are taken in the hole one reaches deeper: so the slope that the hole has there is no step.
    """
    border = ~hole & (cv2.blur(hole.astype(np.float32), (3, 3)) > 0.0)
    near, deeper = _mean_in(picture, hole, 3), _mean_in(picture, hole, 5)
    apart = np.where(border[..., np.newaxis], picture - (2.0 * near - deeper), np.float32(0.0))
    return smooth_fill(np.asarray(apart, np.float32), border, _RELAXATIONS)


def _mean_in(picture: Pixels, hole: Mask, side: int) -> Pixels:
    """Means over squares of `side` pixels, of what lies in the hole; elsewhere nothing that means anything."""
    inside = hole.astype(np.float32)
    sums = cv2.blur(picture * inside[..., np.newaxis], (side, side))
    return np.asarray(sums / np.maximum(cv2.blur(inside, (side, side)), 1e-6)[..., np.newaxis], np.float32)


def _around(places: np.ndarray, length: int, multiple: int) -> slice:
    """The stretch that holds these places and their context, grown to a multiple where the picture allows."""
    first, last = max(0, int(places[0]) - CONTEXT), min(length, int(places[-1]) + 1 + CONTEXT)
    first = max(0, first - (first - last) % multiple)
    return slice(first, min(length, last + (first - last) % multiple))
