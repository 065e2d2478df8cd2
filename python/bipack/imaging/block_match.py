"""Exhaustive block matching: where a window of one picture is found in the other, wherever that is in reach.

It knows nothing of coarse to fine, so it finds a thing that moves farther than it is wide: a leg, a wing tip, a ball.
Costs of all offsets are made at once for both directions, by box filters (sum of absolute differences, bounded, over
RGB).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging.frame import Pixels

LONGEST = 240
"""Pictures are matched at this many pixels on their longer side."""

REACH = 24
"""Farthest offset in pixels of the matched size, in x and in y: a tenth of the picture's longer side."""

_WINDOW = 7

_BOUND = np.uint8(76)
"""An absolute difference of 8-bit RGB, summed, counts for no more: a few pixels that are hidden do not decide."""

Bytes = NDArray[np.uint8]


def matched(first: Pixels, second: Pixels) -> tuple[Pixels, Pixels]:
    """Offsets from `first` to `second` and back of encoded pictures (height, width, 3): two of (h, w, 2), x and y in
    pixels of the matched size (h, w). Of equal costs the shorter offset counts."""
    planes = [tuple(cv2.split(_bytes(reduced(picture, LONGEST)))) for picture in (first, second)]
    height, width = planes[0][0].shape
    offsets = sorted(
        ((x, y) for y in range(-REACH, REACH + 1) for x in range(-REACH, REACH + 1)),
        key=lambda o: o[0] ** 2 + o[1] ** 2,
    )
    # A cost and the number of its offset in one integer: the least of these is the best match, and the nearest.
    bits = (len(offsets) - 1).bit_length()
    best = [np.full((height, width), np.iinfo(np.int32).max, np.int32) for _ in range(2)]
    for number, (x, y) in enumerate(offsets):
        if abs(x) > max(0, width - _WINDOW) or abs(y) > max(0, height - _WINDOW):
            continue
        mine = slice(max(0, -y), min(height, height - y)), slice(max(0, -x), min(width, width - x))
        other = slice(mine[0].start + y, mine[0].stop + y), slice(mine[1].start + x, mine[1].stop + x)
        cost = _cost([plane[mine] for plane in planes[0]], [plane[other] for plane in planes[1]])
        cost <<= bits
        cost |= number
        for found, place in zip(best, (mine, other), strict=True):
            np.minimum(found[place], cost, out=found[place])
    table = np.array(offsets, np.float32)
    last = (1 << bits) - 1
    return table[best[0] & last], -table[best[1] & last]


def reduced(picture: Pixels, longest: int) -> Pixels:
    """`picture` averaged down to `longest` pixels on its longer side, where it is larger."""
    height, width = picture.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def _cost(mine: list[Bytes], other: list[Bytes]) -> NDArray[np.int32]:
    apart = cv2.absdiff(mine[0], other[0])
    for first, second in zip(mine[1:], other[1:], strict=True):
        cv2.add(apart, cv2.absdiff(first, second), dst=apart)
    np.minimum(apart, _BOUND, out=apart)
    window = _WINDOW, _WINDOW
    summed = cv2.boxFilter(apart, cv2.CV_32S, window, normalize=False, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(summed, np.int32)


def _bytes(picture: Pixels) -> Bytes:
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
