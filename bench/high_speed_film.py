"""A camera for rendered high-speed shots: parts of pictures, placed at any time, exposed, with noise, as film.

A shot says where everything is at a time, in key intervals; what the camera makes of it is decided here. Light is
averaged over the time that the shutter is open, each sample at another place inside the pixel, so that motion blur and
edges come out as a sensor sees them; then it is encoded, noise is added, and 8 bits are left. Film is written without
loss. Frame n shows the time n / STEPS: every STEPS-th frame is a key, and those between are the truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging import color

Pixels = NDArray[np.float32]
Matrix = NDArray[np.float64]
"""(3, 3), affine; points are columns x, y, 1."""

STEPS = 8
"""Frames of the camera for each key: 240 a second, if keys come 30 times a second."""

WIDTH, HEIGHT = 480, 270
DENSITY = 1.5
"""Pixels of a picture for each pixel of the frame."""

SHUTTER = 0.5
"""Share of a frame's time for which the shutter is open."""

_SAMPLES = ((-0.125, -0.375), (0.375, -0.125), (-0.375, 0.125), (0.125, 0.375))
"""Places in the pixel, in the order in which they are exposed."""

_NOISE = 0.006
"""Standard deviation of the noise, encoded."""


@dataclass(frozen=True, eq=False)
class Sprite:
    """A cut-out picture, and the point by which it is placed."""

    pixels: Pixels
    """(height, width, 4), scene-linear, premultiplied, the last channel is alpha."""

    pivot: tuple[float, float]
    """x and y in its pixels."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A sprite at one time."""

    sprite: Sprite
    matrix: Matrix
    """From places around the pivot, in frame pixels, to the world."""

    light: float = 1.0
    wave: tuple[float, float, float] | None = None
    """Amplitude at the far end in frame pixels, waves along the sprite, phase: what it is moved by across its x."""


class Shot(Protocol):
    """What is seen, at any time in key intervals."""

    background: Pixels
    """(height, width, 3), scene-linear, DENSITY pixels for each of the frame; mirrored beyond its borders."""

    def camera(self, time: float) -> Matrix:
        """From the world to the frame."""

    def placed(self, time: float) -> Sequence[Placed]:
        """Everything before the background, from back to front."""


# Placing ------------------------------------------------------------------------------------------------------------


def at(x: float, y: float, angle: float = 0.0, across: float = 1.0, down: float = 1.0) -> Matrix:
    """Grown, turned, then moved."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine * across, -sine * down, x], [sine * across, cosine * down, y], [0.0, 0.0, 1.0]])


def point(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    """Where a place comes to lie."""
    found = matrix @ (x, y, 1.0)
    return float(found[0]), float(found[1])


# Exposing -----------------------------------------------------------------------------------------------------------


def exposed(shot: Shot, time: float, width: int = WIDTH) -> Pixels:
    """The frame whose shutter opens at `time`: scene-linear, without noise, (height, width, 3)."""
    height = width * HEIGHT // WIDTH
    total = np.zeros((height, width, 3), np.float32)
    for index, (right, below) in enumerate(_SAMPLES):
        moment = time + SHUTTER / STEPS * index / len(_SAMPLES)
        view = at(right, below) @ at(0, 0, 0, width / WIDTH, width / WIDTH) @ shot.camera(moment)
        ground = view @ at(0, 0, 0, 1 / DENSITY, 1 / DENSITY)
        picture = cv2.warpAffine(shot.background, ground[:2], (width, height), borderMode=cv2.BORDER_REFLECT_101)
        for placed in shot.placed(moment):
            _paste(picture, placed, view)
        total += picture
    return total / np.float32(len(_SAMPLES))


def _paste(picture: Pixels, placed: Placed, view: Matrix) -> None:
    sprite = placed.sprite
    height, width = sprite.pixels.shape[:2]
    x, y = sprite.pivot
    whole = view @ placed.matrix @ at(-x / DENSITY, -y / DENSITY, 0, 1 / DENSITY, 1 / DENSITY)
    swell = DENSITY * abs(placed.wave[0]) if placed.wave else 0.0
    edges = [point(whole, right, below) for right in (0, width) for below in (-swell, height + swell)]
    left, top = (max(0, int(np.floor(min(edge[axis] for edge in edges))) - 1) for axis in (0, 1))
    right = min(picture.shape[1], int(np.ceil(max(edge[0] for edge in edges))) + 2)
    bottom = min(picture.shape[0], int(np.ceil(max(edge[1] for edge in edges))) + 2)
    if right <= left or bottom <= top:
        return
    local = at(-left, -top) @ whole
    size = (right - left, bottom - top)
    if placed.wave is None:
        found = cv2.warpAffine(sprite.pixels, local[:2], size, borderMode=cv2.BORDER_CONSTANT)
        light: Pixels | float = placed.light
    else:
        found, light = _waved(sprite, placed, local, size)
    window = picture[top:bottom, left:right]
    window *= 1 - found[:, :, 3:]
    window += found[:, :, :3] * np.float32(light) if isinstance(light, float) else found[:, :, :3] * light


def _waved(sprite: Sprite, placed: Placed, local: Matrix, size: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """A sprite that waves, and the light on its slopes."""
    assert placed.wave is not None
    amplitude, waves, phase = placed.wave
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    back = np.linalg.inv(local)
    x = back[0, 0] * columns + back[0, 1] * rows + back[0, 2]
    y = back[1, 0] * columns + back[1, 1] * rows + back[1, 2]
    along = np.clip(x / sprite.pixels.shape[1], 0, 1)
    turn = 2 * np.pi * waves * along - phase
    away = DENSITY * amplitude * along * np.sin(turn)
    slope = 2 * np.pi * waves * along * np.cos(turn) * amplitude * DENSITY / sprite.pixels.shape[1]
    maps = (x.astype(np.float32), (y - away).astype(np.float32))
    found = cv2.remap(sprite.pixels, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return found, np.asarray(placed.light * (1 - 0.35 * np.tanh(slope)), np.float32)[:, :, None]


def frames(shot: Shot, count: int, seed: int, width: int = WIDTH) -> Iterator[NDArray[np.uint8]]:
    """The first frames as the camera keeps them, (height, width, 3)."""
    for index in range(count):
        noise = np.random.default_rng([seed, index]).standard_normal((width * HEIGHT // WIDTH, width, 3), np.float32)
        encoded = color.encode(exposed(shot, index / STEPS, width)) + np.float32(_NOISE) * noise
        yield np.round(np.clip(encoded, 0, 1) * 255).astype(np.uint8)


def write(path: str, shot: Shot, count: int, seed: int, width: int = WIDTH) -> None:
    """Write a shot as a film that loses nothing."""
    with av.open(path, "w") as film:
        stream = film.add_stream("ffv1", rate=30 * STEPS)
        stream.width, stream.height, stream.pix_fmt = width, width * HEIGHT // WIDTH, "bgr0"
        for picture in frames(shot, count, seed, width):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(stream.encode())


# Cutting out --------------------------------------------------------------------------------------------------------


def cut(picture: Pixels, rng: np.random.Generator, width: float, height: float, detail: float = 1.8) -> Pixels:
    """A piece of an encoded picture for an area in frame pixels, as light; `detail` of its pixels for each of ours."""
    size = max(2, round(width * DENSITY)), max(2, round(height * DENSITY))
    share = min(detail, picture.shape[1] / size[0], picture.shape[0] / size[1])
    taken = max(2, int(size[0] * share)), max(2, int(size[1] * share))
    left, top = (
        int(rng.integers(0, whole - part + 1)) for whole, part in zip(picture.shape[1::-1], taken, strict=True)
    )
    piece = np.ascontiguousarray(picture[top : top + taken[1], left : left + taken[0]])
    return color.decode(np.asarray(cv2.resize(piece, size, interpolation=cv2.INTER_AREA), np.float32))


def shaped(light: Pixels, outline: NDArray[np.float64], pivot: tuple[float, float]) -> Sprite:
    """The inside of a closed outline, (n, 2) in frame pixels; `pivot` in frame pixels too."""
    mask = np.zeros(light.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(outline * DENSITY * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return masked(light, mask.astype(np.float32) / 255, pivot)


def masked(light: Pixels, alpha: Pixels, pivot: tuple[float, float]) -> Sprite:
    """Light with alpha, (height, width); `pivot` in frame pixels."""
    pixels = np.concatenate([light * alpha[:, :, None], alpha[:, :, None]], axis=2)
    framed = cv2.copyMakeBorder(pixels, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    return Sprite(np.ascontiguousarray(framed, np.float32), (pivot[0] * DENSITY + 1, pivot[1] * DENSITY + 1))


def oval(width: float, height: float) -> NDArray[np.float64]:
    """Outline of an ellipse that fills its area."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([width / 2 * (1 + np.cos(angle)), height / 2 * (1 + np.sin(angle))], axis=1)


def limb(length: float, top: float, foot: float) -> NDArray[np.float64]:
    """Outline of a limb that hangs from the middle of its round top end: widths `top` and `foot`."""
    half = np.linspace(0, np.pi, 16)
    above = np.stack([top / 2 * (1 - np.cos(half)), top / 2 * (1 - np.sin(half))], axis=1)
    below = np.stack([top / 2 + foot / 2 * np.cos(half), length + top / 2 + foot / 2 * np.sin(half)], axis=1)
    return np.concatenate([above, below])
