"""Tracking markers drawn over clean plates: endless pairs for a marker-removal model that needs no training by artists.

Markers vary in shape (dots, crosses, triangles, checkers and more), in what they are made of (ink, tape, LED), in
perspective, focus, motion blur and light. A few looks are never trained on; they and plates of their own make the
held-out test. Clean crops without any marker are part of the training: most of a plate is not to be touched.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging import color, image_io, plate
from bipack.imaging.frame import Pixels
from bipack_train import covers, pictures, recipe
from bipack_train import matte as mattes
from bipack_train.dataset import Batch, tensor
from bipack_train.marker_shapes import HELD_OUT_SHAPES, SHAPES, draw

CLEAN_SHARE = 0.15
"""Share of crops without any marker."""

COVER_SHARE = 0.25
"""Share of crops that are hidden by something that is no marker."""

ANY_INK = 0.5
"""Share of training frames whose ink is of any color, so that a marker is found by what it is, not by its color."""

INK_DISTANCE = 0.18
"""Distance in encoded RGB that such a color keeps from every ink of the held-out frames."""

VISIBLE = 0.02
"""Encoded difference from which a marker pixel counts as visible."""


@dataclass(frozen=True)
class Synthetic:
    """What markers are drawn over."""

    folders: tuple[str, ...] = ("photos", "textures", "faces")
    """Folders of pictures below the data folder."""

    panoramas: str = "hdri"
    held_out: tuple[str, ...] = ()
    """Files that are never trained on; the held-out frames are made from them."""

    exclude: tuple[str, ...] = ()
    """Files left out on both sides: those that show what looks like a marker."""

    largest: int = field(default=1400, metadata=recipe.VOLATILE)
    """Long side to which larger pictures are shrunk when they are read."""

    frames: int = 50
    """Held-out frames."""


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

    marked: bool = True
    """False where what hides the picture is no marker and shall not be found."""


class MarkerPool:
    """Crops with markers drawn over them; a `dataset.Crops`."""

    def __init__(self, plates: Sequence[NDArray[np.uint8] | NDArray[np.float16]], side: int, batch: int, seed: int):
        self.plates, self.side, self.size, self.seed = list(plates), side, batch, seed
        sizes = np.array([min(part.shape[0] * part.shape[1], 600_000) for part in plates], np.float64)
        self.shares = sizes / sizes.sum()

    def batch(self, step: int, first: int = 0, count: int | None = None) -> Batch:
        """The crops `first` … of step `step` as tensors."""
        made = [self.crop(step, first + index) for index in range(self.size if count is None else count)]
        nothing = np.zeros((self.side, self.side, 1), np.float32)
        return Batch(
            tensor([one.before for one in made]),
            tensor([one.after for one in made]),
            tensor([one.matte[..., None] for one in made]),
            tensor([one.matte[..., None] if one.marked else nothing for one in made]),
        )

    def crop(self, step: int, index: int) -> Marked:
        """Crop number `index` of step `step`."""
        rng = np.random.default_rng([self.seed, step, index])
        clean = clean_crop(self.plates[int(rng.choice(len(self.plates), p=self.shares))], self.side, rng)
        if rng.random() < COVER_SHARE:
            return covered(clean, rng)
        if rng.random() < CLEAN_SHARE:
            return mark(clean, rng, 0, SHAPES)
        return mark(clean, rng, int(rng.integers(1, 7)), SHAPES)


def read_plates(
    settings: Synthetic, data: str, held_out: bool = False
) -> list[NDArray[np.uint8] | NDArray[np.float16]]:
    """The pictures to train on, or the held-out ones: 8-bit display codes, or encoded half floats for panoramas.

    Raises MissingInput, CorruptInput.
    """
    kept: list[NDArray[np.uint8] | NDArray[np.float16]] = []
    away = {os.path.normpath(name) for name in settings.held_out}
    never = {os.path.normpath(name) for name in settings.exclude}
    for folder in settings.folders:
        for name in pictures.list_files(os.path.join(data, folder), pictures.PHOTO_SUFFIXES):
            relative = os.path.normpath(os.path.join(folder, name))
            if relative in never or (relative in away) != held_out:
                continue
            pixels = pictures.read_photo(os.path.join(data, relative))
            factor = max(1.0, max(pixels.shape[:2]) / settings.largest)
            size = (round(pixels.shape[1] / factor), round(pixels.shape[0] / factor))
            small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
            kept.append(np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8))
    if settings.panoramas and not held_out:
        for name in pictures.list_files(os.path.join(data, settings.panoramas), ("_1k.exr",)):
            linear = plate.take(image_io.read_frame(os.path.join(data, settings.panoramas, name))).pixels
            kept.append(color.encode(np.clip(linear, 0.0, 500.0)).astype(np.float16))
    return kept


def held_out_frames(settings: Synthetic, data: str, side: int = 384, seed: int = 77) -> list[Marked]:
    """Frames with marker looks and plates that training never sees; every third one also has known shapes."""
    plates = read_plates(settings, data, held_out=True)
    frames = []
    for index in range(settings.frames):
        rng = np.random.default_rng([seed, index])
        clean = clean_crop(plates[index % len(plates)], side, rng, closest=0.8)
        shapes = HELD_OUT_SHAPES if index % 3 else (*HELD_OUT_SHAPES, *SHAPES)
        frames.append(mark(clean, rng, int(rng.integers(6, 16)), shapes, palette="held out"))
    return frames


def clean_crop(
    picture: NDArray[np.uint8] | NDArray[np.float16], side: int, rng: np.random.Generator, closest: float = 0.5
) -> Pixels:
    """A crop of a picture at a random scale, exposure, tint and focus, with grain; encoded (side, side, 3)."""
    height, width = picture.shape[:2]
    scale = min(float(np.exp(rng.uniform(np.log(closest), np.log(1.6)))), min(height, width) / (side + 2))
    scale = max(scale, 0.3)
    reach = min(int(np.ceil(side * scale)) + 2, height, width)
    top, left = (int(rng.integers(0, size - reach + 1)) for size in (height, width))
    piece = picture[top : top + reach, left : left + reach]
    pixels = piece.astype(np.float32) / 255 if piece.dtype == np.uint8 else piece.astype(np.float32)
    kernel = cv2.INTER_AREA if reach > side else cv2.INTER_CUBIC
    pixels = np.asarray(cv2.resize(pixels, (side, side), interpolation=kernel), np.float32)
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    linear = color.decode(np.ascontiguousarray(pixels)) * _light(side, rng)
    if rng.random() < 0.25:
        linear = cv2.GaussianBlur(linear, (0, 0), float(rng.uniform(0.5, 2.0)))
    return color.encode(np.asarray(linear, np.float32))


def _light(side: int, rng: np.random.Generator) -> Pixels:
    axis = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    ramp = rng.uniform(-0.6, 0.6, 2)
    stops = rng.normal(0, 0.6) + ramp[0] * axis[:, None] + ramp[1] * axis[None, :]
    return np.asarray(np.exp2(stops)[..., None] * (1 + rng.uniform(-0.12, 0.12, 3)), np.float32)


# Drawing --------------------------------------------------------------------------------------------------------------


def mark(clean: Pixels, rng: np.random.Generator, count: int, shapes: Sequence[str], palette: str = "known") -> Marked:
    """`count` markers over a clean encoded picture, then grain over both. Markers of one frame are of one family."""
    side = clean.shape[0]
    linear = color.decode(clean)
    around = cv2.GaussianBlur(linear, (0, 0), 12)
    covered, light = np.zeros((side, side, 1), np.float32), np.zeros_like(linear)
    family = [str(rng.choice(list(shapes))) for _ in range(1 + int(rng.random() < 0.3))]
    size, kind = float(np.exp(rng.uniform(np.log(2.5), np.log(15)))), str(rng.choice(["ink", "ink", "tape", "led"]))
    ink = _ink(kind, palette, rng)
    blur, smear = float(rng.choice([0.5, 0.7, 1.0, 1.8])), _smear(rng)
    places: list[tuple[float, float]] = []
    for _ in range(count):
        place = _place(side, size, places, rng)
        if place is None:
            break
        places.append(place)
        coverage, tone = draw(str(rng.choice(family)), size * float(rng.uniform(0.8, 1.25)), rng)
        _lay(covered, light, coverage, tone, place, kind, ink, around)
    covered, light = (_soften(part, blur, smear) for part in (covered, light))
    marked = linear * (1 - covered) + light
    grain = _grain(side, rng)
    after = clean + grain
    before = color.encode(np.asarray(marked, np.float32)) + grain
    touched = covered[..., 0] > 0.004 if kind != "led" else np.abs(before - after).max(-1) > 0.002
    before = np.where(touched[..., None], before, after).astype(np.float32)
    size_of_change = np.abs(before - after).max(axis=-1)
    core = size_of_change > mattes.FLOOR
    return Marked(before, after.astype(np.float32), mattes.widened(core, 2, 0.7), size_of_change > VISIBLE, len(places))


def covered(clean: Pixels, rng: np.random.Generator) -> Marked:
    """A picture with something in front of it that is no marker, and grain over both."""
    grain = _grain(clean.shape[0], rng)
    before, hidden = covers.cover(clean, rng)
    matte = mattes.widened(hidden, 2, 0.7)
    return Marked(before + grain, clean + grain, matte, hidden, 0, marked=False)


def _place(
    side: int, size: float, others: Sequence[tuple[float, float]], rng: np.random.Generator
) -> tuple[float, float] | None:
    for _ in range(20):
        x, y = rng.uniform(-2, side + 2, 2)
        if all((x - ox) ** 2 + (y - oy) ** 2 > (3.0 * size + 6) ** 2 for ox, oy in others):
            return float(x), float(y)
    return None


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


def _grain(side: int, rng: np.random.Generator) -> Pixels:
    sigma = float(rng.choice([0.0, 0.004, 0.008, 0.015]))
    noise = rng.normal(0, 1, (side, side, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(0.3, 0.8)))
    return np.asarray(soft / max(float(soft.std()), 1e-6) * sigma, np.float32)


def _lay(
    covered: Pixels,
    light: Pixels,
    coverage: Pixels,
    tone: Pixels,
    place: tuple[float, float],
    kind: str,
    ink: Pixels,
    around: Pixels,
) -> None:
    """Add one marker at `place`: how much it covers, and the light that it gives back or sends out."""
    side, reach = covered.shape[0], coverage.shape[0]
    left, top = (round(value - reach / 2) for value in place)
    rows, columns = slice(max(0, top), min(side, top + reach)), slice(max(0, left), min(side, left + reach))
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return
    own = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    amount, shade = coverage[own][..., None], tone[own][..., None]
    surface = ink[0] * (1 - shade) + ink[1] * shade
    if kind == "led":
        glow = cv2.GaussianBlur(coverage, (0, 0), max(1.0, reach / 14))[own][..., None]
        light[rows, columns] += amount * surface + 0.06 * glow * ink[0]
        covered[rows, columns] = np.maximum(covered[rows, columns], amount)
        return
    # A surface is lit as the plate around it is; mid grey skin or wall reflects about a fifth.
    lit = np.clip(around[rows, columns].mean(axis=-1, keepdims=True) / 0.2, 0.15, 4.0)
    light[rows, columns] = light[rows, columns] * (1 - amount) + amount * surface * lit
    covered[rows, columns] = np.maximum(covered[rows, columns], amount)
