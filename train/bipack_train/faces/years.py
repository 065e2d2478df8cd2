"""How a skin ages: what each sign of age adds to it, and when.

Faces do not age by dissolving into their older selves, and a face half-way is no mixture of both ends:

- Lines set in one after the other, the deepest first; each begins as a short crease at one place, such as the corner of
  the eye or the wing of the nose, and grows longer as it deepens.
- Spots come one by one. Each has nearly its full tone soon, and grows in width from its middle.
- Bags swell below the lid first and sag downwards with the years.

So every texel of a sign has an age at which the sign reaches it, and one at which it is complete there. What is drawn
at age 0 and at age 1 does not depend on this order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CM_ACROSS = 28.0
"""Width of the face tile in cm near the middle of the face."""

DARKER: tuple[float, float, float] = (-0.75, -1.0, -1.0)
"""Logarithm of the color, channel by channel, where a hollow is one unit dark."""


@dataclass(frozen=True, eq=False)
class Sign:
    """What one kind of sign adds at age 1, and when. Maps are (side, side) of the face tile, y down."""

    height: Floats
    """cm."""

    tint: Floats
    """(side, side, 3) logarithm by which the color changes."""

    begins: Floats | float = 0.0
    """Age at which it reaches a texel."""

    full: Floats | float = 1.0
    """Age at which it is complete there."""

    def share(self, age: float) -> Floats:
        """(side, side) or a single value: how much of it there is at an age, 0..1."""
        begins, full = np.float32(self.begins), np.float32(self.full)
        return np.asarray(np.clip((age - begins) / (full - begins), 0.0, 1.0), np.float32)


class Line(NamedTuple):
    """A line in the skin."""

    points: NDArray[np.floating]
    """(n, 2) in UV."""

    depth: float
    """0..1."""

    width: float
    """cm."""

    start: float = 0.5
    """Place along it, 0..1, at which it sets in."""


class Spot(NamedTuple):
    """A round spot in the skin."""

    x: float
    y: float
    radius: float
    """Texels."""

    strength: float
    """0..1."""


def at(signs: Sequence[Sign], age: float) -> tuple[Floats, Floats]:
    """Height (side, side) in cm and tint (side, side, 3) that all signs add at an age."""
    height, tint = np.zeros_like(signs[0].height), np.zeros_like(signs[0].tint)
    for sign in signs:
        share = sign.share(age)
        height += share * sign.height
        tint += share[..., None] * sign.tint
    return height, tint


def onset(lines: Sequence[Line], side: int, spread: float) -> Floats:
    """(side, side) age at which the nearest line reaches a texel, 0..1.4 `spread`: the deeper a line, the earlier."""
    small = side // 2
    canvas = np.full((small, small), -1.0, np.float32)
    for line in sorted(lines, key=lambda one: one.depth):
        points = np.round(line.points * small * 16).astype(np.int32)
        along = np.abs(np.linspace(0.0, 1.0, len(points)) - line.start) / max(line.start, 1.0 - line.start)
        for first, last, place in zip(points[:-1], points[1:], along, strict=False):
            value = spread * (1.0 - min(line.depth, 1.0) + 0.4 * float(place))
            cv2.line(canvas, tuple(first.tolist()), tuple(last.tolist()), value, 1, cv2.LINE_8, 4)
    if canvas.max() < 0:
        return np.zeros((side, side), np.float32)
    _, nearest = cv2.distanceTransformWithLabels(
        (canvas < 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # Label by label, the value of its pixel.
    values = np.zeros(int(nearest.max()) + 1, np.float32)
    values[nearest[canvas >= 0]] = canvas[canvas >= 0]
    soft = cv2.GaussianBlur(values[nearest], (0, 0), max(0.5, 0.05 * small / CM_ACROSS))
    return np.asarray(cv2.resize(soft, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)


def some_spots(rng: np.random.Generator, side: int, count: int, least: float, most: float) -> list[Spot]:
    """Spots with radii in cm, mostly on cheeks and nose."""
    found = []
    for _ in range(count):
        x, y = np.clip(rng.normal([0.5, 0.38], [0.16, 0.13]), 0.02, 0.98)
        radius = float(rng.uniform(least, most)) * side / CM_ACROSS
        found.append(Spot(float(x) * side, float(y) * side, radius, float(rng.uniform(0.3, 1))))
    return found


def drawn(spots: Sequence[Spot], side: int) -> Floats:
    """(side, side) 0..1 how strong a soft spot is at a texel."""
    canvas = np.zeros((side, side), np.float32)
    for spot in spots:
        center = (int(spot.x * 16), int(spot.y * 16))
        cv2.circle(canvas, center, max(1, int(spot.radius * 16)), spot.strength, -1, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), max(0.4, 0.03 * side / CM_ACROSS)), np.float32)


def spots_onset(spots: Sequence[Spot], side: int, spread: float) -> Floats:
    """(side, side) age at which a spot reaches a texel: large and dark ones are the oldest, rims the youngest."""
    found = np.zeros((side, side), np.float32)
    largest = max((spot.radius for spot in spots), default=1.0)
    for spot in spots:
        reach = int(1.5 * spot.radius) + 3
        rows = slice(max(0, int(spot.y) - reach), int(spot.y) + reach)
        columns = slice(max(0, int(spot.x) - reach), int(spot.x) + reach)
        y, x = np.mgrid[rows, columns][:, : side - rows.start, : side - columns.start].astype(np.float32)
        away = np.hypot(x + 0.5 - spot.x, y + 0.5 - spot.y) / spot.radius
        old = 0.5 * (spot.radius / largest + (spot.strength - 0.3) / 0.7)
        window = found[rows, columns]
        here = spread * (1.15 - old + 0.2 * np.minimum(away, 1.5))
        window[...] = np.where(away < 1.5, here, window)
    return found


def bags_onset(side: int, spread: float) -> Floats:
    """(side, side) age at which the swelling below the eyes reaches a texel: from the lid downwards."""
    down = (np.arange(side, dtype=np.float32) + 0.5) / side
    ages = spread * (0.25 + 0.75 * np.clip((down - 0.293) / 0.035, 0.0, 1.0))
    return np.repeat(ages[:, None], side, axis=1).astype(np.float32)
