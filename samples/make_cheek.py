"""Makes the sample cheek: a close-up of drawn skin for the finishing tools, with film grain and without.

    python samples/make_cheek.py

Nobody's face: soft light over a curved surface, blotches, pores, fine lines, freckles, a mole, a few oily highlights
above 1, all from formulas and a fixed seed. `cheek.1001.exr` has grain, `cheek_degrained.1001.exr` is the same without.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python"))

from bipack.imaging import color  # noqa: E402
from bipack.imaging.frame import Box, Frame, Part  # noqa: E402
from bipack.imaging.image_io import write_frame  # noqa: E402

WIDTH, HEIGHT = 400, 260
MOLE = (262, 118)
"""Where the mole is, pixels from the upper left corner."""

GRAIN = (0.014, 0.012, 0.019)
"""Deviation of the grain at a middle tone, encoded values, for red, green and blue."""

Plane = NDArray[np.float32]


def soft(random: np.random.Generator, size: float, stretch: float = 1.0) -> Plane:
    """Noise of unit deviation, `size` pixels large."""
    plane = random.normal(size=(HEIGHT, WIDTH)).astype(np.float32)
    plane = cv2.GaussianBlur(plane, (0, 0), sigmaX=size * stretch, sigmaY=size)
    return np.asarray(plane / plane.std(), np.float32)


def dots(random: np.random.Generator, count: int, small: float, large: float) -> Plane:
    """Soft round dots of random sizes and depths, 0..1."""
    plane = np.zeros((HEIGHT, WIDTH), np.float32)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    for _ in range(count):
        x, y = random.uniform(0, WIDTH), random.uniform(0, HEIGHT)
        size, depth = random.uniform(small, large), random.uniform(0.3, 1.0)
        reach = int(4 * size) + 2
        here = np.s_[max(0, int(y) - reach) : int(y) + reach, max(0, int(x) - reach) : int(x) + reach]
        distance = (columns[here] - x) ** 2 + (rows[here] - y) ** 2
        plane[here] = np.maximum(plane[here], depth * np.exp(-distance / (2 * size * size)))
    return plane


def skin(random: np.random.Generator) -> Plane:
    """The cheek without grain, scene-linear (HEIGHT, WIDTH, 3)."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    light = 0.25 + 0.95 * np.exp(-(((columns - 150) / 210) ** 2) - ((rows - 90) / 190) ** 2)
    height = 0.5 * soft(random, 3.0) + 0.35 * soft(random, 1.3) + 0.3 * soft(random, 1.2, 5.0)
    height -= 2.2 * dots(random, 500, 0.9, 1.6)
    relief = cv2.Sobel(cv2.GaussianBlur(height, (0, 0), 0.6), cv2.CV_32F, 1, 1, ksize=3)
    light = light * (1 + 0.05 * relief + 0.035 * height)
    blood = 0.5 + 0.12 * soft(random, 26.0) + 0.08 * soft(random, 9.0)
    brown = 0.55 * dots(random, 60, 1.2, 3.2)
    brown = np.maximum(brown, 0.95 * np.exp(-((columns - MOLE[0]) ** 2 + (rows - MOLE[1]) ** 2) / (2 * 6.0**2)))
    base = np.stack([np.full_like(light, 0.46), 0.27 - 0.10 * (blood - 0.5), 0.20 - 0.09 * (blood - 0.5)], axis=-1)
    dark = np.array([0.35, 0.62, 0.75], np.float32)
    base *= 1 - brown[..., None] * dark
    oil = 0.5 * np.clip(0.7 * soft(random, 1.6) + 0.9 * soft(random, 7.0) - 1.2, 0, None) ** 1.5
    oil *= np.exp(-(((columns - 130) / 70) ** 2) - ((rows - 80) / 50) ** 2)
    return np.asarray(base * light[..., None] + oil[..., None] * np.array([0.9, 0.85, 0.8], np.float32), np.float32)


def with_grain(picture: Plane, random: np.random.Generator) -> Plane:
    """Film grain that is strongest in the middle tones and a little coarser in blue."""
    encoded = color.encode(picture)
    tone = np.clip(encoded.mean(axis=-1, keepdims=True), 0, 1)
    strength = np.array(GRAIN, np.float32) * (0.35 + 2.6 * tone * (1 - tone))
    grain = np.stack([soft(random, size) for size in (0.65, 0.6, 0.85)], axis=-1)
    grain[..., 1] = 0.45 * grain[..., 0] + 0.89 * grain[..., 1]
    return color.decode(encoded + grain * strength)


def save(path: Path, picture: Plane) -> None:
    """Half float, RGB."""
    window = Box.of_size(WIDTH, HEIGHT)
    channels = {name: picture[..., index].astype(np.float16) for index, name in enumerate("RGB")}
    attributes = {"comments": "Drawn by samples/make_cheek.py; nobody's face.", "pixelAspectRatio": 1.0}
    path.parent.mkdir(exist_ok=True)
    write_frame(str(path), Frame([Part(channels, window, window, attributes)]))


def main() -> None:
    """Write the two frames."""
    random = np.random.default_rng(20)
    clean = skin(random)
    save(ROOT / "samples/cheek/cheek_degrained.1001.exr", clean)
    save(ROOT / "samples/cheek/cheek.1001.exr", with_grain(clean, random))


if __name__ == "__main__":
    main()
