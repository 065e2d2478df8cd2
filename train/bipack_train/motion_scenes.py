"""Scenes to learn motion from, drawn by a seed: which pictures, which shapes, how they move.

What makes interpolation hard is drawn on purpose: small objects that move fast, thin bars and strokes, holes to look
through, repeated patterns, faint texture, layers that turn or come closer, and a background that moves on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack_train.motion import Flow, Layer, Pixels, Scene

FARTHEST = 0.15
"""Longest motion of a layer, as a share of the frame's width."""


@dataclass(frozen=True)
class Moving:
    """One rendered moment between two frames, with its truth."""

    frame0: Pixels
    frame1: Pixels
    between: Pixels
    time: float
    flow01: Flow
    flow10: Flow
    seen0: NDArray[np.bool_]
    """Pixels of frame 0 that are seen in frame 1 too."""

    seen1: NDArray[np.bool_]
    around: tuple[Pixels, Pixels] | None = None
    """The frame before frame 0 and the one after frame 1, where they were asked for."""


def render(
    pictures: Sequence[Pixels],
    rng: np.random.Generator,
    size: int,
    time: float | None = None,
    around: bool = False,
    swing: float = 0.0,
) -> Moving:
    """A scene made of `pictures`, at `time` (drawn where None: a half most often).

    `around` asks for the frames before and after too; with `swing` every layer speeds up or slows down, by about that
    share of its motion.
    """
    scene = draw_scene(pictures, rng, size, swing)
    if time is None:
        time = 0.5 if rng.random() < 0.4 else float(np.round(rng.uniform(0.05, 0.95) * 16) / 16)
    blurred = rng.random() < 0.35
    shutter, samples = (float(rng.uniform(0.1, 0.6)), 5) if blurred else (0.0, 1)
    frames = [scene.frame(moment, shutter, samples) for moment in (0.0, 1.0, time)]
    _age(frames, rng)
    flow01, seen0 = scene.flow(0.0, 1.0)
    flow10, seen1 = scene.flow(1.0, 0.0)
    outer = None
    if around:
        outer = scene.frame(-1.0, shutter, samples), scene.frame(2.0, shutter, samples)
        _age([*outer], rng)
    return Moving(frames[0], frames[1], frames[2], time, flow01, flow10, seen0, seen1, outer)


def draw_scene(pictures: Sequence[Pixels], rng: np.random.Generator, size: int, swing: float = 0.0) -> Scene:
    """A background and up to seven layers in front of it; `swing` as in `render`."""
    reach = FARTHEST * size
    # Half of what a camera sees moves together.
    camera = _step(rng, reach) if rng.random() < 0.7 else np.zeros(2)
    layers = [_background(pictures, rng, size, camera, swing)]
    for _ in range(int(rng.integers(1, 8)) if rng.random() < 0.9 else 0):
        step = camera * rng.choice([0.0, 1.0]) + _step(rng, reach)
        step *= min(1.0, reach / max(float(np.hypot(*step)), 1e-6))
        layers.append(_object(pictures, rng, size, step, swing))
    return Scene(tuple(layers), size)


def _step(rng: np.random.Generator, reach: float) -> NDArray[np.float64]:
    """A motion in pixels: most are a few pixels, some as long as `reach`."""
    length = float(np.exp(rng.uniform(np.log(0.3), np.log(reach))))
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)]) * length


def _poses(
    rng: np.random.Generator,
    size: int,
    centre: NDArray[np.float64],
    step: NDArray[np.float64],
    lively: float,
    side: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pose parameters at time 0 and 1; `lively` scales turning, growing and tilting."""
    start = np.array([*centre, rng.uniform(-np.pi, np.pi) if side < size else rng.normal(0, 0.05), rng.normal(0, 0.08)])
    start = np.concatenate([start, [rng.normal(0, 0.05), *rng.normal(0, 0.0002, 2)]])
    change = np.zeros(7)
    change[:2] = step
    if rng.random() < 0.6:
        change[2] = rng.normal(0, 0.06) * lively
        change[3] = rng.normal(0, 0.03) * lively
        change[4] = rng.normal(0, 0.01) * lively
        change[5:] = rng.normal(0, 0.02 / size, 2) * lively
    return start, start + change


def _bend(rng: np.random.Generator, shape: tuple[int, ...], strength: float) -> Flow:
    """A smooth field of random vectors; `strength` is about its largest length in pixels."""
    height, width = shape[:2]
    if strength <= 0:
        return np.zeros((height, width, 2), np.float32)
    cells = int(rng.integers(3, 6))
    grid = rng.normal(0, 0.5, (cells, cells, 2)).astype(np.float32)
    strength = min(strength, 0.12 * min(height, width) / cells)
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), np.float32) * np.float32(
        strength
    )


def _cut(pictures: Sequence[Pixels], rng: np.random.Generator, side: int) -> Pixels:
    """A square piece of a random picture, mirrored to size where the picture is smaller."""
    whole = pictures[int(rng.integers(len(pictures)))]
    height, width = whole.shape[:2]
    top = int(rng.integers(0, max(1, height - side + 1)))
    left = int(rng.integers(0, max(1, width - side + 1)))
    piece = np.ascontiguousarray(whole[top : top + side, left : left + side], np.float32)
    lack = (side - piece.shape[0], side - piece.shape[1])
    if max(lack) > 0:
        piece = np.asarray(cv2.copyMakeBorder(piece, 0, max(0, lack[0]), 0, max(0, lack[1]), cv2.BORDER_REFLECT))
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    return np.ascontiguousarray(np.rot90(piece, int(rng.integers(4))))


def _pattern(rng: np.random.Generator, side: int) -> Pixels:
    """Stripes, checks or dots: matching has many wrong answers here."""
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
    angle, pitch = rng.uniform(0, np.pi), rng.uniform(5, 28)
    along = (columns * np.cos(angle) + rows * np.sin(angle)) * (2 * np.pi / pitch)
    across = (rows * np.cos(angle) - columns * np.sin(angle)) * (2 * np.pi / (pitch * rng.uniform(0.7, 1.5)))
    kind = rng.integers(3)
    wave = (
        np.sin(along) if kind == 0 else np.sin(along) * np.sin(across) if kind == 1 else np.sin(along) + np.sin(across)
    )
    blend = 1 / (1 + np.exp(-wave * rng.uniform(1, 6)))
    first, second = rng.beta(1.2, 1.2, 3), rng.beta(1.2, 1.2, 3)
    return np.asarray(first + (second - first) * blend[:, :, None], np.float32)


def _background(
    pictures: Sequence[Pixels], rng: np.random.Generator, size: int, step: NDArray[np.float64], swing: float
) -> Layer:
    side = int(size * 1.5)
    texture = _pattern(rng, side) if rng.random() < 0.04 else _cut(pictures, rng, side)
    middle = np.full(2, (size - 1) / 2)
    poses = _poses(rng, size, middle, step, 1.0, side)
    bend = _bend(rng, texture.shape, rng.uniform(0.5, 6) if rng.random() < 0.3 else 0)
    return Layer(texture, np.ones((side, side), np.float32), poses, bend, _light(rng), _ease(rng, swing))


def _object(
    pictures: Sequence[Pixels], rng: np.random.Generator, size: int, step: NDArray[np.float64], swing: float
) -> Layer:
    side = int(np.exp(rng.uniform(np.log(14), np.log(size * 0.9))))
    texture = _pattern(rng, side) if rng.random() < 0.1 else _cut(pictures, rng, side)
    if rng.random() < 0.12:
        texture = np.broadcast_to(texture.mean(axis=(0, 1)), texture.shape) * 0.9 + texture * np.float32(0.1)
    poses = _poses(rng, size, rng.uniform(0, size, 2), step, float(rng.choice([1.0, 1.0, 4.0])), side)
    bend = _bend(rng, texture.shape, rng.uniform(0.5, 8) if rng.random() < 0.35 else 0)
    texture = np.ascontiguousarray(texture, np.float32)
    return Layer(texture, _shape(rng, side), poses, bend, _light(rng), _ease(rng, swing))


def _light(rng: np.random.Generator) -> tuple[float, float]:
    return (1.0, float(rng.uniform(0.85, 1.15))) if rng.random() < 0.1 else (1.0, 1.0)


def _ease(rng: np.random.Generator, swing: float) -> float:
    if swing:
        return float(rng.normal(0, swing))
    return float(rng.normal(0, 0.02)) if rng.random() < 0.2 else 0.0


def _shape(rng: np.random.Generator, side: int) -> Pixels:
    """The outline of an object: a blob, a polygon, bars, strokes, a ring, or a net with holes; soft by a pixel."""
    scale = 4
    large = side * scale
    mask = np.zeros((large, large), np.uint8)
    middle, radius = large // 2, large * 0.46
    kind = int(rng.integers(6))
    if kind <= 1:
        corners = int(rng.integers(5, 40))
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        rough = rng.uniform(0.55, 1, corners) if kind else np.full(corners, 1.0)
        points = np.stack([np.cos(angles), np.sin(angles)], 1) * (radius * rough)[:, None] + middle
        cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 255)
        if kind and corners > 12:
            mask = np.asarray(cv2.blur(mask, (large // 8 + 1, large // 8 + 1)) > 127, np.uint8) * np.uint8(255)
    elif kind == 2:
        pitch = float(rng.uniform(8, 40)) * scale
        share = rng.uniform(0.12, 0.7)
        columns = np.arange(large)
        mask[:, (columns % pitch) < pitch * share] = 255
        if rng.random() < 0.5:
            mask[(columns % (pitch * 1.3)) < pitch * share * 0.7] = 255
        mask[: large // 20] = mask[-large // 20 :] = 0
    elif kind == 3:
        for _ in range(int(rng.integers(1, 10))):
            points = rng.uniform(0.05, 0.95, (int(rng.integers(2, 6)), 2)) * large
            thickness = max(scale, int(rng.uniform(0.8, 5) * scale))
            cv2.polylines(mask, [np.round(points).astype(np.int32)], False, 255, thickness, cv2.LINE_AA)
    elif kind == 4:
        cv2.ellipse(mask, (middle, middle), (int(radius), int(radius * rng.uniform(0.3, 1))), 0, 0, 360, 255, -1)
    else:
        thickness = max(scale, int(radius * rng.uniform(0.08, 0.4)))
        cv2.circle(mask, (middle, middle), int(radius - thickness / 2), 255, thickness)
    small = np.asarray(cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(small / np.float32(255) * np.float32(1.0 if rng.random() < 0.93 else rng.uniform(0.4, 0.8)))


def _age(frames: list[Pixels], rng: np.random.Generator) -> None:
    """What cameras add, in place: noise of its own in each frame, or the blocks of a JPEG."""
    kind = rng.random()
    if kind < 0.25:
        strength = float(np.exp(rng.uniform(np.log(0.002), np.log(0.02))))
        for frame in frames:
            frame += rng.normal(0, strength, frame.shape).astype(np.float32)
    elif kind < 0.5 and max(float(frame.max()) for frame in frames) < 1.5:
        quality = int(rng.integers(55, 95))
        for frame in frames:
            coded = cv2.imencode(".jpg", np.round(np.clip(frame, 0, 1) * 255).astype(np.uint8), [1, quality])[1]
            frame[:] = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.float32) / np.float32(255)
