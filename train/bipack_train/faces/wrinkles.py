"""Where the years draw lines on a face, in the UV of its tile: wrinkles, creases and bags."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack_train.faces.years import Floats, Line


def groove(canvas: Floats, line: NDArray[np.floating], depth: float) -> None:
    """Add a line (n, 2) in UV that fades at both ends to `canvas`."""
    side = canvas.shape[0]
    points = np.round(line * side * 16).astype(int)
    fade = np.sin(np.linspace(0.15, np.pi - 0.15, len(points) - 1)) ** 0.7
    stroke = np.zeros_like(canvas)
    low, high = np.floor(line.min(0) * side).astype(int) - 3, np.ceil(line.max(0) * side).astype(int) + 4
    low, high = np.clip(low, 0, side), np.clip(high, 0, side)
    for start, stop, amount in zip(points[:-1], points[1:], fade, strict=True):
        width = max(1, round(side / 700))
        cv2.line(stroke, tuple(start.tolist()), tuple(stop.tolist()), float(amount * depth), width, cv2.LINE_AA, 4)
    window = slice(low[1], high[1]), slice(low[0], high[0])
    # Blurring below lowers a thin line to its share of the width: make up for it.
    canvas[window] = np.maximum(canvas[window], stroke[window] * 2.2)


def _curve(*points: tuple[float, float]) -> NDArray[np.floating]:
    """A smooth line through points in UV: a parabola or cubic by their number."""
    place = np.array(points, np.float64)
    knots = np.linspace(0, 1, len(points))
    dense = np.linspace(0, 1, 24)
    degree = min(3, len(points) - 1)
    return np.stack([np.polyval(np.polyfit(knots, place[:, axis], degree), dense) for axis in range(2)], 1)


def lines_of(rng: np.random.Generator) -> list[Line]:
    """Forehead, frown, crow's feet, bags, nose to mouth, mouth to chin, lip, neck."""
    lines: list[Line] = []

    def shaken(line: NDArray[np.floating], amount: float = 0.004) -> NDArray[np.floating]:
        shift = rng.normal(0, amount, 2)
        wave = np.sin(np.linspace(0, rng.uniform(4, 12), len(line)) + rng.uniform(0, 6)) * amount * 0.6
        return line + shift + np.stack([np.zeros(len(line)), wave], 1)

    for row in np.linspace(0.06, 0.165, int(rng.integers(3, 7))):
        reach = rng.uniform(0.12, 0.22)
        line = _curve((0.5 - reach, row + 0.012), (0.5 - reach / 2, row), (0.5, row + 0.006), (0.5 + reach / 2, row),
                      (0.5 + reach, row + 0.012))  # fmt: skip
        lines.append(Line(shaken(line), float(rng.uniform(0.5, 1.0)), 0.06))
    for mirror in (False, True):
        side_lines: list[Line] = []
        side_lines.append(
            Line(_curve((0.478, 0.185), (0.474, 0.205), (0.479, 0.235)), float(rng.uniform(0.4, 1)), 0.06)
        )
        for angle in np.linspace(-0.7, 0.75, int(rng.integers(3, 6))):
            length = rng.uniform(0.035, 0.075)
            start = np.array([0.300, 0.284 + angle * 0.022])
            end = start + length * np.array([-np.cos(angle), np.sin(angle)])
            middle = (start + end) / 2 + [0, -0.004]
            side_lines.append(
                Line(_curve(tuple(start), tuple(middle), tuple(end)), float(rng.uniform(0.5, 1)), 0.05, 0.0)
            )
        for drop in np.linspace(0.302, 0.332, int(rng.integers(2, 4))):
            line = _curve((0.408, drop - 0.012), (0.37, drop), (0.33, drop - 0.002), (0.30, drop - 0.016))
            side_lines.append(Line(line, float(rng.uniform(0.4, 0.9)), 0.05, 0.0))
        fold = _curve((0.408, 0.425), (0.385, 0.47), (0.366, 0.53), (0.362, 0.575))
        side_lines.append(Line(fold, float(rng.uniform(0.6, 1.0)), 0.12, 0.0))
        side_lines.append(
            Line(_curve((0.385, 0.575), (0.378, 0.61), (0.384, 0.645)), float(rng.uniform(0.4, 0.9)), 0.12, 0.0)
        )
        side_lines.append(Line(_curve((0.33, 0.47), (0.315, 0.53), (0.32, 0.60)), float(rng.uniform(0.0, 0.6)), 0.06))
        for x in np.linspace(0.425, 0.49, int(rng.integers(2, 5))):
            side_lines.append(
                Line(_curve((x, 0.468), (x + 0.002, 0.478), (x, 0.490)), float(rng.uniform(0.2, 0.6)), 0.04)
            )
        for one in side_lines:
            line = shaken(one.points, 0.003)
            lines.append(one._replace(points=line * [-1, 1] + [1, 0] if mirror else line))
    for row in (0.79, 0.83, 0.87):
        line = _curve((0.32, row - 0.01), (0.5, row + 0.008), (0.68, row - 0.01))
        lines.append(Line(shaken(line, 0.006), float(rng.uniform(0.3, 0.9)), 0.1))
    return lines


def creases(rng: np.random.Generator, amount: float) -> list[Line]:
    """Short lines, as `lines_of`: below and beside the eyes, between the lines of the forehead, on the cheeks."""
    lines = []
    # Middle and spread of their places, their direction (degrees, 0 is level) and its spread, how many.
    for place, spread, turn, sway, count in (
        ((0.350, 0.322), (0.030, 0.010), -8, 22, 18),
        ((0.268, 0.300), (0.016, 0.026), 12, 32, 14),
        ((0.420, 0.115), (0.060, 0.035), -4, 12, 9),
        ((0.300, 0.440), (0.040, 0.060), 70, 18, 9),
    ):
        for mirror in (False, True):
            for _ in range(round(count * amount)):
                middle, angle = rng.normal(place, spread), np.radians(rng.normal(turn, sway))
                reach = rng.uniform(0.006, 0.022) * np.array([np.cos(angle), np.sin(angle)])
                bow = rng.normal(0, 0.002, 2)
                line = _curve(tuple(middle - reach), tuple(middle + bow), tuple(middle + reach))
                line = line * [-1, 1] + [1, 0] if mirror else line
                lines.append(Line(line, float(rng.uniform(0.12, 0.45)), 0.04))
    return lines


def bags(side: int) -> Floats:
    """Swelling below both eyes, 0..1."""
    canvas = np.zeros((side, side), np.float32)
    for x in (0.356, 0.644):
        cv2.ellipse(canvas, ((x * side, 0.309 * side), (0.085 * side, 0.022 * side), 0.0), 1.0, -1)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), side * 0.007), np.float32)
