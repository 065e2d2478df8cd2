"""Continuing values smoothly into where they are not known: colors into a hole, motion under a matte.

A pyramid of weighted means is built downwards; on the way up every unknown cell takes the enlarged cell below it and is
relaxed towards the mean of its neighbours. That solves Laplace's equation nearly, in time linear in the pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging.frame import Pixels

Mask = NDArray[np.bool_]
"""(height, width), true in the hole."""

_TINY = np.float32(1e-12)


def smooth_fill(values: Pixels, known: Mask, relaxations: int = 12) -> Pixels:
    """`values` (height, width) or (height, width, channels) where `known` is true, continued where it is not.

    What lies in the unknown part has no influence, and may be NaN. A new array; where nothing is known it is zeros.
    """
    if known.all():
        return values.copy()
    flat = values[..., np.newaxis] if values.ndim == 2 else values
    weight = known.astype(np.float32)
    filled = _filled(np.where(known[..., np.newaxis], flat, np.float32(0.0)), weight, relaxations)
    np.copyto(filled, flat, where=known[..., np.newaxis])
    return filled[..., 0] if values.ndim == 2 else filled


def _filled(sums: Pixels, weight: Pixels, relaxations: int) -> Pixels:
    """Weighted sums (height, width, channels) over weights, the holes filled from below."""
    there = weight > 0.0
    mean = sums / (weight + _TINY)[..., np.newaxis]
    height, width = weight.shape
    if there.all() or min(height, width) <= 1:
        return np.where(there[..., np.newaxis], mean, _overall(sums, weight))
    small = (max(1, (width + 1) // 2), max(1, (height + 1) // 2))
    coarse = _filled(_halved(sums, small), _halved(weight[..., np.newaxis], small)[..., 0], relaxations)
    start = _planes(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), height, width)
    result = np.where(there[..., np.newaxis], mean, start)
    hole = ~there
    for _ in range(relaxations):
        relaxed = _planes(cv2.blur(result, (3, 3), borderType=cv2.BORDER_REPLICATE), height, width)
        np.copyto(result, relaxed, where=hole[..., np.newaxis])
    return result


def _halved(values: Pixels, size: tuple[int, int]) -> Pixels:
    height, width = values.shape[:2]
    padded = cv2.copyMakeBorder(values, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    halved = cv2.resize(padded, size, interpolation=cv2.INTER_AREA)
    return _planes(halved, size[1], size[0])


def _planes(values: NDArray[np.floating], height: int, width: int) -> Pixels:
    """OpenCV drops a single channel; here it stays."""
    return np.asarray(values, np.float32).reshape(height, width, -1)


def _overall(sums: Pixels, weight: Pixels) -> Pixels:
    total = float(weight.sum())
    return np.asarray(sums.sum(axis=(0, 1)) / total if total > 0.0 else np.zeros(sums.shape[-1]), np.float32)
