"""Held-out scores: each picture of the test list is shrunk, enlarged by the worker as an artist would, and compared.

The published model is what is measured, through frames on disk and `run_sequence`, and not the network in the trainer:
an error anywhere on the way (encoding, tiles, phase) would show as lost decibels.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bipack import catalog, messages
from bipack.imaging import color, plate, resample
from bipack.imaging.image_io import read_frame, write_frame
from bipack.worker.model_step import ModelStep
from bipack.worker.sequence import run_sequence
from bipack_train import codecs, degrade, metrics, pictures, slowmo_clips
from bipack_train.verify import picture_frame

CLEAN = "clean"
_JPEG_QUALITY = {"JPEG q30": 30, "JPEG q60": 60}
_FILM_QUALITY = {"H.264 crf 28": 28, "H.264 crf 30": 30, "H.264 crf 35": 35}
FILES = (CLEAN, *_JPEG_QUALITY, *_FILM_QUALITY)
"""Kinds of file that a small test picture may have been through."""

_CLIP_FRAMES = 8
_SHOWN = -2
"""The frame of a clip that is scored: a predicted one with neighbours on both sides."""

STEP = (1, 2)
"""Sharp pixels (down, across) that the camera moves from frame to frame: each frame samples other phases."""

Knobs = Mapping[str, float | str]


@dataclass(frozen=True)
class PictureScore:
    """One row of the table: PSNR-Y in dB."""

    name: str
    width: int
    height: int
    bicubic: float
    model: float

    @property
    def gain(self) -> float:
        """Decibels over bicubic."""
        return self.model - self.bicubic


def enlarge(
    model: str, linear: degrade.Pixels, device: str = "cpu", tile: str = "auto", knobs: Knobs | None = None
) -> degrade.Pixels:
    """Run scene-linear (height, width, 3) through the worker's image path with `model`; float32 EXR in and out.

    `model` is a catalogue name or a model folder, `knobs` its settings where they differ from the card. Raises what the
    worker raises.
    """
    return enlarge_clip(model, [linear], device, tile, knobs)[0]


def enlarge_clip(
    model: str,
    frames: Sequence[degrade.Pixels],
    device: str = "cpu",
    tile: str = "auto",
    knobs: Knobs | None = None,
    only: int | None = None,
) -> list[degrade.Pixels]:
    """As `enlarge`, frames of one shot: a model of several frames sees their neighbours.

    With `only`, the place of one frame among them, that one alone is made.
    """
    with tempfile.TemporaryDirectory(prefix="bipack-scores-") as room:
        source, result = os.path.join(room, "plate.%04d.exr"), os.path.join(room, "result.%04d.exr")
        numbers = tuple(range(1, len(frames) + 1))
        wanted = numbers if only is None else (numbers[only],)
        for number, linear in zip(numbers, frames, strict=True):
            write_frame(source % number, picture_frame(linear))
        step = ModelStep(catalog.locate(model), device)
        try:
            request = messages.Render(
                "scores", model, source, result, wanted, settings=knobs or {}, device=device, tile=tile
            )
            run_sequence(request, step, lambda message: None, threading.Event())
        finally:
            step.close()
        return [plate.take(read_frame(result % number)).pixels for number in wanted]


def small_and_sharp(path: str, scale: int, kind: str = CLEAN) -> tuple[degrade.Pixels, degrade.Pixels]:
    """A test picture as (small, sharp) display-coded values, both rounded to 8 bits as the published sets are.

    `kind` of FILES says through which file the small one went. Film frames are taken out of `moving_clip`.
    """
    if kind in _FILM_QUALITY or path.lower().endswith(slowmo_clips.FILM_SUFFIXES):
        small, shown = moving_clip(path, scale, kind)
        return small[_SHOWN], shown[_SHOWN]
    sharp = degrade.crop_to_multiple(pictures.original(path), scale)
    return through_file([made_small(sharp, scale)], kind)[0], sharp


def moving_clip(path: str, scale: int, kind: str) -> tuple[list[degrade.Pixels], list[degrade.Pixels]]:
    """A short clip (small, sharp): the camera moves over a test picture by STEP sharp pixels a frame.

    A film file is a clip by itself: frames from its middle, at half size.
    """
    if path.lower().endswith(slowmo_clips.FILM_SUFFIXES):
        footage = slowmo_clips.read(path, shrink=2)
        first = (len(footage) - _CLIP_FRAMES) // 2
        real = [degrade.crop_to_multiple(footage[first + n], 2 * scale) for n in range(_CLIP_FRAMES)]
        return through_file([made_small(frame, scale) for frame in real], kind), real
    sharp = degrade.crop_to_multiple(pictures.original(path), 2 * scale)
    height, width = (side - 2 * scale * _CLIP_FRAMES for side in sharp.shape[:2])
    shown = []
    for number in range(_CLIP_FRAMES):
        top, left = STEP[0] * number, STEP[1] * number
        shown.append(degrade.crop_to_multiple(sharp[top : top + height, left : left + width], 2 * scale))
    return through_file([made_small(frame, scale) for frame in shown], kind), shown


def through_file(small: list[degrade.Pixels], kind: str) -> list[degrade.Pixels]:
    """Frames of one shot after a file of `kind`."""
    if kind == CLEAN:
        return small
    frames = [np.rint(frame * 255).astype(np.uint8) for frame in small]
    if kind in _FILM_QUALITY:
        coded = codecs.through_film(frames, codecs.Film("h264", _FILM_QUALITY[kind], preset="medium"))
    else:
        coded = [codecs.through_jpeg(frame, _JPEG_QUALITY[kind]) for frame in frames]
    return [frame.astype(np.float32) / np.float32(255) for frame in coded]


def made_small(sharp: degrade.Pixels, scale: int) -> degrade.Pixels:
    """A sharp picture made small by antialiased bicubic, rounded to 8 bits."""
    return degrade.to_8bit(np.clip(degrade.shrink_coded(sharp, scale), 0, 1))


def bicubic(small: degrade.Pixels, scale: int) -> degrade.Pixels:
    """The baseline: Keys' bicubic on display-coded values."""
    height, width = small.shape[:2]
    return resample.resize(small, width * scale, height * scale, kernel="cubic")


def score_picture(
    model: str, path: str, scale: int, device: str = "cpu", kind: str = CLEAN, knobs: Knobs | None = None
) -> PictureScore:
    """Score one photograph. PSNR-Y crops `scale` pixels at the border.

    A model of several frames is given the clip of the photograph, and scored on a frame inside it.
    """
    card = catalog.locate(model).card
    if card is not None and len(card.frame_offsets) > 1:
        clip, shown = moving_clip(path, scale, kind)
        small, sharp = clip[_SHOWN], shown[_SHOWN]
        linear = enlarge_clip(model, [color.decode(frame) for frame in clip], device, knobs=knobs, only=_SHOWN)[0]
    else:
        small, sharp = small_and_sharp(path, scale, kind)
        linear = enlarge(model, color.decode(small), device, knobs=knobs)
    height, width = sharp.shape[:2]
    plain = metrics.psnr_y(bicubic(small, scale), sharp, scale)
    own = metrics.psnr_y(color.encode(linear), sharp, scale)
    return PictureScore(os.path.basename(path), width, height, plain, own)


def score_photos(
    model: str,
    folder: str,
    names: Sequence[str],
    scale: int,
    device: str = "cpu",
    kind: str = CLEAN,
    knobs: Knobs | None = None,
) -> list[PictureScore]:
    """Score every photograph and clip of `names` (relative to `folder`); panoramas are left out."""
    photos = [name for name in names if not name.endswith(".exr")]
    return [score_picture(model, os.path.join(folder, name), scale, device, kind, knobs) for name in photos]


@dataclass(frozen=True)
class DetailScore:
    """What a model that adds detail makes of one picture, beside interpolation."""

    psnr: tuple[float, float]
    """PSNR-Y in dB (model, bicubic)."""

    texture: tuple[float, float]
    """Strength of the finest octave of luma over the truth's: 1 is as much texture as there was."""

    consistency: tuple[float, float]
    """Mean absolute difference from the plate, in steps of 1/255, of the result averaged in light to its size."""


def score_detail(model: str, path: str, scale: int, kind: str, knobs: Knobs) -> DetailScore:
    """Score one photograph by what detail costs and gives, at the settings `knobs`."""
    small, sharp = small_and_sharp(path, scale, kind)
    own = color.encode(enlarge(model, color.decode(small), knobs=knobs))
    plain = bicubic(small, scale)

    def both(figure: Callable[[degrade.Pixels], float]) -> tuple[float, float]:
        return figure(own), figure(plain)

    return DetailScore(
        both(lambda picture: metrics.psnr_y(picture, sharp, scale)),
        both(lambda picture: metrics.finest_octave(picture) / metrics.finest_octave(sharp)),
        both(lambda picture: 255 * float(np.abs(degrade.shrink_light(picture, scale) - small).mean())),
    )


def flicker(model: str, path: str, scale: int, kind: str, device: str = "cpu") -> tuple[float, float]:
    """How much a moving clip flickers, (model, bicubic): see `unsteadiness`."""
    small, _ = moving_clip(path, scale, kind)
    results = enlarge_clip(model, [color.decode(frame) for frame in small], device)
    plain = unsteadiness([bicubic(frame, scale) for frame in small])
    return unsteadiness([color.encode(frame) for frame in results]), plain


def unsteadiness(frames: Sequence[degrade.Pixels]) -> float:
    """RMS luma difference, in steps of 1/255, of neighbouring frames of `moving_clip`, the camera's move undone.

    0 for the sharp clip itself: there the same place has the same value in every frame.
    """
    down, across = STEP
    errors = []
    for before, after in itertools.pairwise(metrics.luma(frame) for frame in frames):
        errors.append(np.mean((after[:-down, :-across] - before[down:, across:]) ** 2))
    return float(np.sqrt(np.mean(errors)))


def mean(scores: Sequence[PictureScore]) -> tuple[float, float]:
    """Mean PSNR-Y of the model and of bicubic."""
    return float(np.mean([row.model for row in scores])), float(np.mean([row.bicubic for row in scores]))
