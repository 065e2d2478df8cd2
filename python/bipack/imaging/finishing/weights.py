"""Where an equalizer band acts: in the shadows or lights (areas), and at edges or away from them."""

from __future__ import annotations

import numpy as np

from bipack.imaging import color
from bipack.imaging.finishing.tent import tent
from bipack.imaging.finishing.working_space import luma
from bipack.imaging.frame import Pixels

GRAIN = 0.2
"""Taken off the strength of edges, so that grain is none."""


def encoded_luma(linear: Pixels) -> Pixels:
    """(height, width) luma of scene-linear (height, width, 3), encoded: 0.5 is a middle tone, 1 is white."""
    return color.encode(luma(linear))


def tonal_range(tone: Pixels, low: float, high: float, softness: float) -> Pixels:
    """1 where `tone` lies between `low` and `high`, down to 0 over `softness` on either side."""
    soft = np.float32(max(softness, 1e-6))
    up = np.clip((tone - np.float32(low)) / soft + 1.0, 0.0, 1.0)
    down = np.clip((np.float32(high) - tone) / soft + 1.0, 0.0, 1.0)
    return np.asarray(up * down, np.float32)


def edge_strength(tone: Pixels, size: float, gain: float) -> Pixels:
    """0 on even ground, 1 along strong edges, about `size` pixels wide: gain T(|tone - T(tone)|) - 0.2, clamped."""
    detail = np.abs(tone - tent(tone, size))
    strength = tent(detail, size)
    strength *= np.float32(gain)
    strength -= np.float32(GRAIN)
    return np.asarray(np.clip(strength, 0.0, 1.0, out=strength), np.float32)


def held_at_edges(strength: Pixels, edges: float) -> Pixels:
    """The factor of every amount: 1 - edges x strength. At 1 edges are spared, at -1 they get twice the amount."""
    return np.asarray(1.0 - np.float32(edges) * strength, np.float32)
