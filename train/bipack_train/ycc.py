"""RGB as luma and chroma of 8 bits, chroma at less than full size: how film files keep color.

BT.709 in studio range. Chroma samples are the mean of the pixels they stand for and are interpolated back about their
centres, so that color does not move against luma.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

CHROMA = {"420": (2, 2), "422": (1, 2), "444": (1, 1)}
"""(rows, columns) of pixels that share a chroma sample."""

_RED, _BLUE = 0.2126, 0.0722
_RANGE = 219.0 / 255.0, 224.0 / 255.0


def chroma_size(height: int, width: int, chroma: str) -> tuple[int, int]:
    """Rows and columns of a chroma plane."""
    down, across = CHROMA[chroma]
    return height // down, width // across


def split(pixels: Bytes, chroma: str = "420") -> list[Bytes]:
    """(height, width, 3) RGB to planes Y, Cb, Cr; sides must be multiples of what `chroma` shares."""
    red, green, blue = (pixels[:, :, index].astype(np.float32) for index in range(3))
    luma = _RED * red + (1 - _RED - _BLUE) * green + _BLUE * blue
    differences = ((blue - luma) / (2 - 2 * _BLUE), (red - luma) / (2 - 2 * _RED))
    rows, columns = chroma_size(luma.shape[0], luma.shape[1], chroma)
    small = [cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA) for plane in differences]
    return [_rounded(luma * _RANGE[0] + 16), *(_rounded(plane * _RANGE[1] + 128) for plane in small)]


def join(planes: Sequence[Bytes]) -> Bytes:
    """Planes Y, Cb, Cr of any chroma size to (height, width, 3) RGB."""
    height, width = planes[0].shape
    luma = (planes[0].astype(np.float32) - 16) / _RANGE[0]
    wide = [cv2.resize(plane.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) for plane in planes]
    blue = luma + (wide[1] - 128) / _RANGE[1] * (2 - 2 * _BLUE)
    red = luma + (wide[2] - 128) / _RANGE[1] * (2 - 2 * _RED)
    green = (luma - _RED * red - _BLUE * blue) / (1 - _RED - _BLUE)
    return _rounded(np.stack([red, green, blue], axis=-1))


def _rounded(values: NDArray[Any]) -> Bytes:
    rounded: Bytes = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return rounded
