"""Draws the toolbar icons: `python gizmos/icons/draw_icons.py`. One glyph for each gizmo, 24 pixels, two colours.

Drawn at sixteen times the size and reduced, so that lines stay clean; a new gizmo gets a function and a line in ICONS.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import cv2
import numpy as np

SIZE = 24
SCALE = 16
Color = tuple[int, int, int]
AMBER, TEAL, WHITE = (224, 166, 72), (86, 176, 170), (236, 236, 232)  # RGB


class Canvas:
    """A transparent square with coordinates from 0 to 24, whatever it is drawn at."""

    def __init__(self) -> None:
        self.color = np.zeros((SIZE * SCALE, SIZE * SCALE, 3), np.float32)
        self.alpha = np.zeros((SIZE * SCALE, SIZE * SCALE), np.float32)

    def _put(self, mask: np.ndarray, color: Color) -> None:
        on = mask > 0
        self.color[on] = color
        self.alpha[on] = 1.0

    def _mask(self) -> np.ndarray:
        return np.zeros(self.alpha.shape, np.uint8)

    def box(self, x: float, y: float, width: float, height: float, color: Color, line: float = 0) -> None:
        """A rectangle; filled unless `line` gives the width of its outline."""
        mask, (left, top) = self._mask(), (round(x * SCALE), round(y * SCALE))
        right, bottom = round((x + width) * SCALE) - 1, round((y + height) * SCALE) - 1
        mask[top : bottom + 1, left : right + 1] = 1
        if line:
            inset = round(line * SCALE)
            mask[top + inset : bottom + 1 - inset, left + inset : right + 1 - inset] = 0
        self._put(mask, color)

    def dot(self, x: float, y: float, radius: float, color: Color, line: float = 0) -> None:
        """A disc, or a ring of width `line`."""
        mask = self._mask()
        center, width = (round(x * SCALE), round(y * SCALE)), round(line * SCALE) if line else -1
        cv2.circle(mask, center, round(radius * SCALE), 1, width)
        self._put(mask, color)

    def path(self, points: list[tuple[float, float]], color: Color, width: float = 1.8) -> None:
        """A line through `points`."""
        mask = self._mask()
        cv2.polylines(mask, [np.round(np.array(points) * SCALE).astype(np.int32)], False, 1, round(width * SCALE))
        self._put(mask, color)

    def shape(self, points: list[tuple[float, float]], color: Color) -> None:
        """A filled polygon."""
        mask = self._mask()
        cv2.fillPoly(mask, [np.round(np.array(points) * SCALE).astype(np.int32)], 1)
        self._put(mask, color)

    def hole(self, x: float, y: float, width: float, height: float) -> None:
        """Make a rectangle transparent again."""
        left, top = round(x * SCALE), round(y * SCALE)
        self.alpha[top : top + round(height * SCALE), left : left + round(width * SCALE)] = 0

    def pixels(self) -> np.ndarray:
        """(24, 24, 4) uint8, BGRA as opencv writes it."""
        premultiplied = self.color * self.alpha[..., None]
        blocks = premultiplied.reshape(SIZE, SCALE, SIZE, SCALE, 3).mean((1, 3))
        alpha = self.alpha.reshape(SIZE, SCALE, SIZE, SCALE).mean((1, 3))
        color = blocks / np.maximum(alpha, 1e-6)[..., None]
        return np.dstack([color[..., ::-1], alpha * 255]).round().astype(np.uint8)


def bipack(canvas: Canvas) -> None:
    """Two strips of film, one over the other."""
    canvas.box(3, 2, 11, 20, AMBER)
    canvas.box(10, 2, 11, 20, TEAL)
    for y in (4, 9, 14, 19):
        canvas.hole(4.5, y - 0.5, 2, 2.5)
        canvas.hole(17.5, y - 0.5, 2, 2.5)
    canvas.box(10, 2, 4, 20, WHITE)


def super_res(canvas: Canvas) -> None:
    """A small picture that becomes a large one."""
    canvas.box(2, 2, 20, 20, TEAL, line=2)
    canvas.box(4.5, 13, 6.5, 6.5, AMBER)
    canvas.path([(11.5, 12.5), (17, 7)], WHITE, 2)
    canvas.shape([(19.5, 4.5), (19.5, 11), (13, 4.5)], WHITE)


def model(canvas: Canvas) -> None:
    """A small network."""
    for left in ((4, 6), (4, 18)):
        for right in ((20, 6), (20, 18)):
            canvas.path([left, (12, 12), right], WHITE, 1.2)
    for x, y in ((4, 6), (4, 18)):
        canvas.dot(x, y, 3, AMBER)
    canvas.dot(12, 12, 3.6, WHITE)
    for x, y in ((20, 6), (20, 18)):
        canvas.dot(x, y, 3, TEAL)


def paint_fix(canvas: Canvas) -> None:
    """A brush and its stroke."""
    canvas.path([(21, 3), (12, 12)], AMBER, 3.2)
    canvas.shape([(13.5, 10), (14.5, 13), (8, 17.5), (7, 16), (10.5, 9.5)], WHITE)
    canvas.path([(3, 21), (7, 19), (12, 21), (20, 19)], TEAL, 2.4)


def train(canvas: Canvas) -> None:
    """Before and after, and round again."""
    canvas.dot(12, 12, 8.5, TEAL, line=2.4)
    canvas.hole(12, 0, 12, 8)
    canvas.shape([(11, 0.5), (18, 4), (11, 8)], TEAL)
    canvas.box(8, 9, 3.4, 6, AMBER)
    canvas.box(12.6, 9, 3.4, 6, WHITE)


def equalizer(canvas: Canvas) -> None:
    """Five bands."""
    for index, y in enumerate((14, 8, 5, 11, 16)):
        x = 2.5 + index * 4.3
        canvas.box(x + 0.4, 2, 1, 20, TEAL)
        canvas.box(x - 0.7, y - 1.5, 3.2, 3.4, AMBER)


def beauty(canvas: Canvas) -> None:
    """A face in soft light."""
    canvas.dot(11, 13, 8, AMBER)
    canvas.shape([(18, 1), (19.3, 4.7), (23, 6), (19.3, 7.3), (18, 11), (16.7, 7.3), (13, 6), (16.7, 4.7)], WHITE)
    canvas.dot(8.2, 12, 1.1, TEAL)
    canvas.dot(13.8, 12, 1.1, TEAL)
    canvas.path([(8, 16), (11, 17.6), (14, 16)], TEAL, 1.4)


def regrain(canvas: Canvas) -> None:
    """Grain."""
    random = np.random.default_rng(7)
    canvas.box(2, 2, 20, 20, TEAL, line=1.6)
    for x in range(4):
        for y in range(4):
            radius = 0.8 + 0.9 * float(random.random())
            dx, dy = random.uniform(-0.8, 0.8, 2)
            canvas.dot(6 + 4 * x + dx, 6 + 4 * y + dy, radius, AMBER if (x + y) % 3 else WHITE)


def recombine(canvas: Canvas) -> None:
    """Two pictures and what they share."""
    canvas.dot(9, 12, 7, AMBER, line=2)
    canvas.dot(15, 12, 7, TEAL, line=2)
    canvas.shape([(12, 6.8), (14, 9.5), (14.4, 12), (14, 14.5), (12, 17.2), (10, 14.5), (9.6, 12), (10, 9.5)], WHITE)


def frequency_split(canvas: Canvas) -> None:
    """A slow wave and a fast one."""
    x = np.linspace(2, 22, 120)
    canvas.path(list(zip(x, 7.5 + 4 * np.sin((x - 2) / 20 * 2 * np.pi), strict=True)), AMBER, 2.2)
    canvas.path(list(zip(x, 18 + 2.6 * np.sin((x - 2) / 20 * 10 * np.pi), strict=True)), TEAL, 1.6)


def clean_plate(canvas: Canvas) -> None:
    """Frames behind each other, the front one empty."""
    canvas.box(2, 2, 14, 14, TEAL, line=1.6)
    canvas.box(5, 5, 14, 14, AMBER, line=1.6)
    canvas.box(8, 8, 14, 14, WHITE)


def inpaint(canvas: Canvas) -> None:
    """A picture with a hole that is being filled from both sides."""
    canvas.box(2, 3, 20, 18, TEAL)
    canvas.dot(12, 12, 6, WHITE)
    canvas.dot(12, 12, 3.2, AMBER)
    canvas.path([(4, 12), (8, 12)], AMBER, 1.6)
    canvas.path([(16, 12), (20, 12)], AMBER, 1.6)


def slow_mo(canvas: Canvas) -> None:
    """One thing at several moments of its way, and the new ones between them."""
    for x, y, radius, color in ((4, 17, 3.2, WHITE), (9, 10, 2.4, TEAL), (14.5, 7.5, 2.4, TEAL), (20, 9, 3.2, AMBER)):
        canvas.dot(x, y, radius, color)
    canvas.path([(2, 21), (22, 21)], WHITE, 1.6)


def face_regions(canvas: Canvas) -> None:
    """A face cut into regions."""
    canvas.dot(12, 12, 10, TEAL)
    canvas.box(6, 7, 4.5, 3.5, AMBER)
    canvas.box(13.5, 7, 4.5, 3.5, AMBER)
    canvas.box(8, 15.5, 8, 3, WHITE)


def de_age(canvas: Canvas) -> None:
    """A lined forehead above a smooth one."""
    canvas.dot(12, 12, 10, TEAL)
    canvas.path([(6, 6.5), (9, 5.8), (15, 5.8), (18, 6.5)], WHITE, 1.3)
    canvas.path([(5, 9.5), (9, 8.8), (15, 8.8), (19, 9.5)], WHITE, 1.3)
    canvas.path([(12, 12), (12, 19)], AMBER, 2.0)
    canvas.path([(9, 16), (12, 19.5), (15, 16)], AMBER, 2.0)


ICONS: dict[str, Callable[[Canvas], None]] = {
    "Bipack": bipack,
    "BipackSuperRes": super_res,
    "BipackSlowMo": slow_mo,
    "BipackModel": model,
    "BipackPaintFix": paint_fix,
    "BipackInpaint": inpaint,
    "BipackTrain": train,
    "BipackFaceRegions": face_regions,
    "BipackDeAge": de_age,
    "BipackEqualizer": equalizer,
    "BipackBeauty": beauty,
    "BipackRegrain": regrain,
    "BipackRecombine": recombine,
    "BipackFrequencySplit": frequency_split,
    "BipackCleanPlate": clean_plate,
}


def main() -> None:
    """Draw every icon beside this file."""
    folder = os.path.dirname(os.path.abspath(__file__))
    for name, draw in ICONS.items():
        canvas = Canvas()
        draw(canvas)
        cv2.imwrite(os.path.join(folder, f"{name}.png"), canvas.pixels())


if __name__ == "__main__":
    main()
