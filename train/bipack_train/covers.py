"""Things that hide a picture and are no tracking markers: wires, rods and strips, drawn at random.

They teach a shipped model how pictures go on below what hides them, whatever that is, while its matte is taught to
leave them alone: an artist's own pairs say which of them are to go.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging.frame import Pixels

_SHIFT = 3
"""Fractional bits of OpenCV's drawing coordinates."""


def cover(clean: Pixels, rng: np.random.Generator) -> tuple[Pixels, NDArray[np.bool_]]:
    """`clean` (side, side, 3) encoded with something in front of it, and where it is hidden (side, side)."""
    side = clean.shape[0]
    amount, paint = np.zeros((side, side), np.float32), np.zeros_like(clean)
    kind = str(rng.choice(["wires", "rod", "strip"], p=[0.45, 0.4, 0.15]))
    for _ in range(int(rng.integers(1, 4)) if kind == "wires" else 1):
        shape = _DRAWN[kind](side, rng)
        color = _paint(clean, rng)
        shade = 1.0 + float(rng.uniform(0, 0.6)) * _across(shape, rng)
        paint = np.where(shape[..., None] > 0, color * shade[..., None], paint)
        amount = np.maximum(amount, shape * float(rng.uniform(0.75, 1.0)))
    soft = float(rng.choice([0.4, 0.7, 1.2]))
    amount = cv2.GaussianBlur(amount, (0, 0), soft)
    hidden = np.asarray(amount > 0.01)
    amount = np.where(hidden, amount, 0.0)[..., None]
    covered = clean * (1 - amount) + amount * paint
    covered += np.where(hidden[..., None], rng.normal(0, rng.choice([0.0, 0.01]), clean.shape), 0.0)
    return covered.astype(np.float32), hidden


def _paint(clean: Pixels, rng: np.random.Generator) -> Pixels:
    """A color of its own, or one that occurs in the picture, which is harder to tell apart."""
    if rng.random() < 0.4:
        y, x = rng.integers(0, clean.shape[0], 2)
        return np.asarray(clean[y, x] * rng.uniform(0.6, 1.3), np.float32)
    grey = float(rng.uniform(0.02, 0.95))
    return np.asarray(grey * (1 + rng.uniform(-0.3, 0.3, 3)), np.float32)


def _across(shape: Pixels, rng: np.random.Generator) -> Pixels:
    """Shading from the middle of a shape to its rim, -1..1, lit from one side."""
    depth = cv2.distanceTransform((shape > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    turn = rng.uniform(0, 2 * np.pi)
    step = np.array([[1, 0, 2 * np.cos(turn)], [0, 1, 2 * np.sin(turn)]], np.float32)
    moved = cv2.warpAffine(depth, step, shape.shape[::-1])
    return np.asarray((depth - moved) / 2.0, np.float32)


def _line(side: int, width: float, rng: np.random.Generator, bend: float) -> Pixels:
    start, end = rng.uniform(-0.2, 1.2, 2) * side, rng.uniform(-0.2, 1.2, 2) * side
    if rng.random() < 0.7:
        # Most go right through the picture.
        start[1], end[1] = -8.0, side + 8.0
        if rng.random() < 0.4:
            start, end = start[::-1], end[::-1]
    middle = (start + end) / 2 + rng.normal(0, bend * side, 2)
    part = np.linspace(0, 1, 24)[:, None]
    curve = (1 - part) ** 2 * start + 2 * part * (1 - part) * middle + part**2 * end
    canvas = np.zeros((side, side), np.uint8)
    points = np.round(curve * (1 << _SHIFT)).astype(np.int32)
    cv2.polylines(canvas, [points], False, 255, max(1, round(width)), cv2.LINE_AA, _SHIFT)
    return (canvas / 255).astype(np.float32)


def _wires(side: int, rng: np.random.Generator) -> Pixels:
    return _line(side, float(rng.uniform(1, 6)), rng, float(rng.choice([0.0, 0.05, 0.2])))


def _rod(side: int, rng: np.random.Generator) -> Pixels:
    return _line(side, float(rng.uniform(6, 20)), rng, float(rng.choice([0.0, 0.0, 0.1])))


def _strip(side: int, rng: np.random.Generator) -> Pixels:
    canvas = np.zeros((side, side), np.uint8)
    # Long enough that nobody takes it for a taped marker.
    width, height = rng.uniform(6, 26), rng.uniform(60, 120)
    place = tuple(float(value) for value in rng.uniform(0, side, 2))
    corners = cv2.boxPoints((place, (width, height), float(rng.uniform(0, 180))))
    cv2.fillPoly(canvas, [np.round(corners * (1 << _SHIFT)).astype(np.int32)], 255, cv2.LINE_AA, _SHIFT)
    return (canvas / 255).astype(np.float32)


_DRAWN = {"wires": _wires, "rod": _rod, "strip": _strip}
