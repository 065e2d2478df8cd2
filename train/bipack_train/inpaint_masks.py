"""Holes to learn from: strokes of a brush, objects, wires and boxes, drawn by a seed.

How wide a hole is matters more than how much it covers: what is behind a wire is told by its two sides, what is behind
a wall by nobody. `widest` bounds the width in pixels; the worker shrinks a picture until its hole is that narrow.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
"""(height, width), true in the hole."""

_Canvas = NDArray[np.uint8]
_NARROWEST = 3
_MOST_SHAPES = 400


def free_form(rng: np.random.Generator, canvas: _Canvas, widest: float) -> None:
    """One brush stroke that bends."""
    side = len(canvas)
    width = int(rng.uniform(_NARROWEST, max(_NARROWEST + 1.0, widest)))
    place, heading = rng.uniform(0, side, 2), rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(3, 9))):
        heading += rng.uniform(-1.2, 1.2)
        after = place + np.array([np.cos(heading), np.sin(heading)]) * rng.uniform(side / 20, side / 5)
        first, last = ((int(point[0]), int(point[1])) for point in (place, after))
        cv2.line(canvas, first, last, 255, width)
        cv2.circle(canvas, last, width // 2, 255, -1)
        place = after


def blob(rng: np.random.Generator, canvas: _Canvas, widest: float) -> None:
    """One object-like outline: round, lobed or angular."""
    radius = rng.uniform(0.35, 1.0) * max(widest, 6.0) / 2
    corners = int(rng.integers(4, 16))
    angles = (np.arange(corners) + rng.uniform(-0.4, 0.4, corners)) * 2 * np.pi / corners
    reach = radius * rng.uniform(0.7, 1.3, corners)
    centre = rng.uniform(0, len(canvas), 2)
    stretch = np.array([1.0, rng.uniform(1.0, 2.5)])[:: int(rng.choice([-1, 1]))]
    points = centre + np.stack([np.cos(angles), np.sin(angles)], 1) * reach[:, None] * stretch
    cv2.fillPoly(canvas, [np.round(points).astype(np.int32)], 255)


def wire(rng: np.random.Generator, canvas: _Canvas, widest: float) -> None:
    """One thin straight or hanging line from side to side."""
    side, width = len(canvas), int(rng.uniform(_NARROWEST - 1, max(_NARROWEST, min(widest, 12.0))))
    start, end, sag = rng.uniform(-0.2, 1.2, 2) * side, rng.uniform(-0.2, 1.2, 2) * side, rng.uniform(-0.2, 0.2)
    along = np.linspace(0, 1, 24)[:, None]
    points = start + (end - start) * along
    points[:, 1] += sag * side * 4 * (along * (1 - along))[:, 0]
    cv2.polylines(canvas, [np.round(points).astype(np.int32)], False, 255, width)


def box(rng: np.random.Generator, canvas: _Canvas, widest: float) -> None:
    """One upright rectangle whose short side is `widest` at most."""
    short = rng.uniform(0.3, 1.0) * max(widest, 6.0)
    sides = np.array([short, short * rng.uniform(1.0, 3.0)])[:: int(rng.choice([-1, 1]))]
    left, top = (int(value) for value in rng.uniform(-short / 2, len(canvas) - short / 2, 2))
    cv2.rectangle(canvas, (left, top), (left + int(sides[0]), top + int(sides[1])), 255, -1)


_Draw = Callable[[np.random.Generator, _Canvas, float], None]
KINDS: tuple[tuple[float, _Draw], ...] = ((0.5, free_form), (0.2, blob), (0.15, wire), (0.15, box))
"""How often each kind is drawn."""

_ALONE = 0.3
"""Share of the holes that are one blob or box: what a matte mostly is."""


def draw(rng: np.random.Generator, side: int, widest: float, least: float = 0.05, most: float = 0.4) -> Mask:
    """A hole in a square of `side` pixels: of one random kind over about `least` to `most` of it, or a single shape."""
    if rng.random() < _ALONE:
        return of_kind(rng, (blob, box)[int(rng.integers(2))], side, widest, 0.0)
    chances = np.array([chance for chance, _ in KINDS])
    kind = KINDS[int(rng.choice(len(KINDS), p=chances / chances.sum()))][1]
    return of_kind(rng, kind, side, widest, float(rng.uniform(least, most)))


def of_kind(rng: np.random.Generator, kind: _Draw, side: int, widest: float, share: float) -> Mask:
    """Shapes of one kind, one at least, until they cover `share` of a square of `side` pixels: never all of it."""
    canvas = np.zeros((side, side), np.uint8)
    for _ in range(_MOST_SHAPES):
        before = canvas.copy()
        kind(rng, canvas, widest)
        if np.count_nonzero(canvas) > 0.75 * canvas.size:
            canvas = before
        elif canvas.any() and np.count_nonzero(canvas) >= share * canvas.size:
            break
    if not canvas.any():
        canvas[side // 2, side // 2] = 255
    return canvas > 0
