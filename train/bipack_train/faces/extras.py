"""What stands on, beside and before a face: shoulders in clothes, glasses, hats, hands, a microphone.

Each is a small mesh with a plain color. In the masks all of it is background, which is how the parser learns that a
hand over the mouth is not a mouth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bipack_train.faces.mesh import Floats, Head, Ints, Numbers


@dataclass(frozen=True, eq=False)
class Piece:
    """A mesh in cm with one color for each vertex."""

    vertices: Floats
    triangles: Ints
    colors: Floats
    """(n, 3) linear."""

    shine: float = 0.0
    turns: bool = True
    """False where it does not follow the head (shoulders)."""


@dataclass(frozen=True)
class Extras:
    """What a scene adds to the bare head."""

    seed: int = 0
    cloth: tuple[float, float, float] | None = (0.2, 0.25, 0.4)
    """Linear color of the clothes; None for bare shoulders."""

    glasses: str = "none"
    """none, thin, thick, sun."""

    hat: str = "none"
    """none, beanie, cap."""

    hand: str = "none"
    """none, mouth, cheek, brow: where fingers lie."""

    microphone: bool = False


def pieces(head: Head, vertices: Floats, skin: Floats, extras: Extras) -> list[Piece]:
    """All meshes of `extras` for a head with these `vertices`; `skin` (3,) is the color of the hands."""
    rng = np.random.default_rng([extras.seed, 9])
    made: list[Piece] = []
    if extras.cloth is not None:
        made += _shoulders(rng, np.array(extras.cloth, np.float32))
    if extras.glasses != "none":
        made += _glasses(rng, head, vertices, extras.glasses)
    if extras.hat != "none":
        made += _hat(rng, extras.hat)
    if extras.hand != "none":
        made += _hand(rng, head, vertices, skin, extras.hand)
    if extras.microphone:
        made += _microphone(rng, head, vertices)
    return made


def lens(head: Head, vertices: Floats, extras: Extras) -> list[Floats]:
    """Outlines (n, 3) of both lenses, for their reflections; empty without glasses."""
    if extras.glasses == "none":
        return []
    rng = np.random.default_rng([extras.seed, 9])
    if extras.cloth is not None:
        _shoulders(rng, np.zeros(3, np.float32))
    return _rims(rng, head, vertices, extras.glasses)[0]


# Meshes ---------------------------------------------------------------------------------------------------------------


def ball(center: Numbers, radii: Numbers, color: Numbers, across: int = 20, shine: float = 0.0) -> Piece:
    """An ellipsoid."""
    polar, around = np.linspace(0, np.pi, across // 2 + 1), np.linspace(0, 2 * np.pi, across + 1)
    p, a = np.meshgrid(polar, around, indexing="ij")
    grid = np.stack([np.sin(p) * np.sin(a), np.cos(p), np.sin(p) * np.cos(a)], -1) * radii + center
    return Piece(*_sheet(grid), _plain(grid, color), shine)


def tube(path: Numbers, radius: Numbers | float, color: Numbers, shine: float = 0.0, across: int = 8) -> Piece:
    """A round tube along `path` (n, 3) with a radius in cm, or one for each point."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    up = np.where(np.abs(along[:, 1:2]) < 0.9, [0.0, 1.0, 0.0], [0.0, 0.0, 1.0])
    first = np.cross(along, up)
    first /= np.linalg.norm(first, axis=1, keepdims=True) + 1e-9
    second = np.cross(first, along)
    turn = np.linspace(0, 2 * np.pi, across + 1)
    ring = first[:, None] * np.cos(turn)[None, :, None] + second[:, None] * np.sin(turn)[None, :, None]
    grid = path[:, None] + ring * np.broadcast_to(np.asarray(radius, np.float32), len(path))[:, None, None]
    return Piece(*_sheet(grid), _plain(grid, color), shine)


def _sheet(grid: Numbers) -> tuple[Floats, Ints]:
    rows, columns = grid.shape[:2]
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]))
    triangles = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
    return grid.reshape(-1, 3).astype(np.float32), triangles.astype(np.int32)


def _plain(grid: Numbers, color: Numbers) -> Floats:
    return np.broadcast_to(np.asarray(color, np.float32), (grid.shape[0] * grid.shape[1], 3)).copy()


# Things ---------------------------------------------------------------------------------------------------------------


def _shoulders(rng: np.random.Generator, color: Numbers) -> list[Piece]:
    width, drop = rng.uniform(19, 24), rng.uniform(-4.2, -1.8)
    body = ball(np.array([0, -27.5 - drop, -3.5]), np.array([width, 13.5, 10.5]), color, 40, 0.05 * float(rng.random()))
    stripes = rng.random() < 0.3
    if stripes:
        wave = np.sin(body.vertices[:, int(rng.integers(0, 2))] * rng.uniform(1, 3))
        body.colors[:] = np.where(wave[:, None] > 0, color, np.clip(rng.random(3), 0.02, 0.9))
    made = [replace(body, turns=False)]
    kind = rng.random()
    turn = np.linspace(0, 2 * np.pi, 33)
    if kind < 0.6:
        # A collar: an open ring that is lower in front.
        height = rng.uniform(1.0, 4.5) if kind < 0.35 else rng.uniform(0.5, 1.0)
        dip = rng.uniform(0.5, 4)
        ring = np.stack([np.sin(turn) * 8.0, -15.5 - drop - dip * np.cos(turn), np.cos(turn) * 7.6 - 3.0], 1)
        grid = np.stack([ring * [1.15, 1, 1.15] - [0, 2, 0], ring, ring * [0.93, 1, 0.93] + [0, height, 0]])
        made.append(Piece(*_sheet(grid), _plain(grid, color * rng.uniform(0.6, 1.4)), 0.0, turns=False))
    elif kind < 0.72:
        scarf = np.clip(rng.random(3) ** 1.5, 0.02, 0.9)
        for lift in (0.0, 2.6):
            ring = np.stack([np.sin(turn) * 7.6, -11.5 + lift - 1.5 * np.cos(turn), np.cos(turn) * 7.6 - 2], 1)
            made.append(replace(tube(ring, 2.2, scarf, across=10), turns=False))
    return made


def _rims(rng: np.random.Generator, head: Head, vertices: Floats, kind: str) -> tuple[list[Floats], list[Floats]]:
    """Outlines of both lenses, and the bridge and temples as lines."""
    points = head.points(vertices)
    gap = (points[0] - points[1])[0] / 2
    wide, tall = gap * rng.uniform(0.76, 0.86), rng.uniform(1.5, 2.6) * (1.15 if kind == "sun" else 1.0)
    power = rng.choice([2.0, 2.6, 4.0])
    front = max(vertices[head.landmarks[[27, 28]], 2].max() + 0.15, points[:2, 2].max() + 1.6)
    turn = np.linspace(0, 2 * np.pi, 33)
    x = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** (2 / power) * wide
    y = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** (2 / power) * tall
    drop = rng.uniform(0.1, 0.6)
    rims, lines = [], []
    for sign, eye in ((1, points[0]), (-1, points[1])):
        center = np.array([eye[0], eye[1] - drop, front])
        bend = -np.maximum(np.abs(center[0] + x) - gap, 0) * 0.25
        rims.append(np.stack([center[0] + x, center[1] + y, center[2] + bend], 1).astype(np.float32))
        outer = center + np.array([sign * wide, 0.3 * tall, -0.25 * wide])
        ear = np.array([sign * (np.abs(vertices[head.landmarks[[0, 16]], 0]).max() + 0.7), eye[1] + 0.4, -0.5])
        lines.append(np.linspace(outer, ear, 8))
    left, right = points[0][0] - wide, points[1][0] + wide
    level = points[:2, 1].mean() - drop + 0.35 * tall
    span = np.linspace(left, right, 7)
    lines.append(np.stack([span, level + 0.25 * np.cos(np.linspace(-1.5, 1.5, 7)), np.full(7, front + 0.2)], 1))
    return rims, lines


def _glasses(rng: np.random.Generator, head: Head, vertices: Floats, kind: str) -> list[Piece]:
    rims, lines = _rims(rng, head, vertices, kind)
    radius = rng.uniform(0.05, 0.09) if kind == "thin" else rng.uniform(0.14, 0.32)
    dark = rng.random() < 0.7
    color = np.full(3, rng.uniform(0.005, 0.04)) if dark else np.clip(rng.random(3) ** 2, 0.02, 0.8)
    made = [tube(path, radius, color, 0.6) for path in (*rims, *lines)]
    if kind == "sun":
        tint = np.clip(rng.random(3) * 0.06, 0.002, 0.1)
        for rim in rims:
            grid = np.stack([rim, np.broadcast_to(rim.mean(0) + np.array([0, 0, 0.3]), rim.shape)])
            made.append(Piece(*_sheet(grid), _plain(grid, tint), 1.5))
    return made


def _hat(rng: np.random.Generator, kind: str) -> list[Piece]:
    color = np.clip(rng.random(3) ** 1.7, 0.01, 0.8)
    low = rng.uniform(7.2, 9.3)
    polar, around = np.linspace(0, 1, 12), np.linspace(0, 2 * np.pi, 41)
    p, a = np.meshgrid(polar, around, indexing="ij")
    tilt = rng.uniform(1.0, 3.5)
    bottom = low - tilt * (1 - np.cos(a)) * 0.9
    top = 15.0 + (rng.uniform(0.5, 3) if kind == "beanie" else rng.uniform(0, 1.5))
    height = top - (top - bottom) * (1 - np.cos(p * np.pi / 2))
    reach = np.sin(np.minimum(p * 1.25, 1) * np.pi / 2)
    grid = np.stack([np.sin(a) * reach * 8.5, height, np.cos(a) * reach * 10.2 - 0.4], -1)
    made = [Piece(*_sheet(grid), _plain(grid, color))]
    if kind == "beanie":
        made.append(tube(grid[-1], 0.8, color * 0.8))
    else:
        turn = np.linspace(-1.1, 1.1, 17)
        inner = np.stack([np.sin(turn) * 8.3, np.full(17, low), np.cos(turn) * 9.6], 1)
        outer = np.stack(
            [np.sin(turn) * 8.3, low - 0.6 - 1.2 * np.cos(turn), np.cos(turn) * 9.6 + 6.5 * np.cos(turn)], 1
        )
        grid = np.stack([inner, outer])
        made.append(Piece(*_sheet(grid), _plain(grid, color * rng.uniform(0.5, 1.3))))
    return made


def _hand(rng: np.random.Generator, head: Head, vertices: Floats, skin: Floats, where: str) -> list[Piece]:
    """Four fingers and a palm as tubes of skin."""
    spot = {"mouth": vertices[head.landmarks[57]], "cheek": vertices[head.landmarks[int(rng.choice([3, 13]))]],
            "brow": vertices[head.landmarks[int(rng.choice([18, 25]))]]}[where]  # fmt: skip
    side = float(np.sign(spot[0])) if abs(spot[0]) > 1 else float(rng.choice([-1, 1]))
    start = spot + np.array([rng.normal(0, 1.5), rng.normal(0, 1.5), rng.uniform(1.3, 3)])
    wrist = start + np.array([side * rng.uniform(4, 12), -rng.uniform(8, 16), rng.uniform(-2, 5)])
    reach = (start - wrist) / np.linalg.norm(start - wrist)
    # The fingertips come to lie up to 5 cm beyond the spot: most hands cover it, some only touch it.
    start, wrist = start + reach * (beyond := rng.uniform(-0.5, 5.0)), wrist + reach * beyond
    across = np.cross(reach, [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across) + 1e-6
    made = []
    color = skin * rng.uniform(0.75, 1.1) * np.array([1.0, 0.92, 0.9])
    knuckles = wrist + (start - wrist) * 0.55
    spread = rng.uniform(0.9, 1.15)
    for finger in range(4):
        offset = across * (finger - 1.5) * 1.75 * spread
        tip = start + offset * rng.uniform(0.8, 1.3) - reach * abs(finger - 1.3) * 0.8
        path = np.linspace(knuckles + offset * 0.95, tip, 9)
        path += np.outer(np.sin(np.linspace(0, np.pi, 9)), [0, 0, rng.uniform(0.2, 1.2)])
        radius = np.interp(np.linspace(0, 1, 9), [0, 0.9, 1], [0.95, 0.72, 0.3])
        made.append(tube(path, radius, color * rng.uniform(0.93, 1.05), 0.15, 10))
    palm = np.linspace(wrist - reach * 14, knuckles + reach, 8)
    wide = np.interp(np.linspace(0, 1, 8), [0, 0.5, 0.75, 1], [2.6, 2.4, 3.4, 3.2])
    made.append(tube(palm, wide, color, 0.1, 14))
    return made


def _microphone(rng: np.random.Generator, head: Head, vertices: Floats) -> list[Piece]:
    mouth = vertices[head.landmarks[57]]
    place = mouth + np.array([rng.normal(0, 2.5), -rng.uniform(1, 5), rng.uniform(3.5, 8)])
    grey = np.full(3, rng.uniform(0.02, 0.3))
    handle = np.linspace(place, place + np.array([rng.normal(0, 6), -18, rng.uniform(2, 8)]), 8)
    return [ball(place, np.full(3, rng.uniform(1.8, 2.6)), grey, 18, 0.4), tube(handle, 1.2, grey * 0.4, 0.5)]
