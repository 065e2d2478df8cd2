"""Hair as volumes: a shell over the scalp and some thousand ribbons combed over it.

Ribbons grow from the scalp, follow a style's comb, fall by their weight, stay outside of head and shoulders and keep
off the middle of the face. They are real triangles in the z-buffer, so their masks are as exact as the face's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bipack_train.faces.mesh import Floats, Head, Ints, Numbers

STYLES = ("bald", "buzz", "short", "quiff", "side", "fringe", "bob", "long", "curly", "afro", "back", "bun",
          "bangs")  # fmt: skip

_CENTER = np.array([0.0, 4.7, -0.3], np.float32)
_RADII = np.array([7.7, 9.7, 9.0], np.float32)
"""An ellipsoid that lies just inside the neutral scalp."""


@dataclass(frozen=True)
class Hair:
    """One head of hair, or one beard."""

    style: str = "bald"
    seed: int = 0
    color: tuple[float, float, float] = (0.05, 0.035, 0.025)
    """Linear."""

    length: float = 5.0
    """cm."""

    volume: float = 1.0
    """cm by which it stands off the scalp."""

    curl: float = 0.0
    """0 straight to 1."""

    parting: float = 0.0
    """x in cm of the parting."""

    strands: int = 1300
    beard_length: float = 0.0
    """cm; below about 1 it is stubble and belongs to the skin."""

    fineness: float = 1.0
    """How many times as many strands there are, each so many times thinner."""


@dataclass(frozen=True, eq=False)
class Strands:
    """Middle lines of ribbons on the turned-to-the-front head; cm."""

    points: Floats
    """(strands, steps, 3)."""

    width: Floats
    """(strands,) cm at the root."""

    color: Floats
    """(strands, 3) linear."""

    def ribbons(self, toward: Floats) -> tuple[Floats, Floats, Floats, Ints]:
        """Triangles of ribbons that turn their flat side to `toward` (3,), a unit vector to the camera.

        Returns vertices (n, 3), tangents (n, 3), colors (n, 3) and triangles (m, 3).
        """
        count, steps = self.points.shape[:2]
        along = np.gradient(self.points, axis=1)
        along /= np.linalg.norm(along, axis=2, keepdims=True) + 1e-6
        across = np.cross(along, toward)
        across /= np.linalg.norm(across, axis=2, keepdims=True) + 1e-6
        taper = np.interp(np.linspace(0, 1, steps), [0, 0.15, 0.7, 1], [0.7, 1.0, 0.8, 0.15])
        half = across * (self.width[:, None, None] * taper[None, :, None] * 0.5)
        vertices = np.stack([self.points - half, self.points + half], 2).reshape(-1, 3)
        # Roots are in the shade of what lies above them.
        shade = np.interp(np.linspace(0, 1, steps), [0, 0.25, 1], [0.45, 0.9, 1.1])
        colors = np.repeat((self.color[:, None] * shade[None, :, None]).reshape(-1, 3), 2, axis=0)
        first = (np.arange(count)[:, None] * steps + np.arange(steps - 1)).ravel() * 2
        quads = np.stack([first, first + 1, first + 2, first + 1, first + 3, first + 2], 1).reshape(-1, 3)
        tangents = np.repeat(along.reshape(-1, 3), 2, axis=0)
        return (
            vertices.astype(np.float32),
            tangents.astype(np.float32),
            colors.astype(np.float32),
            quads.astype(np.int32),
        )


def shell(head: Head, vertices: Floats, normals: Floats, above: Floats, hair: Hair) -> tuple[Floats, Ints] | None:
    """The closed inner volume: scalp triangles lifted off the skin. `above` (vertices,) is cm above the hairline.

    Returns lifted vertices (vertices, 3) and triangles, or None for a bald or cropped head.
    """
    if hair.style in ("bald", "buzz") or hair.volume <= 0:
        return None
    lift = np.clip(above / 2.0, 0, 1) * hair.volume * (0.75 if hair.style in ("afro", "curly") else 0.55)
    inside = (above[head.triangles] > 0.1).all(axis=1) & (head.part <= 1)
    return (vertices + normals * lift[:, None]).astype(np.float32), head.triangles[inside]


def grow(head: Head, vertices: Floats, normals: Floats, above: Floats, hair: Hair) -> Strands | None:
    """Strands of the head's hair from the scalp; None where there is none."""
    if hair.style in ("bald", "buzz"):
        return None
    rng = np.random.default_rng([hair.seed, 5])
    density = np.clip(above + 0.3, 0, 1)
    if hair.style == "bangs":
        density = density * np.where(_in_front(vertices), 4.0, 1.0)
    roots, out = _roots(
        rng, head, vertices, normals, np.asarray(density, np.float32), round(hair.strands * hair.fineness)
    )
    count, steps = len(roots), 12
    if not count:
        return None
    length = hair.length * rng.uniform(0.75, 1.1, count) * _length_by_place(hair, roots)
    comb, weight, stiff = _comb(rng, hair, roots, out)
    direction = _unit(out * _START.get(hair.style, 0.8) + comb)
    off = 1 + np.sqrt(rng.uniform(0.0, 1, count)) * hair.volume / 8.5 + 0.012
    place = roots + out * 0.05
    line = [place]
    # Long hair follows the comb over the first 8 cm or so, then its weight.
    fade = max(0.45, hair.length / 8)
    clear = np.full(count, hair.style in ("bob", "long")) | ((hair.style == "bangs") & ~_in_front(roots))
    phase, turns = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.6, 1.4, count)
    for step in range(steps - 1):
        ease = step / (steps - 1)
        fall = np.array([0, -1, 0]) * weight * (0.3 + min(1.0, ease * fade))
        pull = np.maximum(0.6 - ease * fade, 0.0)
        direction = _unit(direction * stiff + comb * pull + fall + rng.normal(0, 0.05, (count, 3)))
        place = place + direction * (length / (steps - 1))[:, None]
        place = _outside(place, off, clear, roots)
        curled = place
        if hair.curl > 0:
            swing = phase + step * turns * 1.9
            radius = hair.curl * np.minimum(0.55, 0.09 * length)[:, None]
            curled = place + radius * np.stack([np.cos(swing), np.sin(swing * 1.3), np.sin(swing)], 1)
        line.append(curled)
    points = np.stack(line, 1).astype(np.float32)
    width = rng.uniform(0.10, 0.34, count) * ((1.3 if hair.length > 10 else 1.0) / hair.fineness)
    return Strands(points, width.astype(np.float32), _colors(rng, hair.color, count))


def grow_beard(head: Head, vertices: Floats, normals: Floats, density: Floats, hair: Hair) -> Strands | None:
    """Strands of a beard; `density` (vertices,) 0..1 is where it grows. None below 1 cm: stubble is painted."""
    if hair.beard_length < 1:
        return None
    rng = np.random.default_rng([hair.seed, 6])
    roots, out = _roots(rng, head, vertices, normals, density * (density > 0.3), round(1500 * hair.fineness))
    count, steps = len(roots), 6
    if not count:
        return None
    length = hair.beard_length * rng.uniform(0.6, 1.1, count) * np.interp(roots[:, 1], [-6, -2.5, 0], [1.0, 0.55, 0.35])
    direction, place = _unit(out * 0.7 + [0, -0.9, 0.1]), roots - out * 0.03
    line = [place]
    for _ in range(steps - 1):
        direction = _unit(direction + np.array([0, -0.25, 0]) + rng.normal(0, 0.12 + 0.3 * hair.curl, (count, 3)))
        place = place + direction * (length / (steps - 1))[:, None]
        line.append(place)
    width = rng.uniform(0.12, 0.3, count) / hair.fineness
    return Strands(np.stack(line, 1).astype(np.float32), width.astype(np.float32), _colors(rng, hair.color, count))


_START = {"afro": 2.5, "curly": 1.2, "quiff": 1.3, "short": 0.7, "bun": 0.15, "back": 0.3, "side": 0.5}


def _roots(
    rng: np.random.Generator, head: Head, vertices: Floats, normals: Floats, density: Floats, count: int
) -> tuple[Floats, Floats]:
    """Random places on the skin (n, 3), by area and density, and the normals there."""
    skin = head.triangles[head.part <= 1]
    chance = density[skin].mean(axis=1)
    skin, chance = skin[chance > 0], chance[chance > 0]
    if not len(skin):
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32)
    corners = vertices[skin]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) * chance
    chosen = skin[rng.choice(len(skin), count, p=area / area.sum())]
    weights = rng.dirichlet([1, 1, 1], count).astype(np.float32)[..., None]
    return (vertices[chosen] * weights).sum(1), _unit((normals[chosen] * weights).sum(1))


def _in_front(places: Floats) -> NDArray[np.bool_]:
    """Which places (n, 3) of the scalp bear hair that falls over the forehead."""
    return (places[:, 2] > 3.0) & (np.abs(places[:, 0]) < 6.0)


def _length_by_place(hair: Hair, roots: Floats) -> NDArray[np.floating]:
    """Sides and nape are cut shorter for short styles, bangs end above the eyes."""
    style = hair.style
    if style == "bangs":
        # From the root down to the brow, further for hair that grows higher up.
        front = np.clip((np.linalg.norm(roots - [0.0, 4.5, 9.0], axis=1) + 0.5) / hair.length, 0.2, 1.5)
        return np.where(_in_front(roots), front, 1.0)
    if style in ("short", "quiff", "side"):
        return np.interp(roots[:, 1], [-3, 4, 9, 13], [0.2, 0.3, 0.7, 1.0])
    if style == "fringe":
        return np.interp(roots[:, 2], [-2, 5], [1.0, 0.75])
    return np.ones(len(roots))


def _comb(rng: np.random.Generator, hair: Hair, roots: Floats, out: Floats) -> tuple[Floats, float, float]:
    """Direction that hair is combed in at each root, weight that pulls it down, and stiffness."""
    x, y, z = (roots - _CENTER).T
    zero, one = np.zeros_like(x), np.ones_like(x)
    away = np.sign(x - hair.parting)
    crown = _unit(np.stack([x, np.minimum(y - 8.5, 0), z + 3.0], 1))
    table: dict[str, tuple[Numbers, float, float]] = {
        "short": (np.stack([0.3 * away, -0.3 * one, 0.5 * one], 1), 0.1, 1.0),
        "quiff": (np.stack([0.15 * away, 0.7 * one, -0.35 * one], 1), 0.05, 1.2),
        "side": (np.stack([0.9 * one * np.sign(hair.parting or 1) * -1, -0.2 * one, 0.35 * one], 1), 0.15, 1.0),
        "fringe": (np.stack([0.4 * crown[:, 0], -0.5 * one, np.where(z > -1, 0.8, -0.5)], 1), 0.45, 0.7),
        "bob": (np.stack([0.9 * away, -0.4 * one, np.where(z > 2, -0.15, -0.3)], 1), 0.55, 0.6),
        "long": (np.stack([0.9 * away, -0.4 * one, np.where(z > 2, -0.1, -0.3)], 1), 0.6, 0.6),
        "curly": (crown + rng.normal(0, 0.5, crown.shape), 0.3, 0.8),
        "afro": (0.4 * out + rng.normal(0, 0.4, out.shape), 0.02, 1.5),
        "back": (np.stack([0.2 * x / 8, 0.25 * one, -one], 1), 0.15, 0.8),
        "bangs": (
            np.where(
                _in_front(roots)[:, None],
                np.stack([0.2 * crown[:, 0], -0.5 * one, 0.8 * one], 1),
                np.stack([0.9 * away, -0.4 * one, np.where(z > 2, -0.1, -0.3)], 1),
            ),
            0.5,
            0.65,
        ),
        "bun": (_unit(np.array([0.0, 6.5, -9.0]) - (roots - _CENTER)), 0.0, 0.5),
    }
    comb, weight, stiff = table[hair.style]
    # A share of every style goes its own way.
    return np.asarray(_unit(comb + rng.normal(0, 0.18, comb.shape) + zero[:, None]), np.float32), weight, stiff


def _outside(place: Numbers, off: Numbers, clear_face: NDArray[np.bool_], roots: Floats) -> Floats:
    """Push places out of head, neck and shoulders, and off the face to the side where its root lies."""
    offset = (place - _CENTER) / _RADII
    reach = np.linalg.norm(offset, axis=1)
    place = np.where((reach < off)[:, None], _CENTER + offset / (reach + 1e-6)[:, None] * off[:, None] * _RADII, place)
    neck = (place[:, 1] < -3) & (place[:, 1] > -12)
    flat = place[:, [0, 2]] - [0.0, -1.5]
    radius = np.linalg.norm(flat, axis=1)
    wanted = 6.6 * off
    short = neck & (radius < wanted)
    place[:, 0] = np.where(short, flat[:, 0] / (radius + 1e-6) * wanted, place[:, 0])
    place[:, 2] = np.where(short, flat[:, 1] / (radius + 1e-6) * wanted - 1.5, place[:, 2])
    if clear_face.any():
        before = (
            clear_face & (place[:, 2] > 3.5) & (place[:, 1] < 8.6) & (place[:, 1] > -10) & (np.abs(place[:, 0]) < 6.7)
        )
        side = np.where(roots[:, 0] >= 0, 1.0, -1.0)
        place[:, 0] = np.where(before, place[:, 0] + side * 2.2, place[:, 0])
    return np.asarray(place, np.float32)


def _colors(rng: np.random.Generator, color: tuple[float, float, float], count: int) -> Floats:
    """Brighter and darker strands, some with a cast of their own."""
    gain = np.exp(rng.normal(0, 0.28, (count, 1)) + rng.normal(0, 0.05, (count, 3)))
    return np.asarray(np.clip(np.array(color) * gain, 0.002, 0.95), np.float32)


def _unit(vectors: NDArray[np.floating]) -> Floats:
    return np.asarray(vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-6), np.float32)
