"""Parts that rendered high-speed shots are put together from, cut out of the picture that is their coat."""

from __future__ import annotations

import cv2
import high_speed_film as film
import numpy as np
from high_speed_film import Matrix, Pixels, Sprite

_TURN = 2 * np.pi


class Cutter:
    """Parts of one coat."""

    def __init__(self, coat: Pixels, rng: np.random.Generator) -> None:
        self.coat, self.rng = coat, rng

    def oval(self, width: float, height: float, pivot: tuple[float, float]) -> Sprite:
        """An ellipse."""
        return film.shaped(film.cut(self.coat, self.rng, width, height, 1.0), film.oval(width, height), pivot)

    def limb(self, length: float, top: float, foot: float) -> Sprite:
        """A limb that hangs from its top."""
        light = film.cut(self.coat, self.rng, top, length + top / 2 + foot / 2, 1.0)
        return film.shaped(light, film.limb(length, top, foot), (top / 2, top / 2))


def spotted(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """A coat: a picture, even out, with spots, encoded."""
    side = 640
    fur = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    tint = np.asarray(rng.uniform(0.4, 0.8, 3), np.float32)
    coat = 0.55 * fur + 0.45 * tint
    dark = np.asarray(rng.uniform(0.02, 0.2, 3), np.float32)
    spots = np.zeros((side, side), np.uint8)
    for _ in range(900):
        x, y = (int(value) for value in rng.integers(0, side, 2))
        axes = (int(rng.integers(3, 8)), int(rng.integers(2, 6)))
        cv2.ellipse(spots, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, 255, -1, cv2.LINE_AA)
    share = (spots.astype(np.float32) / 255 * 0.8)[:, :, None]
    return np.asarray(coat * (1 - share) + dark * share, np.float32)


def hinged(angle: float) -> Matrix:
    """A wing raised by an angle, seen from behind and a little above."""
    return np.array([[np.cos(angle), 0.0, 0.0], [-0.8 * np.sin(angle), 0.9, 0.0], [0.0, 0.0, 1.0]])


def soft(width: int, height: int) -> Pixels:
    """An ellipse that fades towards its edge."""
    rows, columns = np.mgrid[0:height, 0:width]
    away = np.square((columns + 0.5) / width * 2 - 1) + np.square((rows + 0.5) / height * 2 - 1)
    return np.asarray(np.clip(1.2 * (1 - away), 0, 1), np.float32)


def box(width: float, height: float, corner: float) -> np.ndarray:
    """Outline of a rectangle with round corners."""
    quarter = np.linspace(0, np.pi / 2, 8)
    parts = []
    for index, (x, y) in enumerate(((width, height), (0, height), (0, 0), (width, 0))):
        angle = quarter + index * np.pi / 2
        inside = (corner if x == 0 else x - corner), (corner if y == 0 else y - corner)
        parts.append(np.stack([inside[0] + corner * np.cos(angle), inside[1] + corner * np.sin(angle)], axis=1))
    return np.concatenate(parts)


def disc(radius: float) -> tuple[Pixels, Pixels]:
    """Distance from the middle in frame pixels and angle, for each pixel of a sprite that a wheel fills."""
    side = round(2 * radius * film.DENSITY)
    rows, columns = (np.mgrid[0:side, 0:side] + 0.5) / film.DENSITY - radius
    return np.asarray(np.hypot(rows, columns), np.float32), np.asarray(np.arctan2(rows, columns), np.float32)


def edge(inside: Pixels) -> Pixels:
    """Alpha of how far inside a pixel is, in frame pixels."""
    return np.clip(inside * np.float32(film.DENSITY) + np.float32(0.5), 0, 1)


def wheel(coat: Pixels, rng: np.random.Generator, radius: float, spokes: int) -> Sprite:
    """Tyre, rim, spokes, hub; one can see through between the spokes."""
    away, angle = disc(radius)
    light = film.cut(coat, rng, 2 * radius, 2 * radius)[: len(away), : len(away)]
    light = np.asarray(cv2.resize(light, away.shape[::-1]), np.float32)
    tyre = edge(away - 0.82 * radius)
    light = light * (1 - 0.85 * tyre[:, :, None])
    thick = float(rng.uniform(4.5, 7.0))
    across = np.abs(np.sin((angle * spokes) / 2) * 2 / spokes) * away
    solid = np.maximum.reduce([edge(away - 0.7 * radius), edge(0.22 * radius - away), edge(thick / 2 - across)])
    return film.masked(light, np.asarray(solid * edge(radius - away), np.float32), (radius, radius))


def propeller(coat: Pixels, rng: np.random.Generator, radius: float, blades: int) -> Sprite:
    """Blades that widen outwards, and a hub."""
    away, angle = disc(radius)
    light = np.asarray(cv2.resize(film.cut(coat, rng, 2 * radius, 2 * radius), away.shape[::-1]), np.float32)
    # Distance from the middle line of the nearest blade.
    off = (angle * blades / _TURN + 0.5) % 1.0 - 0.5
    across = np.abs(np.sin(off * _TURN / blades)) * away
    front = np.cos(off * _TURN / blades) > 0
    blade = edge(np.minimum(0.09 * radius + 0.1 * away, 0.17 * radius) - across) * front
    solid = np.maximum(blade, edge(0.16 * radius - away)) * edge(radius - away)
    return film.masked(light, np.asarray(solid, np.float32), (radius, radius))


def gear(coat: Pixels, rng: np.random.Generator, radius: float, teeth: int) -> Sprite:
    """A cogwheel with holes."""
    away, angle = disc(radius)
    light = np.asarray(cv2.resize(film.cut(coat, rng, 2 * radius, 2 * radius), away.shape[::-1]), np.float32)
    rim = radius * (0.9 + 0.1 * np.tanh(4 * np.sin(angle * teeth)))
    holes = int(rng.integers(3, 6))
    off = ((angle * holes / _TURN) % 1 - 0.5) * _TURN / holes
    hole = edge(0.17 * radius - np.hypot(away - 0.52 * radius, np.sin(off) * away))
    return film.masked(light, np.asarray(edge(rim - away) * (1 - hole), np.float32), (radius, radius))
