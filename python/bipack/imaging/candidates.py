"""What a pixel of a new frame can be: both frames moved to the new moment in several ways, and both as they stand.

The flow from frame 0 to frame 1 is carried forward to the moment and so is the flow back, along a path that bends as
the motion does; where an edge hides or shows something the two disagree, and one of them is right. How much of the
measured bending holds is never sure, so both frames are also moved by all of it. Pictures are encoded (`imaging.color`)
and at the size at which motion is looked for; flows are carried at half of it. The slow-motion model weighs what it
finds here.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from bipack.imaging.classical_flow import filled, places, warp
from bipack.imaging.frame import Pixels

MATCH = 20.0
"""Where several pixels land on one, each counts by exp(-MATCH * its difference from the other frame)."""

COVER_MOST = 2.0

LANDED = 10
"""Channels of `Candidates.landed`; models before 0.3.0 read the first six."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidates for one moment of a pair of frames (height, width even)."""

    moved: tuple[Pixels, ...]
    """Four of (height, width, 3): frames 0 and 1 moved by the flow that came from frame 0, then by the one from
    frame 1; where the measured bending was given, the same four moved by all of it."""

    landed: Pixels
    """(height / 2, width / 2, LANDED): x and y of the motion from frame 0 to 1 as it came from frame 0 and as it came
    from frame 1, in pixels of the half size; the area, 0 to 2, that came from frame 0 and from frame 1; and x and y of
    the bending that came from either, in these pixels for each frame squared."""

    shifts: tuple[Pixels, ...]
    """(height, width, 2) for each of `moved`: x and y, in pixels, from the new frame to where it was taken."""

    @property
    def landed_whole(self) -> Pixels:
        """`landed` with each value on two by two pixels: (height, width, LANDED)."""
        return self.landed.repeat(2, axis=0).repeat(2, axis=1)


def candidates(
    frame0: Pixels, frame1: Pixels, flow: Pixels, bend: Pixels, time: float, measured: Pixels | None = None
) -> Candidates:
    """The candidates at `time`, 0 to 1; `flow` as `motion_search.prior_of` gives it, `bend` its acceleration at frame
    0 and at frame 1 (`bending`) and `measured` what `bending.steadied` says of it, all (height, width, 4)."""
    bends = [bend] if measured is None else [bend, measured]
    halves0, halves1 = (
        [np.float32(0.5) * _half(np.ascontiguousarray(vectors[:, :, at : at + 2])) for vectors in (flow, *bends)]
        for at in (0, 2)
    )
    small0, small1 = _half(frame0), _half(frame1)
    from0, cover0 = _land(halves0, time, np.abs(small0 - warp(small1, halves0[0])).mean(axis=2))
    from1, cover1 = _land(halves1, 1 - time, np.abs(small1 - warp(small0, halves1[0])).mean(axis=2))
    curve = np.float32(0.5 * (time * time - time))
    whole0, whole1 = (_twice(motion, frame0.shape[:2]) for motion in (from0, from1))
    moved: list[Pixels] = []
    shifts: list[Pixels] = []
    for number in range(1, 1 + len(bends)):
        for whole, turn in ((whole0, 1), (whole1, -1)):
            for frame, share in ((frame0, -time), (frame1, 1 - time)):
                shifts.append(np.float32(turn * share) * whole[0] - curve * whole[number])
                moved.append(warp(frame, shifts[-1], cv2.INTER_CUBIC))
    parts = (
        from0[:, :, :2],
        -from1[:, :, :2],
        cover0[:, :, None],
        cover1[:, :, None],
        from0[:, :, 2:4],
        from1[:, :, 2:4],
    )
    landed = np.concatenate(parts, axis=2)
    return Candidates(tuple(moved), landed, tuple(shifts))


def _half(picture: Pixels) -> Pixels:
    size = picture.shape[1] // 2, picture.shape[0] // 2
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def _twice(motion: Pixels, size: tuple[int, int]) -> list[Pixels]:
    """Vectors (h, w, 4 or 6) at `size`, height and width, which is twice theirs, two by two."""
    pairs = [2 * motion[:, :, at : at + 2] for at in range(0, motion.shape[2], 2)]
    return [np.asarray(cv2.resize(pair, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32) for pair in pairs]


def _land(vectors: list[Pixels], share: float, error: Pixels) -> tuple[Pixels, Pixels]:
    """Flow, bending and what more there is of (h, w, 2), as one (h, w, 4 or 6), carried along the motion until `share`,
    holes filled from around; and the area that landed."""
    flow, bend = vectors[:2]
    height, width = flow.shape[:2]
    columns, rows = places(height, width)
    path = np.float32(share) * flow + np.float32(0.5 * (share * share - share)) * bend
    x, y = columns + path[:, :, 0], rows + path[:, :, 1]
    left, top = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    right, low = x - left, y - top
    good = np.exp(-MATCH * error)
    carries = np.concatenate(vectors, axis=2)
    count = carries.shape[2]
    sums = np.zeros((count + 2, height * width))
    for across in (0, 1):
        for down in (0, 1):
            column, row = left + across, top + down
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            place = (row * width + column)[inside]
            area = ((right if across else 1 - right) * (low if down else 1 - low))[inside]
            weight = area * good[inside]
            carried = (weight, *(weight * carries[:, :, axis][inside] for axis in range(count)), area)
            for index, values in enumerate(carried):
                sums[index] += np.bincount(place, values, height * width)
    hole = (sums[0] < 1e-6).reshape(height, width)
    motion = (sums[1:-1] / np.maximum(sums[0], 1e-9)).T.reshape(height, width, count).astype(np.float32)
    cover = np.minimum(sums[-1], COVER_MOST).reshape(height, width).astype(np.float32)
    return filled(motion, hole), cover
