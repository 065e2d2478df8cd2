"""The classical method: the flow that the networks start from, and the new frame that they are measured against.

DIS flow both ways, projected to the new moment by forward splatting, two warps, and a blend that leaves out what a
frame does not show. It is what slow motion is without a model.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
_FILL = (5, 15, 45, 135, 405)
"""Windows, in pixels, from which holes of a projected flow are filled, nearest first."""


def prior_of(frame0: Pixels, frame1: Pixels) -> Pixels:
    """DIS flow between encoded frames, (height, width, 4): 0 to 1 as x and y, then 1 to 0, in pixels."""
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    first, second = _luma(frame0), _luma(frame1)
    there = search.calc(first, second, None)  # type: ignore[call-overload]
    back = search.calc(second, first, None)  # type: ignore[call-overload]
    return np.concatenate([there, back], axis=2).astype(np.float32)


def _luma(frame: Pixels) -> NDArray[np.uint8]:
    """BT.601 luma of encoded RGB, 0 to 1 on 8 bits."""
    grey = frame @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.round(np.clip(grey, 0, 1) * 255).astype(np.uint8)


def between(frame0: Pixels, frame1: Pixels, prior: Pixels, time: float) -> Pixels:
    """The frame at `time` (0 to 1) by the classical method, encoded like the frames."""
    there, back = prior[:, :, :2], prior[:, :, 2:]
    motion0, hole0 = _project(there, time, np.abs(frame0 - warp(frame1, there)).mean(axis=2))
    motion1, hole1 = _project(back, 1 - time, np.abs(frame1 - warp(frame0, back)).mean(axis=2))
    motion = 0.5 * (motion0 - motion1)
    only0, only1 = hole1 & ~hole0, hole0 & ~hole1
    motion[only0], motion[only1] = motion0[only0], -motion1[only1]
    share = np.full(only0.shape, 1 - time, np.float32)
    share[only0], share[only1] = 1, 0
    share = cv2.blur(share, (3, 3))[:, :, None]
    first = warp(frame0, np.float32(-time) * motion)
    second = warp(frame1, np.float32(1 - time) * motion)
    return np.asarray(second + share * (first - second), np.float32)


def warp(picture: Pixels, shift: Pixels) -> Pixels:
    """`picture` looked up bilinearly at x + shift(x); edges repeat."""
    height, width = shift.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = columns + shift[:, :, 0], rows + shift[:, :, 1]
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _project(flow: Pixels, share: float, error: Pixels) -> tuple[Pixels, NDArray[np.bool_]]:
    """The flow carried forward along `share` of itself, and the holes that nothing landed on (filled from around).

    Where several pixels land on one, those that match the other frame better count for more.
    """
    height, width = flow.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = columns + share * flow[:, :, 0], rows + share * flow[:, :, 1]
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    good = np.exp(-20.0 * error)
    total, weight = np.zeros((2, height * width)), np.zeros(height * width)
    for across in (0, 1):
        for down in (0, 1):
            part = (1 - np.abs(x - left - across)) * (1 - np.abs(y - top - down)) * good
            column, row = left + across, top + down
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            place, part = (row * width + column)[inside], part[inside]
            weight += np.bincount(place, part, height * width)
            for axis in (0, 1):
                total[axis] += np.bincount(place, part * flow[:, :, axis][inside], height * width)
    hole = (weight < 1e-6).reshape(height, width)
    motion = (total / np.maximum(weight, 1e-9)).T.reshape(height, width, 2).astype(np.float32)
    return _filled(motion, hole), hole


def _filled(motion: Pixels, hole: NDArray[np.bool_]) -> Pixels:
    """Holes take the mean of what lies around them."""
    known = (~hole).astype(np.float32)
    for side in _FILL:
        if known.all():
            break
        around = cv2.blur(motion * known[:, :, None], (side, side))
        amount = cv2.blur(known, (side, side))
        fill = (known == 0) & (amount > 1e-6)
        motion[fill] = (around / np.maximum(amount, 1e-9)[:, :, None])[fill]
        known[fill] = 1
    return motion
