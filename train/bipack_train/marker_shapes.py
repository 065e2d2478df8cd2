"""The shapes of tracking markers: outlines and tones of dots, crosses, checkers and the like, drawn with soft edges."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from bipack.imaging.frame import Pixels

SHAPES = (
    "dot",
    "cross",
    "x",
    "triangle",
    "checker",
    "square",
    "ring",
    "corner",
    "ellipse",
    "polygon",
    "blob",
    "bar",
    "target",
)
FURTHER_SHAPES = ("sector", "gear", "split", "frame", "chevron", "spokes", "dice", "notch")
"""More looks, for training alone: the ways in which marks are cut, split and pierced. None is a held-out one."""

HELD_OUT_SHAPES = ("bullseye", "diamond", "star", "half")
"""Looks that only the held-out frames show."""

SUPERSAMPLING = 4
"""Pixels of the drawing to one of the result, along each side."""


def draw(shape: str, radius: float, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """(coverage, tone) of one marker, (side, side) 0..1; tone 1 is the lighter color of two-tone marks.

    Turned, squashed by perspective, and with a slightly uneven outline. Raises KeyError for an unknown shape.
    """
    side = int(np.ceil(radius * 2.6)) + 8
    big = side * SUPERSAMPLING
    coverage, tone = np.zeros((big, big), np.float32), np.zeros((big, big), np.float32)
    turn, squash = rng.uniform(0, 2 * np.pi), float(rng.uniform(0.55, 1.0))
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    lean = rng.uniform(0, np.pi)
    axis = np.array([np.cos(lean), np.sin(lean)])
    flatten = np.eye(2) - (1 - squash) * np.outer(axis, axis)

    def fill(canvas: Pixels, outline: Sequence[tuple[float, float]], value: float = 1.0) -> None:
        points = np.array(outline) @ spin.T @ flatten.T * radius * SUPERSAMPLING + big / 2
        cv2.fillPoly(canvas, [np.round(points).astype(np.int32)], value)

    _DRAWN[shape](fill, coverage, tone, rng)
    opacity = float(rng.uniform(0.8, 1.0))
    small = [cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA) for part in (coverage, tone)]
    return np.asarray(small[0] * opacity, np.float32), np.asarray(small[1], np.float32)


def _round(radius: float, rng: np.random.Generator, uneven: float = 0.06) -> list[tuple[float, float]]:
    angles = np.arange(0, 2 * np.pi, 0.15)
    reach = radius * (1 + uneven * np.sin(2 * angles + rng.uniform(0, 6)) + uneven / 3 * rng.normal(0, 1, angles.shape))
    return list(zip(reach * np.cos(angles), reach * np.sin(angles), strict=True))


def _box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _dot(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    fill(coverage, _round(1.0, rng))


def _cross(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    thick = rng.uniform(0.12, 0.3)
    fill(coverage, _box(-1, -thick, 1, thick))
    fill(coverage, _box(-thick, -1, thick, 1))


def _triangle(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    fill(coverage, [(0, -1.1), (1, 0.7), (-1, 0.7)])


def _checker(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    fill(coverage, _box(-1, -1, 1, 1) if rng.random() < 0.5 else _round(1.0, rng, 0.0))
    fill(tone, _box(-1, -1, 0, 0))
    fill(tone, _box(0, 0, 1, 1))


def _square(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    fill(coverage, _box(-0.9, -0.9, 0.9, 0.9))
    if rng.random() < 0.4:
        fill(tone, _round(0.4, rng))


def _ring(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    fill(coverage, _round(1.0, rng, 0.03))
    fill(coverage, _round(rng.uniform(0.5, 0.75), rng, 0.03), 0.0)


def _corner(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    thick = rng.uniform(0.2, 0.4)
    fill(coverage, _box(-1, -1, 1, -1 + thick))
    fill(coverage, _box(-1, -1, -1 + thick, 1))


def _ellipse(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    flat = rng.uniform(0.35, 0.8)
    fill(coverage, [(x, y * flat) for x, y in _round(1.1, rng, 0.02)])


def _polygon(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    count = int(rng.integers(5, 8))
    angles = (np.arange(count) + rng.uniform(-0.25, 0.25, count)) * 2 * np.pi / count
    fill(coverage, list(zip(1.05 * np.cos(angles), 1.05 * np.sin(angles), strict=True)))


def _blob(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    fill(coverage, _round(0.95, rng, 0.22))


def _bar(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    thick = rng.uniform(0.2, 0.45)
    fill(coverage, _box(-1.2, -thick, 1.2, thick))
    if rng.random() < 0.3:
        fill(tone, _box(-1.2, -thick, 0, thick))


def _target(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    _ring(fill, coverage, tone, rng)
    thick = rng.uniform(0.08, 0.2)
    fill(coverage, _box(-1.1, -thick, 1.1, thick))
    fill(coverage, _box(-thick, -1.1, thick, 1.1))


def _bullseye(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    fill(coverage, _round(1.0, rng, 0.02))
    fill(tone, _round(0.72, rng, 0.02))
    fill(tone, _round(0.4, rng, 0.02), 0.0)


def _diamond(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    fill(coverage, [(0, -1.2), (0.7, 0), (0, 1.2), (-0.7, 0)])


def _star(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    angles = np.arange(10) * np.pi / 5
    reach = np.where(np.arange(10) % 2, 0.45, 1.1)
    fill(coverage, list(zip(reach * np.cos(angles), reach * np.sin(angles), strict=True)))


def _half(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    fill(coverage, _round(1.0, rng, 0.02))
    fill(tone, _box(-1.2, -1.2, 1.2, 0))


def _wedge(turn: float, width: float, reach: float = 1.0) -> list[tuple[float, float]]:
    """A part of a disc that opens by `width` radians to each side of `turn`."""
    angles = turn + np.linspace(-width, width, 12)
    return [(0.0, 0.0), *zip(reach * np.cos(angles), reach * np.sin(angles), strict=True)]


def _sector(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    fill(coverage, _round(1.0, rng, 0.02))
    fill(tone, _wedge(0.0, rng.uniform(0.4, 1.2), 1.3))


def _gear(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    teeth = int(rng.integers(7, 12))
    angles = np.arange(4 * teeth) * np.pi / (2 * teeth)
    reach = np.where(np.arange(4 * teeth) % 4 < 2, 1.0, rng.uniform(0.6, 0.8))
    fill(coverage, list(zip(reach * np.cos(angles), reach * np.sin(angles), strict=True)))


def _split(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    (_box_of if rng.random() < 0.5 else _triangle)(fill, coverage, tone, rng)
    at = rng.uniform(-0.4, 0.4)
    fill(tone, [(-1.5, -1.5), (1.5, -1.5), (1.5, at + 0.5), (-1.5, at - 0.5)])


def _box_of(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    tall = rng.uniform(0.6, 0.9)
    fill(coverage, _box(-0.9, -tall, 0.9, tall))


def _frame(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    inner = rng.uniform(0.4, 0.65)
    fill(coverage, _box(-0.9, -0.9, 0.9, 0.9))
    open_inside = rng.random() < 0.5
    fill(coverage if open_inside else tone, _box(-inner, -inner, inner, inner), 0.0 if open_inside else 1.0)


def _chevron(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    thick = rng.uniform(0.35, 0.7)
    fill(coverage, [(-1, 0.6), (0, -0.6), (1, 0.6), (1, 0.6 + thick), (0, -0.6 + thick), (-1, 0.6 + thick)])


def _spokes(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    count, width = int(rng.choice([3, 5, 6])), rng.uniform(0.12, 0.25)
    for turn in np.arange(count) * 2 * np.pi / count:
        fill(coverage, _wedge(turn, width, 1.1))


def _dice(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    fill(coverage, _box(-0.9, -0.9, 0.9, 0.9))
    for x in (-0.45, 0.45):
        for y in (-0.45, 0.45):
            fill(tone, [(x + 0.25 * a, y + 0.25 * b) for a, b in _round(1.0, rng, 0.0)])


def _notch(fill, coverage, tone, rng) -> None:  # type: ignore[no-untyped-def]
    (_box_of if rng.random() < 0.5 else _polygon)(fill, coverage, tone, rng)
    width = rng.uniform(0.15, 0.4)
    fill(coverage, _box(-width, rng.uniform(-0.5, 0.1), width, 1.5), 0.0)


_DRAWN = {
    "dot": _dot,
    "cross": _cross,
    "x": _cross,
    "triangle": _triangle,
    "checker": _checker,
    "square": _square,
    "ring": _ring,
    "corner": _corner,
    "ellipse": _ellipse,
    "polygon": _polygon,
    "blob": _blob,
    "bar": _bar,
    "target": _target,
    "bullseye": _bullseye,
    "diamond": _diamond,
    "star": _star,
    "half": _half,
    "sector": _sector,
    "gear": _gear,
    "split": _split,
    "frame": _frame,
    "chevron": _chevron,
    "spokes": _spokes,
    "dice": _dice,
    "notch": _notch,
}
