"""Faces drawn as flat shapes, for tests that need no mesh: a pool of them, and mattes by hand."""

from __future__ import annotations

import cv2
import numpy as np

from bipack_train.faces.pool import SIDE, Faces
from bipack_train.faces.regions import INDEX

COLORS = np.random.default_rng(8).integers(60, 220, (16, 3)).astype(np.uint8)
"""A color for each region: what a network can learn in seconds."""

SHAPES = (("hair", 144, 110, 62, 70), ("neck", 144, 215, 34, 50), ("skin", 144, 150, 50, 66),
          ("forehead", 144, 105, 36, 16), ("eye_r", 124, 135, 12, 8), ("eye_l", 164, 135, 12, 8),
          ("nose", 144, 152, 8, 16), ("cheek_r", 118, 165, 14, 14), ("cheek_l", 170, 165, 14, 14),
          ("mouth", 144, 182, 16, 7), ("chin", 144, 202, 24, 9), ("ear_r", 92, 148, 8, 14), ("ear_l", 196, 148, 8, 14),
          ("brow_r", 124, 122, 12, 3), ("brow_l", 164, 122, 12, 3))  # fmt: skip
"""Region, middle and half axes of its ellipse in a face of the pool's size."""

POINTS = np.array([[164, 135], [124, 135], [144, 162], [158, 182], [130, 182]], np.float32)
WIDTH = 104.0


def labels() -> np.ndarray:
    """(SIDE, SIDE) regions of the one face."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    for name, x, y, wide, tall in SHAPES:
        cv2.ellipse(canvas, (x, y), (wide, tall), 0, 0, 360, INDEX[name], -1)
    return canvas


def faces(count: int = 4) -> Faces:
    """The same face `count` times, a little brighter or darker."""
    regions = labels()
    seen = np.where((regions > 0)[..., None], COLORS[regions] // 2, 0).astype(np.uint8)
    return Faces(
        np.stack([np.asarray(seen * (0.8 + 0.1 * (index % 4)), np.uint8) for index in range(count)]),
        np.stack([(regions > 0).astype(np.uint8) * 255] * count),
        np.stack([regions] * count),
        np.stack([POINTS] * count),
        np.full(count, WIDTH, np.float32),
    )
