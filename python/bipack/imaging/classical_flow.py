"""Classical slow motion: what there is without a model.

Flow both ways (`motion_search`), projected to the new moment by forward splatting, two lookups, and a blend that leaves
out what a frame does not show. Pictures here are encoded (`imaging.color`) and at the size at which motion is looked
for; the result says where each pixel of the new frame lies in both frames, so that any channel can be moved by it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging.frame import Pixels

_FILL = (5, 15, 45, 135, 405)
"""Windows, in pixels, from which holes of a projected flow are filled, nearest first."""

_HAZARD_ERROR = 8.0
"""Difference of the two moved frames, in encoded values, times this is the hazard: 0.125 is certain trouble."""


@dataclass(frozen=True, eq=False)
class Mix:
    """More than one place in each frame for a pixel of the new one, and what each counts for."""

    shifts: tuple[Pixels, ...]
    """Four or eight of (height, width, 2): pixels from the new frame into frame 0 and frame 1, by turns."""

    weights: Pixels
    """(height, width, 6 or 10): of these, of frame 0 and of frame 1 as they stand. Their sum is 1."""


@dataclass(frozen=True, eq=False)
class Between:
    """Where the pixels of a new frame lie in the two frames around it."""

    to0: Pixels
    to1: Pixels
    """(height, width, 2): x and y in pixels from the new frame into frame 0 and into frame 1."""

    mask: Pixels
    """(height, width): weight of frame 0 in the blend, 0 to 1."""

    hazard: Pixels
    """(height, width): 0 where the result can be trusted, 1 where it should be looked at."""

    mix: Mix | None = None
    """Where it is there, pictures are made by it; what must not be mixed is still taken by the fields above."""


def between(frame0: Pixels, frame1: Pixels, prior: Pixels, time: float) -> Between:
    """The new frame at `time` (0 to 1) by the classical method."""
    there, back = prior[:, :, :2], prior[:, :, 2:]
    motion0, hole0 = _project(there, time, np.abs(frame0 - warp(frame1, there)).mean(axis=2))
    motion1, hole1 = _project(back, 1 - time, np.abs(frame1 - warp(frame0, back)).mean(axis=2))
    motion = 0.5 * (motion0 - motion1)
    only0, only1 = hole1 & ~hole0, hole0 & ~hole1
    motion[only0], motion[only1] = motion0[only0], -motion1[only1]
    share = np.full(only0.shape, 1 - time, np.float32)
    share[only0], share[only1] = 1, 0
    share = np.asarray(cv2.blur(share, (3, 3)), np.float32)
    to0, to1 = np.float32(-time) * motion, np.float32(1 - time) * motion
    hazard = disagreement(frame0, frame1, to0, to1, share)
    hazard[hole0 & hole1] = 1
    return Between(to0, to1, share, hazard)


def disagreement(frame0: Pixels, frame1: Pixels, to0: Pixels, to1: Pixels, mask: Pixels) -> Pixels:
    """How far the two moved frames differ where both are mixed, as a hazard of 0 to 1."""
    error = np.abs(warp(frame0, to0) - warp(frame1, to1)).mean(axis=2)
    both = 2 * np.minimum(mask, 1 - mask)
    return np.asarray(np.clip(error * both * np.float32(_HAZARD_ERROR), 0, 1), np.float32)


def blended(frame0: Pixels, frame1: Pixels, found: Between) -> Pixels:
    """The new frame as a picture of the same size."""
    first, second = warp(frame0, found.to0), warp(frame1, found.to1)
    return np.asarray(second + found.mask[:, :, None] * (first - second), np.float32)


def warp(picture: Pixels, shift: Pixels, filtering: int = cv2.INTER_LINEAR) -> Pixels:
    """`picture` looked up at x + shift(x); edges repeat."""
    columns, rows = places(*shift.shape[:2])
    x, y = columns + shift[:, :, 0], rows + shift[:, :, 1]
    return np.asarray(cv2.remap(picture, x, y, filtering, borderMode=cv2.BORDER_REPLICATE), np.float32)


@functools.lru_cache(maxsize=4)
def places(height: int, width: int) -> tuple[Pixels, Pixels]:
    """The column and the row of every pixel, as float32 that cannot be written to."""
    found = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    for plane in found:
        plane.flags.writeable = False
    return found[0], found[1]


def _project(flow: Pixels, share: float, error: Pixels) -> tuple[Pixels, NDArray[np.bool_]]:
    """The flow carried forward along `share` of itself, and the holes that nothing landed on (filled from around).

    Where several pixels land on one, those that match the other frame better count for more.
    """
    height, width = flow.shape[:2]
    columns, rows = places(height, width)
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
    return filled(motion, hole), hole


def filled(motion: Pixels, hole: NDArray[np.bool_]) -> Pixels:
    """`motion` (height, width, channels), changed in place: holes take the mean of what lies around them."""
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
