"""The figures that super-res models are judged by, in the convention of the published tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LUMA = (65.481, 128.553, 24.966)
"""BT.601 luma in studio range from coded RGB 0..1; the offset of 16 cancels in a difference."""


def luma(coded: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """BT.601 luma 16..235 of display-coded RGB 0..1, (height, width, 3) to (height, width), not rounded."""
    result: NDArray[np.float64] = coded.astype(np.float64) @ np.array(_LUMA) + 16.0
    return result


def psnr_y(result: NDArray[np.float32], truth: NDArray[np.float32], border: int) -> float:
    """PSNR of luma in dB against 255, both pictures rounded to 8 bits and clipped first, `border` pixels cut off.

    Pictures are display-coded RGB 0..1, (height, width, 3). This is the figure of the Set5 / Set14 / Urban100 tables,
    where the border is the scale. Identical pictures give infinity.
    """
    first, second = (luma(np.round(np.clip(picture, 0, 1) * 255) / 255) for picture in (result, truth))
    if border:
        first, second = (picture[border:-border, border:-border] for picture in (first, second))
    error = float(np.mean((first - second) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(255.0**2 / error))


def finest_octave(coded: NDArray[np.floating[Any]]) -> float:
    """RMS of what is lost of luma when (height, width, 3) is averaged over blocks of 2x2: how strong its texture is."""
    bright = luma(coded)
    height, width = (side // 2 for side in bright.shape)
    blocks = bright[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    return float(np.sqrt(np.mean((blocks - blocks.mean(axis=(1, 3), keepdims=True)) ** 2)))
