"""How motion bends from one pair of frames to the next: what the frame before and the frame after tell of it.

A point at x moves by `t * flow + (t * t - t) / 2 * bend` until time t: `bend` is its acceleration, in pixels for each
frame squared. It is measured where a neighbour is there, as the flow to the other frame plus the flow to the neighbour.
Pictures are encoded (`imaging.color`).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from bipack.imaging.classical_flow import warp
from bipack.imaging.frame import Pixels
from bipack.imaging.motion_search import prior_of

CHANNELS = 8
"""x and y at frame 0, x and y at frame 1; how far frame 0 differs from its neighbour moved onto it, and frame 1 from
its own; 1 where the frame before is known, 1 where the frame after is known."""


def measured(
    frames: Sequence[Pixels], prior: Pixels, before: Pixels | None, after: Pixels | None, detail: str = "half"
) -> Pixels:
    """`from_flows` with the flow to the neighbours looked for, as finely as `motion_search.prior_of` does."""
    first, second = frames
    return from_flows(
        frames,
        prior,
        (before, prior_of(first, before, detail)[:, :, :2]) if before is not None else None,
        (after, prior_of(second, after, detail)[:, :, :2]) if after is not None else None,
    )


def from_flows(
    frames: Sequence[Pixels],
    prior: Pixels,
    before: tuple[Pixels, Pixels] | None,
    after: tuple[Pixels, Pixels] | None,
) -> Pixels:
    """How the motion between two frames bends, (height, width, CHANNELS); zero for a side that is not there.

    `prior` is `motion_search.prior_of` of the two; `before` is the frame before with the flow from frame 0 to it,
    `after` the frame after with the flow from frame 1 to it.
    """
    found = np.zeros((*prior.shape[:2], CHANNELS), np.float32)
    for side, neighbour in enumerate((before, after)):
        if neighbour is None:
            continue
        picture, flow = neighbour
        found[:, :, 2 * side : 2 * side + 2] = prior[:, :, 2 * side : 2 * side + 2] + flow
        found[:, :, 4 + side] = np.abs(frames[side] - warp(picture, flow)).mean(axis=2)
        found[:, :, 6 + side] = 1
    return found


def steadied(measured: Pixels, frame0: Pixels, frame1: Pixels) -> Pixels:
    """The first four channels of `from_flows`, nothing where the two frames are the same, so that still parts of a shot
    stay still. Height and width are multiples of 4."""
    height, width = frame0.shape[:2]
    apart = np.abs(frame0 - frame1).max(axis=2)
    worst = apart.reshape(height // 4, 4, width // 4, 4).max(axis=(1, 3))
    worst = np.asarray(cv2.dilate(worst, np.ones((5, 5), np.uint8)), np.float32)
    gate = cv2.resize(worst / (worst + np.float32(0.01)), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(measured[:, :, :4] * gate[:, :, None], np.float32)
