"""Held-out scores: each picture of the test list is shrunk, enlarged by the worker as an artist would, and compared.

The published model is what is measured, through frames on disk and `run_sequence`, and not the network in the trainer:
an error anywhere on the way (encoding, tiles, phase) would show as lost decibels.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bipack import catalog, messages
from bipack.imaging import color, plate, resample
from bipack.imaging.image_io import read_frame, write_frame
from bipack.worker.model_step import ModelStep
from bipack.worker.sequence import run_sequence
from bipack_train import codecs, degrade, metrics, pictures
from bipack_train.verify import picture_frame

CLEAN = "clean"
_JPEG_QUALITY = {"JPEG q30": 30, "JPEG q60": 60}
_FILM_QUALITY = {"H.264 crf 28": 28, "H.264 crf 30": 30, "H.264 crf 35": 35}
FILES = (CLEAN, *_JPEG_QUALITY, *_FILM_QUALITY)
"""Kinds of file that a small test picture may have been through."""

_CLIP_FRAMES = 8


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


def enlarge(model: str, linear: degrade.Pixels, device: str = "cpu", tile: str = "auto") -> degrade.Pixels:
    """Run scene-linear (height, width, 3) through the worker's image path with `model`; float32 EXR in and out.

    `model` is a catalogue name or a model folder. Raises what the worker raises.
    """
    with tempfile.TemporaryDirectory(prefix="bipack-scores-") as room:
        source, result = os.path.join(room, "plate.exr"), os.path.join(room, "result.exr")
        write_frame(source, picture_frame(linear))
        step = ModelStep(catalog.locate(model), device)
        try:
            request = messages.Render("scores", model, source, result, device=device, tile=tile)
            run_sequence(request, step, lambda message: None, threading.Event())
        finally:
            step.close()
        return plate.take(read_frame(result)).pixels


def small_and_sharp(path: str, scale: int, kind: str = CLEAN) -> tuple[degrade.Pixels, degrade.Pixels]:
    """A test picture as (small, sharp) display-coded values, both rounded to 8 bits as the published sets are.

    `kind` of FILES says through which file the small one went. Film frames are the last of a short clip over which the
    camera moves by whole sharp pixels; the sharp picture is what that frame shows.
    """
    sharp = degrade.crop_to_multiple(pictures.original(path), 2 * scale)
    if kind not in _FILM_QUALITY:
        small = _small(sharp, scale)
        if kind in _JPEG_QUALITY:
            small = _coded(codecs.through_jpeg(_bytes(small), _JPEG_QUALITY[kind]))
        return small, sharp
    height, width = (side - 2 * scale * _CLIP_FRAMES for side in sharp.shape[:2])
    clip = []
    for number in range(_CLIP_FRAMES):
        # Two sharp pixels to the right and one down: other phases of the small picture with every frame.
        top, left = number, 2 * number
        shown = degrade.crop_to_multiple(sharp[top : top + height, left : left + width], 2 * scale)
        clip.append(_bytes(_small(shown, scale)))
    film = codecs.Film("h264", _FILM_QUALITY[kind], preset="medium")
    return _coded(codecs.through_film(clip, film)[-1]), shown


def _small(sharp: degrade.Pixels, scale: int) -> degrade.Pixels:
    return degrade.to_8bit(np.clip(degrade.shrink_coded(sharp, scale), 0, 1))


def _bytes(coded: degrade.Pixels) -> codecs.Bytes:
    return np.rint(coded * 255).astype(np.uint8)


def _coded(pixels: codecs.Bytes) -> degrade.Pixels:
    return pixels.astype(np.float32) / np.float32(255)


def bicubic(small: degrade.Pixels, scale: int) -> degrade.Pixels:
    """The baseline: Keys' bicubic on display-coded values."""
    height, width = small.shape[:2]
    return resample.resize(small, width * scale, height * scale, kernel="cubic")


def score_picture(model: str, path: str, scale: int, device: str = "cpu", kind: str = CLEAN) -> PictureScore:
    """Score one photograph. PSNR-Y crops `scale` pixels at the border."""
    small, sharp = small_and_sharp(path, scale, kind)
    result = color.encode(enlarge(model, color.decode(small), device))
    height, width = sharp.shape[:2]
    plain = metrics.psnr_y(bicubic(small, scale), sharp, scale)
    return PictureScore(os.path.basename(path), width, height, plain, metrics.psnr_y(result, sharp, scale))


def score_photos(
    model: str, folder: str, names: Sequence[str], scale: int, device: str = "cpu", kind: str = CLEAN
) -> list[PictureScore]:
    """Score every photograph of `names` (relative to `folder`); panoramas are left out."""
    photos = [name for name in names if not name.endswith(".exr")]
    return [score_picture(model, os.path.join(folder, name), scale, device, kind) for name in photos]


def mean(scores: Sequence[PictureScore]) -> tuple[float, float]:
    """Mean PSNR-Y of the model and of bicubic."""
    return float(np.mean([row.model for row in scores])), float(np.mean([row.bicubic for row in scores]))
