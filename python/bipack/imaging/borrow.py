"""Background carried from other frames into a hole: the pixels that were filmed, at the light of this frame.

Frames are asked in order of preference until the hole is full. Each gives what it shows of the background; its light
is brought to the picture around the hole by a ratio that is measured on the seam and continued smoothly inwards, so
that exposure, flicker and fall-off match without touching texture. Where the light agrees already, and nothing moved,
the pixels come over bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Union

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging.borrow_align import Alignment, Box
from bipack.imaging.frame import Pixels
from bipack.imaging.smooth_fill import Mask, smooth_fill

_RING = 12
_DARK = np.float32(0.004)
_MOST = 0.7
"""Largest change of light, in nepers: one stop."""

_AGREES = 0.008
"""Change of light below which none is made, beside what grain alone explains."""

_UNLIKE = 0.25
"""Spread of the ratio around the hole, in nepers, from which two frames show different things and tell no light."""


@dataclass
class Patch:
    """A box of the frame that is being filled."""

    box: Box
    pixels: Pixels
    """Scene-linear (height, width, 3); the filled part grows."""

    open: Mask
    """Where the fill is still missing; the rim over which it fades into the plate is part of it."""

    known: Mask
    """Where the pixels are background: the plate's own, or filled by now."""

    source: NDArray[np.float32]
    """Number of the frame that each pixel comes from."""


def sampled(values: Pixels, x: Pixels, y: Pixels) -> Pixels:
    """`values` (height, width[, channels]) at these places: cubic, and never beyond the pixels around.

    Whole places give the stored values bit for bit. Beside a light the cubic kernel would ring far below black.
    """
    whole = np.array_equal(x, np.rint(x)) and np.array_equal(y, np.rint(y))
    left, top = (max(0, int(np.floor(place.min())) - 3) for place in (x, y))
    right, bottom = (int(np.ceil(place.max())) + 4 for place in (x, y))
    part = np.ascontiguousarray(values[top:bottom, left:right])
    if part.shape[0] == 0 or part.shape[1] == 0:
        return np.zeros((*x.shape, *values.shape[2:]), values.dtype)
    at_x, at_y = x - np.float32(left), y - np.float32(top)
    if whole:
        columns = np.clip(at_x, 0, part.shape[1] - 1).astype(np.intp)
        rows = np.clip(at_y, 0, part.shape[0] - 1).astype(np.intp)
        return np.asarray(part[rows, columns])
    cubic = cv2.remap(part, at_x, at_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    around = np.ones((3, 3), np.uint8)
    lowest, highest = (
        cv2.remap(bound, at_x, at_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        for bound in (cv2.erode(part, around), cv2.dilate(part, around))
    )
    return np.asarray(np.clip(cubic, lowest, highest), np.float32).reshape(*x.shape, *values.shape[2:])


def seen_at(free: Mask, x: Pixels, y: Pixels) -> Mask:
    """Where the background is seen at these places of another frame, the reach of the cubic kernel included."""
    height, width = free.shape
    if np.array_equal(x, np.rint(x)) and np.array_equal(y, np.rint(y)):
        inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
        rows, columns = np.clip(y, 0, height - 1).astype(np.intp), np.clip(x, 0, width - 1).astype(np.intp)
        return np.asarray(inside & free[rows, columns])
    left, top = (max(0, int(np.floor(place.min())) - 4) for place in (x, y))
    right, bottom = (int(np.ceil(place.max())) + 5 for place in (x, y))
    part = free[top:bottom, left:right].astype(np.uint8)
    if part.size == 0:
        return np.zeros(x.shape, bool)
    part = cv2.erode(part, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1)
    at = x - np.float32(left), y - np.float32(top)
    # The kernel reaches one pixel beyond the two that lie around a place.
    seen = cv2.remap(part.astype(np.float32), *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    inside = (x >= 0.5) & (y >= 0.5) & (x <= width - 1.5) & (y <= height - 1.5)
    return np.asarray((seen > 0.999) & inside)


def lay_in(
    patch: Patch,
    pixels: Pixels,
    shown: Mask,
    alignment: Alignment,
    number: Union[float, NDArray[np.float32]],
    match: bool = True,
) -> Optional[Mask]:
    """Fill what another frame shows of the open part; returns where, or None where it shows nothing.

    `pixels` is the other frame, scene-linear (height, width, 3), `shown` where it may be taken from, `number` its frame
    number, or for each of its pixels the number of the frame that it came from.
    """
    seen = seen_at(shown, alignment.x, alignment.y)
    new = patch.open & seen
    if not new.any():
        return None
    other = sampled(pixels, alignment.x, alignment.y)
    if match:
        other = _at_this_light(patch.pixels, other, patch.known & seen, new)
    np.copyto(patch.pixels, other, where=new[..., np.newaxis])
    numbers = number if isinstance(number, float) else nearest(number, alignment.x, alignment.y)
    np.copyto(patch.source, np.float32(numbers), where=new)
    patch.open &= ~new
    patch.known |= new
    return new


def nearest(values: NDArray[Any], x: Pixels, y: Pixels) -> NDArray[Any]:
    """`values` (height, width[, channels]) at the whole places next to these; beyond the border the border's."""
    height, width = values.shape[:2]
    columns = np.clip(np.rint(x), 0, width - 1).astype(np.intp)
    rows = np.clip(np.rint(y), 0, height - 1).astype(np.intp)
    return np.asarray(values[rows, columns])


def _at_this_light(here: Pixels, other: Pixels, known: Mask, new: Mask) -> Pixels:
    """`other` brought to the light of `here` by a ratio that is smooth over the part that is new."""
    near = cv2.dilate(new.astype(np.uint8), np.ones((2 * _RING + 1, 2 * _RING + 1), np.uint8)) > 0
    ring = near & known
    if np.count_nonzero(ring) < 30:
        ring = known
        if np.count_nonzero(ring) < 30:
            return other
    ratio = np.log(np.maximum(here, _DARK)) - np.log(np.maximum(other, _DARK))
    ratio = np.where(ring[..., np.newaxis], ratio, np.float32(0.0))
    # What does not fit at all (a hair, a passer-by) is no change of light.
    middle = np.median(ratio[ring], axis=0)
    spread = 1.48 * np.median(np.abs(ratio[ring] - middle), axis=0) + 1e-4
    if float(spread.max()) > _UNLIKE:
        return other
    fits = np.abs(ratio - middle).max(axis=-1) < 3.0 * float(spread.max()) + 0.03
    weight = (ring & fits).astype(np.float32)
    size = (2 * _RING + 1, 2 * _RING + 1)
    total = cv2.boxFilter(weight, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
    sums = cv2.boxFilter(ratio * weight[..., np.newaxis], -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
    sure = ring & (total > 0.15 * size[0] * size[1])
    if not sure.any():
        sure = ring & (total > 0)
    if not sure.any():
        return other
    change = smooth_fill(np.asarray(sums / np.maximum(total, 1e-6)[..., np.newaxis], np.float32), sure)
    change = np.clip(change, -_MOST, _MOST)
    # What grain alone makes of such means: grain lies in clumps of a few pixels, and the largest of many is looked at.
    by_chance = 8.0 * float(spread.max()) / float(np.sqrt(total[sure].mean()))
    if float(np.abs(change[new]).max()) < _AGREES + by_chance:
        return other
    return np.asarray(other * np.exp(change), np.float32)
