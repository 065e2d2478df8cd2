"""Smoothing by all pixels of a square: the bilateral and the median, as Nuke's nodes of those names are taken to work.

Both stand beside Flame's own smoothing so that a comp can look the same headless. They visit every pixel of the square,
so a large one takes its time.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from bipack.imaging.finishing.strips import in_strips
from bipack.imaging.frame import Pixels

_ROWS = 32
_FAST_MEDIANS = (3, 5)


def bilateral(pixels: Pixels, size: float, positional_sigma: float, color_sigma: float) -> Pixels:
    """Mean of the square of `size` pixels to each side, weighted by nearness in place and in color.

    (height, width, 3) float32; the weight is exp(-distance^2 / 2 sigma^2) for the place times the same for the color
    distance over all three channels. Edges hold. A `size` below 1 or a sigma of 0 changes nothing.
    """
    reach = math.floor(size)
    if reach < 1 or positional_sigma <= 0.0 or color_sigma <= 0.0:
        return pixels.copy()
    out = np.empty_like(pixels)
    height, width = pixels.shape[:2]
    padded = cv2.copyMakeBorder(pixels, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    offsets = [(dy, dx) for dy in range(-reach, reach + 1) for dx in range(-reach, reach + 1)]

    def strip(first: int, last: int) -> None:
        planes = cv2.split(padded[first : last + 2 * reach])
        centre = [plane[reach : reach + last - first, reach : reach + width] for plane in planes]
        sums = [np.zeros((last - first, width), np.float32) for _ in planes]
        total, weight, difference = (np.zeros((last - first, width), np.float32) for _ in range(3))
        for dy, dx in offsets:
            there = [plane[reach + dy :, reach + dx :][: last - first, :width] for plane in planes]
            weight.fill(0.0)
            for one, other in zip(centre, there, strict=True):
                cv2.subtract(one, other, difference)
                cv2.accumulateSquare(difference, weight)
            weight *= np.float32(-0.5 / color_sigma**2)
            weight += np.float32(-0.5 * (dx * dx + dy * dy) / positional_sigma**2)
            cv2.exp(weight, weight)
            cv2.accumulate(weight, total)
            for plane, addend in zip(sums, there, strict=True):
                cv2.accumulateProduct(addend, weight, plane)
        out[first:last] = cv2.merge([cv2.divide(plane, total) for plane in sums])

    in_strips(height, _ROWS, strip)
    return out


def median(pixels: Pixels, size: float) -> Pixels:
    """Median of each channel over a square of about `size` pixels, 2 floor(size / 2) + 1 of them; edges hold."""
    side = 2 * math.floor(size / 2) + 1
    if side < 3:
        return pixels.copy()
    if side in _FAST_MEDIANS:
        return np.asarray(cv2.medianBlur(pixels, side), np.float32)
    out = np.empty_like(pixels)
    reach = side // 2
    padded = cv2.copyMakeBorder(pixels, reach, reach, reach, reach, cv2.BORDER_REPLICATE)

    def strip(first: int, last: int) -> None:
        windows = np.lib.stride_tricks.sliding_window_view(padded[first : last + 2 * reach], (side, side), axis=(0, 1))
        flat = windows.reshape(*windows.shape[:3], side * side)
        out[first:last] = np.partition(flat, side * side // 2, axis=-1)[..., side * side // 2]

    in_strips(pixels.shape[0], max(1, _ROWS // side), strip)
    return out
