"""Neighbour frames moved onto the current one, for models that look at several frames of a shot.

Motion is found by DIS flow on the whole picture, before any tile is cut, so that tiles see the same in every place.
Where a neighbour does not show what the current frame shows (a cut, something uncovered, light that changed) it says
nothing: there the current frame's own pixels stand in for it, and the model works as if from one frame.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from bipack.imaging import classical_flow, motion_search, shot_change
from bipack.imaging.frame import Pixels

_WINDOW = 7
"""Side of the window, in pixels, whose mean difference decides: noise and coding errors average out in it."""

_LIKE, _UNLIKE = 0.04, 0.08
"""Mean difference of encoded values up to which a neighbour is believed, and from which it is not at all."""


_SHARED = 0.3
"""Least part of a picture that a neighbour of the same shot shows. In footage, two frames apart, it was 0.72 and more,
and across cuts 0.13 and less, those among them that thumbnails take for motion."""


def onto(current: Pixels, neighbour: Pixels) -> Pixels:
    """`neighbour` as it would look at the moment of `current`; both encoded, finite, (height, width, channels).

    A neighbour of another shot, and one that is the current frame itself, comes out as the current frame, bit for bit.
    """
    if np.array_equal(current, neighbour) or _other_shot(current, neighbour):
        return current
    here, there = (motion_search.for_search(_three(frame)) for frame in (current, neighbour))
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    # The preset stops at half size, and a tenth of a pixel blurs a facade by 0.4 dB. This takes three times as long.
    search.setFinestScale(0)
    height, width = current.shape[:2]
    shift = np.asarray(search.calc(here, there, None), np.float32)[:height, :width]
    moved = classical_flow.warp(neighbour, shift, cv2.INTER_CUBIC).reshape(current.shape)
    moved -= current
    belief = _belief(moved)
    if belief.mean() < _SHARED:
        return current
    moved *= belief
    moved += current
    return moved


def _other_shot(current: Pixels, neighbour: Pixels) -> bool:
    return shot_change.is_cut(*(shot_change.thumbnail(_three(frame)) for frame in (current, neighbour)))


def _three(frame: Pixels) -> Pixels:
    """Three channels, as flow and thumbnails look at pictures."""
    return frame if frame.shape[2] == 3 else np.repeat(frame.mean(axis=2, keepdims=True), 3, axis=2)


def _belief(difference: Pixels) -> Pixels:
    """How far a moved neighbour is believed, 0 to 1, (height, width, 1), from its difference to the current frame."""
    mean = cv2.blur(difference, (_WINDOW, _WINDOW)).reshape(difference.shape)
    worst = np.abs(mean).max(axis=2, keepdims=True)
    return np.asarray(np.clip((_UNLIKE - worst) / (_UNLIKE - _LIKE), 0, 1), np.float32)
