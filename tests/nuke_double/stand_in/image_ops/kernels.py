"""Filter kernels: what a blur's size means, and how pictures are resampled.

**To check on a real Nuke** (an impulse and a Blur are enough): Foundry does not document how size becomes a kernel.
The rule taken here is that `size` is the full width at half maximum of every filter: a box that wide, a triangle that
falls to zero at ±size, a quadratic B-spline at ±1.5 size, a gaussian with sigma = size / 2.3548. `width_factor` lets
a test try what a gizmo does if that is wrong.
"""

from __future__ import annotations

import math

import numpy as np

from ..image import Edges, Image

width_factor = 1.0
SIGMA_PER_SIZE = 1.0 / (2.0 * math.sqrt(2.0 * math.log(2.0)))


def blur_kernel(filter_name: str, size: float) -> np.ndarray:
    """Weights at whole pixels, odd count, sum 1. A size that reaches no neighbour is the identity."""
    size = float(size) * width_factor
    if size <= 0:
        return np.ones(1)
    if filter_name == "box":
        reach = math.ceil((size - 1) / 2) if size > 1 else 0
        k = np.arange(-reach, reach + 1)
        weights = np.clip(size / 2 + 0.5 - np.abs(k), 0, 1)
    elif filter_name == "triangle":
        reach = math.floor(size)
        weights = np.clip(1 - np.abs(np.arange(-reach, reach + 1)) / size, 0, None)
    elif filter_name == "quadratic":
        reach = math.floor(1.5 * size)
        weights = _quadratic(np.arange(-reach, reach + 1) / size)
    else:
        sigma = size * SIGMA_PER_SIZE
        reach = max(1, math.ceil(4 * sigma))
        weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma * sigma))
    while len(weights) > 1 and weights[0] == 0:
        weights = weights[1:-1]
    return weights / weights.sum()


def _quadratic(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    return np.where(x <= 0.5, 0.75 - x * x, np.where(x < 1.5, 0.5 * (1.5 - x) ** 2, 0.0))


def separable(pixels: np.ndarray, across: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Valid convolution, along rows by `across` and along columns by `up`; in double precision."""
    out = pixels.astype(np.float64)
    out = _along(out, across, 1)
    return _along(out, up, 0).astype(np.float32)


def _along(pixels: np.ndarray, kernel: np.ndarray, axis: int) -> np.ndarray:
    if len(kernel) == 1:
        return pixels * kernel[0]
    count = pixels.shape[axis] - len(kernel) + 1
    total = np.zeros((count, pixels.shape[1]) if axis == 0 else (pixels.shape[0], count))
    for i, weight in enumerate(kernel):
        if weight:
            total += weight * (pixels[i : i + count] if axis == 0 else pixels[:, i : i + count])
    return total


# resampling

_CARDINAL = {"Cubic": 0.0, "Keys": -0.5, "Simon": -0.75, "Rifman": -1.0}


def weight(name: str, x: np.ndarray) -> np.ndarray:
    """The continuous kernel of a Reformat or Transform filter."""
    x = np.abs(x)
    if name in _CARDINAL:
        a = _CARDINAL[name]
        near = (a + 2) * x**3 - (a + 3) * x**2 + 1
        far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
        return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
    if name == "Mitchell":
        return _mitchell(x, 1 / 3, 1 / 3)
    if name == "Parzen":
        return _mitchell(x, 1.0, 0.0)
    if name == "Notch":
        return _mitchell(x, 1.5, -0.25)
    if name in ("Lanczos4", "Lanczos6"):
        lobes = 2 if name == "Lanczos4" else 3
        return np.where(x < lobes, np.sinc(x) * np.sinc(x / lobes), 0.0)
    if name == "Sinc4":
        return np.where(x < 2, np.sinc(x), 0.0)
    return np.where(x <= 0.5, 1.0, 0.0)  # Impulse, Box


def _mitchell(x: np.ndarray, b: float, c: float) -> np.ndarray:
    near = ((12 - 9 * b - 6 * c) * x**3 + (-18 + 12 * b + 6 * c) * x**2 + (6 - 2 * b)) / 6
    far = ((-b - 6 * c) * x**3 + (6 * b + 30 * c) * x**2 + (-12 * b - 48 * c) * x + (8 * b + 24 * c)) / 6
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


REACH = {"Impulse": 0.5, "Box": 0.5, "Lanczos6": 3.0}


def resample(
    image: Image, channel: str, box: Edges, sx: float, sy: float, tx: float, ty: float, name: str
) -> np.ndarray:
    """The channel over `box` of a picture scaled by sx, sy and then moved by tx, ty; pixel centres at +0.5."""
    columns, across = _matrix(box.x, box.r, sx, tx, name)
    rows, up = _matrix(box.y, box.t, sy, ty, name)
    if not columns or not rows:
        return np.zeros((box.height, box.width), np.float32)
    source = image.array(channel, Edges(columns[0], rows[0], columns[1], rows[1])).astype(np.float64)
    with np.errstate(all="ignore"):
        return (up @ source @ across.T).astype(np.float32)


def _matrix(start: int, end: int, scale: float, shift: float, name: str) -> tuple[tuple[int, int] | None, np.ndarray]:
    """Source pixels used, and the weights of each of them for each output pixel."""
    if end <= start:
        return None, np.zeros((0, 0))
    centres = (np.arange(start, end) + 0.5 - shift) / scale
    if name == "Impulse":
        taps = np.floor(centres).astype(int)
        low, high = int(taps.min()), int(taps.max()) + 1
        matrix = np.zeros((end - start, high - low))
        matrix[np.arange(end - start), taps - low] = 1
        return (low, high), matrix
    stretch = max(1.0, 1.0 / scale)
    reach = REACH.get(name, 2.0) * stretch
    low, high = math.floor(centres.min() - reach), math.ceil(centres.max() + reach) + 1
    pixels = np.arange(low, high) + 0.5
    if name == "Box":
        overlap = np.minimum(pixels[None] + 0.5, centres[:, None] + reach) - np.maximum(
            pixels[None] - 0.5, centres[:, None] - reach
        )
        matrix = np.clip(overlap, 0, None)
    else:
        matrix = weight(name, (centres[:, None] - pixels[None]) / stretch)
    return (low, high), matrix / matrix.sum(axis=1, keepdims=True)
