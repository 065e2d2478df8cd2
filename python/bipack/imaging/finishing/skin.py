"""A rough skin matte from color alone: how near a pixel is to a skin tone in hue, saturation and value.

It is a start for faces in plain light, not a keyer. Works on encoded values; hue is not wrapped, as in Flame's shader.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np

from bipack.imaging.finishing.strips import in_strips
from bipack.imaging.finishing.tent import tent
from bipack.imaging.frame import Pixels

_ROWS = 64


@dataclass(frozen=True)
class SkinKey:
    """What counts as skin."""

    color: tuple[float, float, float] = (0.528, 0.379, 0.330)
    """The skin tone, encoded values."""

    hue: float = 6.0
    """Weight of a difference in hue (a full turn is 1)."""

    saturation: float = 0.0
    value: float = 3.0
    blur: float = 10.0
    """Radius of the tent over the matte, pixels."""


def skin_matte(pixels: Pixels, key: SkinKey) -> Pixels:
    """(height, width) 0..1: 1 - clamp(3 |w (hsv(skin) - hsv(pixel))| - 1.5), blurred; `pixels` are encoded."""
    target = colorsys.rgb_to_hsv(*key.color)
    weights = (key.hue, key.saturation, key.value)
    matte = np.empty(pixels.shape[:2], np.float32)

    def strip(first: int, last: int) -> None:
        hue, saturation, value = cv2.split(cv2.cvtColor(pixels[first:last], cv2.COLOR_RGB2HSV))
        distance = np.zeros_like(hue)
        for plane, scale, wanted, weight in zip(
            (hue, saturation, value), (1.0 / 360.0, 1.0, 1.0), target, weights, strict=True
        ):
            if weight:
                cv2.accumulateSquare(plane * np.float32(scale * weight) - np.float32(wanted * weight), distance)
        cv2.sqrt(distance, distance)
        distance *= np.float32(-3.0)
        distance += np.float32(2.5)
        matte[first:last] = np.clip(distance, 0.0, 1.0)

    in_strips(pixels.shape[0], _ROWS, strip)
    return tent(matte, key.blur)
