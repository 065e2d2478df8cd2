"""Pixels at places between pixels: cubic and never beyond the range of what lies around, or the nearest bit for bit."""

from __future__ import annotations

import cv2
import numpy as np

from bipack.imaging.frame import Pixels, Stored

_CODES = {1: np.uint8, 2: np.int16, 4: np.int32}
_CHANNELS_MOST = 4
"""Channels that OpenCV looks up at once."""


class Source:
    """Rows of one frame, (rows, width, channels) from row `top` on, looked up more than once."""

    def __init__(self, planes: Pixels, top: int) -> None:
        self._top = np.float32(top)
        count = planes.shape[2]
        self._parts = [
            ranged(np.ascontiguousarray(planes[:, :, at : at + _CHANNELS_MOST]))
            for at in range(0, count, _CHANNELS_MOST)
        ]

    def at(self, x: Pixels, y: Pixels) -> Pixels:
        """(rows of x, columns of x, channels) of `looked_up`."""
        found = [_within(part, x, y - self._top) for part in self._parts]
        return found[0] if len(found) == 1 else np.concatenate(found, axis=2)


def looked_up(planes: Pixels, x: Pixels, y: Pixels) -> Pixels:
    """`planes` (height, width[, channels]) float32 at these places: cubic, within the range of the pixels around.

    Beyond the edges the edge repeats. Whole places give the stored values.
    """
    if planes.ndim == 3 and planes.shape[2] > _CHANNELS_MOST:
        parts = [planes[:, :, :_CHANNELS_MOST], planes[:, :, _CHANNELS_MOST:]]
        return np.concatenate([looked_up(np.ascontiguousarray(part), x, y) for part in parts], axis=2)
    return _within(ranged(planes), x, y)


Ranged = tuple[Pixels, Pixels, Pixels]
"""Pixels, and the least and the most of each and the eight around it."""


def ranged(planes: Pixels) -> Ranged:
    """Pixels, four channels at most, with their range."""
    around = np.ones((3, 3), np.uint8)
    edge = cv2.BORDER_REPLICATE
    return planes, cv2.erode(planes, around, borderType=edge), cv2.dilate(planes, around, borderType=edge)


def _within(ranges: Ranged, x: Pixels, y: Pixels) -> Pixels:
    """`looked_up` of what `ranged` made."""
    planes, least, most = ranges
    edge = cv2.BORDER_REPLICATE
    cubic = cv2.remap(planes, x, y, cv2.INTER_CUBIC, borderMode=edge)
    low = cv2.remap(least, x, y, cv2.INTER_NEAREST, borderMode=edge)
    high = cv2.remap(most, x, y, cv2.INTER_NEAREST, borderMode=edge)
    return np.asarray(cv2.min(cv2.max(cubic, low), high), np.float32).reshape(*x.shape, *planes.shape[2:])


def nearest(stored: Stored, x: Pixels, y: Pixels) -> Stored:
    """One stored channel at the nearest pixels, bit for bit; beyond the edges the edge repeats."""
    codes = stored.view(_CODES[stored.dtype.itemsize]) if stored.dtype.itemsize in _CODES else stored
    found = cv2.remap(codes, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found).view(stored.dtype)


def rows_needed(y: Pixels, height: int) -> slice:
    """Rows of a frame that lookups at `y` can touch, the cubic kernel and its range included."""
    top = int(np.clip(np.floor(y.min()) - 3, 0, height - 1))
    bottom = int(np.clip(np.ceil(y.max()) + 4, 1, height))
    return slice(top, max(bottom, top + 1))
