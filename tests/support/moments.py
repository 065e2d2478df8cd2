"""Moments for the tests of the slow-motion trainer: a window that slides over a texture, and rendered scenes."""

from __future__ import annotations

import cv2
import numpy as np

from bipack_train import motion_scenes
from bipack_train.slowmo_pool import MomentPool

SIDE = 48


def texture(seed: int, side: int = 120) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.random((12, 12, 3)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)


def sliding(count: int, step: float = 2.0, seed: int = 1, side: int = 64) -> list[np.ndarray]:
    """Encoded 8-bit frames of a window that slides over a texture."""
    whole = np.clip(texture(seed), 0, 1)
    frames = []
    for index in range(count):
        centre = (40 + index * step, 50.0)
        frames.append(np.round(cv2.getRectSubPix(whole, (side, side), centre) * 255).astype(np.uint8))
    return frames


def rendered_pool() -> MomentPool:
    pool = MomentPool(SIDE)
    pictures = [texture(1), texture(2)]
    for seed in range(4):
        pool.add_rendered(motion_scenes.render(pictures, np.random.default_rng(seed), 64, around=True, swing=0.05))
    return pool
