"""Tracking markers laid over a clean picture: ink, tape and lamps, in perspective, out of focus, smeared by motion.

A marker is there to be seen: crews choose a color that stands out. So every mark must differ from the plate below it by
more than the plate's own texture does, or it is set down elsewhere, or made of something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging import color
from bipack.imaging.frame import Pixels
from bipack_train import matte as mattes
from bipack_train.marker_shapes import draw

ANY_INK = 0.5
"""Share of training frames whose ink is of any color, so that a marker is found by what it is, not by its color."""

INK_DISTANCE = 0.18
"""Distance in encoded RGB that such a color keeps from every ink of the held-out frames."""

VISIBLE = 0.02
"""Encoded difference from which a marker pixel counts as visible."""

CONTRAST = 0.08
"""Mean encoded difference from the plate that the middle of every mark has at least."""

STANDS_OUT = 6.0
"""Energy of a mark over that of the plate's own detail and grain, at least; the detail is what no repair can know."""

TRIES = 6
"""Places that are tried for a mark."""

_DETAIL = 6.0
"""Sigma below which a plate's variations are its detail."""


@dataclass(frozen=True, eq=False)
class Marked:
    """A picture with markers and the truth below; encoded."""

    before: Pixels
    """(height, width, 3)."""

    after: Pixels
    """(height, width, 3)."""

    matte: Pixels
    """(height, width) 0..1, as for an artist's pair."""

    visible: NDArray[np.bool_]
    """(height, width): where a marker changes the picture to the eye."""

    count: int
    """Markers drawn."""


@dataclass(frozen=True, eq=False)
class _Look:
    """What the markers of one frame have in common."""

    kind: str
    """ink, tape or led."""

    ink: Pixels
    """(2, 3) scene-linear: the mark, and the lighter part of two-tone marks."""

    blur: float
    smear: NDArray[np.float32] | None

    @property
    def reach(self) -> int:
        """Pixels by which focus and motion widen a mark on every side."""
        return int(np.ceil(4 * self.blur)) + (self.smear.shape[0] // 2 if self.smear is not None else 0)


def mark(
    clean: Pixels,
    rng: np.random.Generator,
    count: int,
    shapes: Sequence[str],
    palette: str = "known",
    stands_out: float = STANDS_OUT,
) -> Marked:
    """Up to `count` markers over a clean encoded picture, then grain over both. All of one frame are of one family."""
    side = clean.shape[0]
    noise = grain(side, rng)
    marked = color.decode(clean)
    around = cv2.GaussianBlur(marked, (0, 0), 12)
    detail = np.square(clean - cv2.GaussianBlur(clean, (0, 0), _DETAIL)).mean(axis=-1) + float(noise.var())
    least = stands_out * cv2.GaussianBlur(detail, (0, 0), _DETAIL)
    family = [str(rng.choice(list(shapes))) for _ in range(1 + int(rng.random() < 0.3))]
    size, look = float(np.exp(rng.uniform(np.log(2.5), np.log(15)))), _look(palette, rng)
    touched, places = np.zeros((side, side), bool), list[tuple[float, float]]()
    for attempt in range(TRIES * count):
        if len(places) == count:
            break
        if not places and attempt % 4 == 3:
            look = _look(palette, rng)
        place = float(rng.uniform(-2, side + 2)), float(rng.uniform(-2, side + 2))
        if all((place[0] - x) ** 2 + (place[1] - y) ** 2 > (3.0 * size + 6) ** 2 for x, y in places):
            shape = draw(str(rng.choice(family)), size * float(rng.uniform(0.8, 1.25)), rng)
            if _lay(marked, touched, clean, around, least, shape, place, look):
                places.append(place)
    after = (clean + noise).astype(np.float32)
    before = color.encode(np.asarray(marked, np.float32)) + noise
    before = np.where(touched[..., None], before, after).astype(np.float32)
    size_of_change = np.abs(before - after).max(axis=-1)
    core = size_of_change > mattes.FLOOR
    return Marked(before, after, mattes.widened(core, 2, 0.7), size_of_change > VISIBLE, len(places))


def _lay(
    marked: Pixels,
    touched: NDArray[np.bool_],
    clean: Pixels,
    around: Pixels,
    least: Pixels,
    shape: tuple[Pixels, Pixels],
    place: tuple[float, float],
    look: _Look,
) -> bool:
    """Lay one marker over the scene-linear `marked` at `place`; False, and nothing done, where it would not show."""
    coverage, tone = (np.pad(part, look.reach) for part in shape)
    side, reach = marked.shape[0], coverage.shape[0]
    left, top = (round(value - reach / 2) for value in place)
    rows, columns = slice(max(0, top), min(side, top + reach)), slice(max(0, left), min(side, left + reach))
    own = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    amount, light = (part[own] for part in _blurred(coverage, tone, look))
    if look.kind != "led":
        # A surface is lit as the plate around it is; mid grey skin or wall reflects about a fifth.
        light = light * np.clip(around[rows, columns].mean(axis=-1, keepdims=True) / 0.2, 0.15, 4.0)
    laid = (marked[rows, columns] * (1 - amount) + light).astype(np.float32)
    if not _shows(color.encode(laid) - clean[rows, columns], amount[..., 0], least[rows, columns]):
        return False
    marked[rows, columns] = laid
    touched[rows, columns] |= (amount[..., 0] > 0.004) | (light.max(axis=-1) > 0.001)
    return True


def _blurred(coverage: Pixels, tone: Pixels, look: _Look) -> tuple[Pixels, Pixels]:
    """How much a mark covers (side, side, 1) and the light of it (side, side, 3), out of focus and smeared."""
    amount, shade = coverage[..., None], tone[..., None]
    light = amount * (look.ink[0] * (1 - shade) + look.ink[1] * shade)
    if look.kind == "led":
        glow = cv2.GaussianBlur(coverage, (0, 0), max(1.0, (coverage.shape[0] - 2 * look.reach) / 14))
        light = light + 0.06 * glow[..., None] * look.ink[0]
    return _soften(amount, look.blur, look.smear), _soften(light.astype(np.float32), look.blur, look.smear)


def _shows(change: Pixels, amount: Pixels, least: Pixels) -> bool:
    """True where a mark that makes this `change`, encoded, stands out and is not all but out of the picture."""
    core = amount > 0.5 * max(float(amount.max(initial=0.0)), 0.1)
    if int(core.sum()) < 6:
        return False
    contrast, energy = np.abs(change).max(axis=-1)[core].mean(), np.square(change).mean(axis=-1)[core].mean()
    return bool(contrast > CONTRAST and energy > least[core].mean())


def _look(palette: str, rng: np.random.Generator) -> _Look:
    kind = str(rng.choice(["ink", "ink", "tape", "led"]))
    return _Look(kind, _ink(kind, palette, rng), float(rng.choice([0.5, 0.7, 1.0, 1.8])), _smear(rng))


def _ink(kind: str, palette: str, rng: np.random.Generator) -> Pixels:
    """Two scene-linear colors (2, 3): that of the mark, and the lighter one of two-tone marks."""
    choices = (_KNOWN_INKS if palette == "known" else _HELD_OUT_INKS)[kind]
    first = np.array(choices[int(rng.integers(len(choices)))]) * rng.uniform(0.7, 1.3, 3)
    if palette == "known" and rng.random() < ANY_INK:
        first = _any_ink(kind, rng)
    return np.stack([first, np.array([0.8, 0.8, 0.78]) * rng.uniform(0.8, 1.1)]).astype(np.float32)


_KNOWN_INKS = {
    "ink": [(0.01, 0.01, 0.012), (0.02, 0.03, 0.12), (0.2, 0.02, 0.02), (0.02, 0.12, 0.04), (0.02, 0.02, 0.05)],
    "tape": [(0.75, 0.75, 0.72), (0.75, 0.25, 0.03), (0.1, 0.45, 0.1), (0.03, 0.15, 0.5), (0.7, 0.6, 0.05)],
    "led": [(4.0, 0.3, 0.2), (0.3, 4.0, 0.5), (0.4, 0.8, 6.0), (5.0, 5.0, 5.0)],
}
_HELD_OUT_INKS = {
    "ink": [(0.09, 0.03, 0.01), (0.05, 0.01, 0.07)],
    "tape": [(0.75, 0.2, 0.35), (0.15, 0.6, 0.6)],
    "led": [(6.0, 3.0, 0.4), (4.0, 0.4, 4.0)],
}
_STRONGEST = {"ink": 0.25, "tape": 0.8, "led": 6.0}
"""Brightest channel of a color, scene-linear."""


def _any_ink(kind: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """A color of any hue that is not close to a held-out one; scene-linear (3,)."""
    while True:
        hue = np.clip(np.abs((rng.uniform(0, 6) + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
        pure = 1 - float(rng.uniform(0, 1)) * (1 - hue)
        found = pure * _STRONGEST[kind] * float(np.exp(rng.uniform(np.log(0.15), 0.0)))
        coded = color.encode(found.astype(np.float32))
        away = color.encode(np.array(_HELD_OUT_INKS[kind], np.float32))
        if float(np.sqrt(np.square(away - coded).sum(axis=1)).min()) > INK_DISTANCE:
            return np.asarray(found)


def _smear(rng: np.random.Generator) -> NDArray[np.float32] | None:
    """A line of motion blur for a third of all frames, up to 14 pixels long."""
    if rng.random() > 0.35:
        return None
    length = float(rng.uniform(2, 14))
    side = 2 * int(np.ceil(length / 2)) + 3
    kernel = np.zeros((side * 4, side * 4), np.float32)
    turn, middle = rng.uniform(0, np.pi), side * 2.0
    reach = np.array([np.cos(turn), np.sin(turn)]) * length * 2
    ends = [tuple(int(value) for value in np.round(middle + sign * reach)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 4)
    small = cv2.resize(kernel, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small / small.sum(), np.float32)


def _soften(part: Pixels, blur: float, smear: NDArray[np.float32] | None) -> Pixels:
    soft = cv2.GaussianBlur(part, (0, 0), blur)
    if smear is not None:
        soft = cv2.filter2D(soft, -1, smear)
    return np.asarray(soft.reshape(part.shape), np.float32)


def grain(side: int, rng: np.random.Generator) -> Pixels:
    """Grain for a frame, encoded (side, side, 3), of a strength and softness of its own."""
    sigma = float(rng.choice([0.0, 0.004, 0.008, 0.015]))
    noise = rng.normal(0, 1, (side, side, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(0.3, 0.8)))
    return np.asarray(soft / max(float(soft.std()), 1e-6) * sigma, np.float32)
