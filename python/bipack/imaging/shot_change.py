"""Does the shot change between two neighbouring frames? Is one a repetition of the other?

Both are asked of the pair alone, so that a farm task that has only a few frames comes to the same answer as a run over
the whole shot. Pictures are encoded RGB at any size; they are looked at as thumbnails.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from bipack.imaging.frame import Pixels

THUMBNAIL = (96, 54)
_LIKENESS = 0.45
"""Correlation of two thumbnails, motion undone, below which they show different shots."""

_FLAT = 0.008
"""Contrast below which a picture is empty: black, white, a plain fade."""

_REPEATS = 0.0015
"""Mean difference of thumbnails below which frames repeat each other, compression and grain included."""

_REPEATS_WORST = 0.03


def thumbnail(encoded: Pixels) -> Pixels:
    """A small copy of an encoded picture, (54, 96, 3)."""
    small = cv2.resize(encoded, THUMBNAIL, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def is_cut(first: Pixels, second: Pixels) -> bool:
    """True where two thumbnails show different shots. A flash or a fade is no cut: its pattern stays."""
    one, two = _luma(first), _luma(second)
    flat = [float(plane.std()) < _FLAT for plane in (one, two)]
    if all(flat):
        return abs(float(one.mean() - two.mean())) > 0.25
    if any(flat):
        return True
    if _likeness(one, two) > _LIKENESS:
        return False
    return max(_likeness(one, _followed(one, two)), _likeness(two, _followed(two, one))) < _LIKENESS


def is_repeat(first: Pixels, second: Pixels) -> bool:
    """True where the second thumbnail shows the first again."""
    difference = np.abs(first - second)
    return float(difference.mean()) < _REPEATS and float(difference.max()) < _REPEATS_WORST


def _luma(small: Pixels) -> Pixels:
    return np.clip(small @ np.array([0.299, 0.587, 0.114], np.float32), 0, 1.5).astype(np.float32)


def _likeness(one: Pixels, two: Pixels) -> float:
    """Correlation of the pictures, -1 to 1."""
    first, second = one - one.mean(), two - two.mean()
    return float((first * second).sum() / (np.sqrt(np.square(first).sum() * np.square(second).sum()) + 1e-9))


def _followed(one: Pixels, two: Pixels) -> Pixels:
    """`two` moved onto `one` along smooth flow: a cut has none that explains it."""
    eight = [np.round(np.clip(plane, 0, 1) * 255).astype(np.uint8) for plane in (one, two)]
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    # Smooth motion only: pixel by pixel, flow would build any picture out of any other.
    flow = cv2.GaussianBlur(search.calc(*eight, None), (0, 0), 6)
    rows, columns = np.mgrid[0 : one.shape[0], 0 : one.shape[1]].astype(np.float32)
    at = columns + flow[:, :, 0], rows + flow[:, :, 1]
    return np.asarray(cv2.remap(two, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
