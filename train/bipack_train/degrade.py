"""How a sharp picture becomes the small one that a network learns to enlarge.

Two ways, each with a reason. `coded`: the antialiased Keys bicubic on display-coded values, the convention of the
standard test sets, and what most small pictures in the wild have been through. `light`: averaging of scene-linear
light, as a lens and a sensor do it; it has no negative lobes, so the edge of a lamp arrives without a halo and the
network learns to leave it without one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bipack.errors import UsageError
from bipack.imaging import color, resample

Pixels = NDArray[np.float32]
"""(height, width, channels) float32, encoded by bipack.imaging.color unless said otherwise."""


def crop_to_multiple(pixels: Pixels, multiple: int) -> Pixels:
    """Cut the right and bottom edge so that both sides are a multiple."""
    height, width = pixels.shape[:2]
    return np.ascontiguousarray(pixels[: height // multiple * multiple, : width // multiple * multiple])


def shrink_coded(pixels: Pixels, factor: int) -> Pixels:
    """Antialiased bicubic (Keys, a = -0.5) by a whole factor on the values as they are. Sides must be multiples."""
    height, width = _checked(pixels, factor)
    return resample.resize(pixels, width // factor, height // factor, kernel="cubic")


def shrink_light(pixels: Pixels, factor: int) -> Pixels:
    """The mean of each block of factor x factor pixels in scene-linear light, encoded again."""
    height, width = _checked(pixels, factor)
    linear = color.decode(pixels).astype(np.float64)
    blocks = linear.reshape(height // factor, factor, width // factor, factor, -1)
    return color.encode(blocks.mean(axis=(1, 3)).astype(np.float32))


SHRINK = {"coded": shrink_coded, "light": shrink_light}


def to_8bit(pixels: Pixels) -> Pixels:
    """Round values to steps of 1/255, as a file of 8 bits holds them; values outside 0..1 are left as they are."""
    inside = (pixels >= 0) & (pixels <= 1)
    return np.where(inside, np.round(pixels * np.float32(255)) / np.float32(255), pixels)


def _checked(pixels: Pixels, factor: int) -> tuple[int, int]:
    height, width = pixels.shape[:2]
    if factor < 1 or height % factor or width % factor:
        raise UsageError(f"A picture of {width}x{height} cannot be divided by {factor}; crop it to a multiple first.")
    return height, width
