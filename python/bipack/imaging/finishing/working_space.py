"""In which values a finishing tool works, and what it calls luma.

Flame's tools expect display or log values: in scene-linear light an overlay or a color distance means nothing, for a
lamp is a hundred times as bright as the face it lights. `encoded` is the encoding around every Bipack model.
"""

from __future__ import annotations

from typing import Optional

import numpy as np

from bipack.imaging import color
from bipack.imaging.finishing.strips import in_strips
from bipack.imaging.frame import Pixels

SPACES = ("encoded", "linear")
"""encoded: the curve of `imaging.color`. linear: values as they come."""

_ROWS = 64

REC709 = (0.2126, 0.7152, 0.0722)
"""Weights of the primaries of Rec. 709 in luminance."""


def enter(pixels: Pixels, space: str, out: Optional[Pixels] = None) -> Pixels:
    """Scene-linear pixels in the values of `space`; a new array, or `out`, which may be `pixels` itself."""
    result = np.empty(pixels.shape, np.float32) if out is None else out

    def strip(first: int, last: int) -> None:
        if space == "encoded":
            color.encode(pixels[first:last], out=result[first:last])
        elif result is not pixels:
            result[first:last] = pixels[first:last]

    in_strips(len(pixels), _ROWS, strip)
    return result


def leave(pixels: Pixels, space: str) -> Pixels:
    """Back to scene-linear, in place."""

    def strip(first: int, last: int) -> None:
        leave_block(pixels[first:last], space)

    if space == "encoded":
        in_strips(len(pixels), _ROWS, strip)
    return pixels


def enter_block(pixels: Pixels, space: str) -> Pixels:
    """`enter` for a part of a picture that is already one strip of several."""
    return color.encode(pixels) if space == "encoded" else pixels.copy()


def leave_block(pixels: Pixels, space: str) -> Pixels:
    """`leave` for one strip, in place."""
    return color.decode(pixels, out=pixels) if space == "encoded" else pixels


def luma(pixels: Pixels, weights: tuple[float, float, float] = REC709) -> Pixels:
    """(height, width) weighted sum of the channels of (height, width, 3)."""
    red, green, blue = weights
    result = pixels[..., 0] * np.float32(red)
    result += pixels[..., 1] * np.float32(green)
    result += pixels[..., 2] * np.float32(blue)
    return result
