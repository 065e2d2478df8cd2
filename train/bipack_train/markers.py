"""Tracking markers drawn over clean plates: endless pairs for a marker-removal model that needs no training by artists.

Markers vary in shape (dots, crosses, triangles, checkers and more), in what they are made of (ink, tape, LED), in
perspective, focus, motion blur and light. A few looks are never trained on; they and plates of their own make the
held-out test. Crops without any marker are part of the training: most of a plate is not to be touched.
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
from bipack_train import pictures, recipe
from bipack_train.dataset import Batch, tensor
from bipack_train.marker_drawing import Marked, mark
from bipack_train.marker_shapes import FURTHER_SHAPES, HELD_OUT_SHAPES, SHAPES

CLEAN_SHARE = 0.15
"""Share of crops without any marker."""

TRAINED = 10.0
"""As `marker_drawing.STANDS_OUT` for training: whoever learns to see fainter marks sees marks in every busy plate."""

MEASURABLE = 16.0
"""As `marker_drawing.STANDS_OUT` for held-out frames: below it even a perfect fill leaves a quarter of the energy."""

SCREENS = 0.06
"""Share of crops that show nothing but a green or blue screen."""

FARTHEST = 2.5
"""Plate pixels to one of a training crop, at most: small, busy detail is what is taken for marks."""

AREA = 2700
"""Pixels of a crop to one more marker, at most."""

FACES = 4
"""How often a portrait is shown against another picture of its size: that is where most markers are."""


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

    mender: str = field(default="", metadata=recipe.VOLATILE)
    """Inpaint model (catalogue name, folder or file) that fills what was found; empty = the run's own repair."""

    kept: float = field(default=0.0, metadata=recipe.VOLATILE)
    """Share of the weights that the run began from in those of the published finder; the rest is what it learned."""

    surer: float = field(default=0.0, metadata=recipe.VOLATILE)
    """Taken off the matte's logit in the published model: the larger, the fewer false finds, and the fewer finds."""

    sure: float = field(default=-20.0, metadata=recipe.VOLATILE)
    """What the logit has to reach after that in one pixel of a mark; below, the mark fades back in."""

    tighter: int = field(default=0, metadata=recipe.VOLATILE)
    """Pixels by which what is repaired is smaller, on every side, than the matte that was learned."""

    looks: int = field(default=1, metadata=recipe.VOLATILE)
    """Mirror images of the plate that the published finder looks at, 1 to 4, itself included."""


class MarkerPool:
    """Crops with markers drawn over them; a `dataset.Crops`."""

    def __init__(self, plates: Sequence[NDArray[np.uint8] | NDArray[np.float16]], side: int, batch: int, seed: int):
        self.plates, self.side, self.size, self.seed = list(plates), side, batch, seed
        sizes = np.array([min(part.shape[0] * part.shape[1], 600_000) for part in plates], np.float64)
        self.shares = sizes / sizes.sum()

    def batch(self, step: int, first: int = 0, count: int | None = None) -> Batch:
        """The crops `first` … of step `step` as tensors."""
        made = [self.crop(step, first + index) for index in range(self.size if count is None else count)]
        return Batch(
            tensor([one.before for one in made]),
            tensor([one.after for one in made]),
            tensor([one.matte[..., None] for one in made]),
        )

    def crop(self, step: int, index: int) -> Marked:
        """Crop number `index` of step `step`."""
        rng = np.random.default_rng([self.seed, step, index])
        if rng.random() < SCREENS:
            clean = screen(self.side, rng)
        else:
            picture = self.plates[int(rng.choice(len(self.plates), p=self.shares))]
            clean = _varied(clean_crop(picture, self.side, rng, farthest=FARTHEST), rng)
        count = 0 if rng.random() < CLEAN_SHARE else int(rng.integers(1, 2 + self.side**2 // AREA))
        return mark(clean, rng, count, (*SHAPES, *FURTHER_SHAPES), stands_out=TRAINED)


def _varied(clean: Pixels, rng: np.random.Generator) -> Pixels:
    """A crop (side, side, 3) that now and then lies on its side, has its colors swapped, or has none."""
    if rng.random() < 0.3:
        clean = np.rot90(clean, int(rng.integers(1, 4)))
    chance = rng.random()
    if chance < 0.2:
        clean = clean[..., rng.permutation(3)]
    elif chance < 0.3:
        clean = np.repeat(clean.mean(axis=-1, keepdims=True), 3, axis=-1)
    return np.ascontiguousarray(clean)


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
            times = FACES if folder == "faces" and not held_out else 1
            kept += [np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8)] * times
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
        frames.append(mark(clean, rng, int(rng.integers(6, 16)), shapes, "held out", MEASURABLE))
    return frames


def clean_crop(
    picture: NDArray[np.uint8] | NDArray[np.float16],
    side: int,
    rng: np.random.Generator,
    closest: float = 0.5,
    farthest: float = 1.6,
) -> Pixels:
    """A crop of a picture at a random scale, exposure, tint and focus, with grain; encoded (side, side, 3)."""
    height, width = picture.shape[:2]
    scale = min(float(np.exp(rng.uniform(np.log(closest), np.log(farthest)))), min(height, width) / (side + 2))
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


def screen(side: int, rng: np.random.Generator) -> Pixels:
    """A green or blue screen with soft folds; encoded (side, side, 3)."""
    paint = np.array([(0.06, 0.4, 0.1), (0.04, 0.12, 0.5)][int(rng.integers(2))]) * rng.uniform(0.8, 1.25, 3)
    folds = cv2.resize(rng.normal(0, 0.12, (int(rng.integers(2, 7)), int(rng.integers(2, 7)))), (side, side))
    return color.encode(np.asarray(paint * np.exp(folds)[..., None] * _light(side, rng), np.float32))


def _light(side: int, rng: np.random.Generator) -> Pixels:
    axis = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    ramp = rng.uniform(-0.6, 0.6, 2)
    stops = rng.normal(0, 0.6) + ramp[0] * axis[:, None] + ramp[1] * axis[None, :]
    return np.asarray(np.exp2(stops)[..., None] * (1 + rng.uniform(-0.12, 0.12, 3)), np.float32)
