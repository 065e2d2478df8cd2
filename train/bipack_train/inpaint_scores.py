"""Scores of an inpaint model on one frame: pictures that training never saw, holes drawn by a seed, OpenCV beside it.

The published model is what is measured, through frames on disk and the worker's own step, with nothing to borrow from.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack import catalog, messages
from bipack.imaging import color, plate
from bipack.imaging.frame import Pixels
from bipack.imaging.image_io import read_frame, write_frame
from bipack.worker.inpaint_step import InpaintStep
from bipack.worker.sequence import run_sequence
from bipack_train import inpaint_masks, pictures
from bipack_train.verify import picture_frame

Mask = NDArray[np.bool_]

SIDE = 384
"""Side of the square that is cut out of the middle of every picture."""

_LARGEST = 768
"""Pictures are halved until their shorter side is below this: of a wall of pixels one sees nothing but blur."""

_STROKE = 32.0
_SQUARE = 96
_OPENCV_RADIUS = 5

ALONE = {"range": 0, "keys": 0, "grow": 0, "feather": 0, "grain": "off", "provenance": 0}
"""Knobs under which the network alone is seen."""


@dataclass(frozen=True)
class Case:
    """One picture with one hole."""

    name: str
    kind: str
    """free-form or square."""

    picture: Pixels
    """Encoded (height, width, 3), 0..1."""

    hole: Mask


@dataclass(frozen=True)
class HoleScore:
    """One row of the table: PSNR in the hole in dB, and how hard the border of the hole is."""

    name: str
    kind: str
    telea: float
    navier_stokes: float
    model: float
    seam: float
    """Mean step across the border of the hole over the same of the plate: 1 is as it was."""

    @property
    def best_other(self) -> float:
        """The better of OpenCV's two on this picture."""
        return max(self.telea, self.navier_stokes)


def cases(data: str, names: Sequence[str], seed: int) -> list[Case]:
    """Two holes for each photograph of `names` (relative to `data`): free-form over 10 to 30 %, and a square."""
    found = []
    for index, name in enumerate(name for name in names if not name.endswith(".exr")):
        pixels = pictures.original(os.path.join(data, name))
        while min(pixels.shape[:2]) >= _LARGEST:
            half = pixels.shape[1] // 2, pixels.shape[0] // 2
            pixels = np.asarray(cv2.resize(pixels, half, interpolation=cv2.INTER_AREA), np.float32)
        height, width = pixels.shape[:2]
        side = min(SIDE, height, width)
        top, left = (height - side) // 2, (width - side) // 2
        # To 8 bits: what OpenCV is given.
        cut = np.round(np.clip(pixels[top : top + side, left : left + side], 0, 1) * 255) / np.float32(255)
        rng = np.random.default_rng([seed, 5, index])
        free = inpaint_masks.of_kind(rng, inpaint_masks.free_form, side, _STROKE, float(rng.uniform(0.1, 0.3)))
        square = np.zeros((side, side), bool)
        start = (side - _SQUARE) // 2
        square[start : start + _SQUARE, start : start + _SQUARE] = True
        label = os.path.splitext(os.path.basename(name))[0]
        found += [Case(label, "free-form", cut, free), Case(label, "square", cut, square)]
    return found


def fill(model: str, picture: Pixels, hole: Mask, device: str = "cpu", **knobs: Any) -> Pixels:
    """Run an encoded picture (height, width, 3) and its hole through the worker with `model`, as float32 EXR."""
    with tempfile.TemporaryDirectory(prefix="bipack-scores-") as room:
        source, matte, result = (os.path.join(room, name) for name in ("plate.exr", "matte.exr", "result.exr"))
        # What is to go must have no influence: it is painted over.
        write_frame(source, picture_frame(color.decode(np.where(hole[..., None], np.float32(0.5), picture))))
        write_frame(matte, picture_frame(hole[..., None].astype(np.float32)))
        request = messages.Render(
            "scores", model, source, result, matte=matte, device=device, settings={**ALONE, **knobs}
        )
        step = InpaintStep(catalog.locate(model), device)
        try:
            run_sequence(request, step, lambda message: None, threading.Event())
        finally:
            step.close()
        return color.encode(plate.take(read_frame(result)).pixels)


def opencv(picture: Pixels, hole: Mask, method: int) -> Pixels:
    """Telea's or the Navier-Stokes method on 8 bits; encoded in and out."""
    codes = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    filled = cv2.inpaint(codes, hole.astype(np.uint8), _OPENCV_RADIUS, method)
    return np.asarray(filled, np.float32) / np.float32(255)


def score(model: str, case: Case) -> HoleScore:
    """Measure one case. Raises what the worker raises."""
    telea, navier_stokes = (opencv(case.picture, case.hole, way) for way in (cv2.INPAINT_TELEA, cv2.INPAINT_NS))
    ours = fill(model, case.picture, case.hole)
    figures = [psnr(result, case.picture, case.hole) for result in (telea, navier_stokes, ours)]
    return HoleScore(case.name, case.kind, figures[0], figures[1], figures[2], seam(ours, case.picture, case.hole))


def psnr(result: Pixels, truth: Pixels, hole: Mask) -> float:
    """PSNR in the hole over all channels of encoded values, in dB."""
    error = float(np.square(result[hole] - truth[hole], dtype=np.float64).mean())
    return -10.0 * float(np.log10(max(error, 1e-10)))


def seam(result: Pixels, truth: Pixels, hole: Mask) -> float:
    """Mean absolute step between pixels on the two sides of the hole's border, over that of the truth."""
    steps = []
    for picture in (result, truth):
        across = np.abs(np.diff(picture, axis=1))[hole[:, 1:] != hole[:, :-1]]
        down = np.abs(np.diff(picture, axis=0))[hole[1:] != hole[:-1]]
        steps.append(float(np.concatenate([across.ravel(), down.ravel()]).mean()))
    return steps[0] / max(steps[1], 1e-6)


def means(rows: Sequence[HoleScore]) -> tuple[float, float, float]:
    """Means over `rows`: of the model, of the better of OpenCV's two on each picture, and of the seam."""
    return (
        float(np.mean([row.model for row in rows])),
        float(np.mean([row.best_other for row in rows])),
        float(np.mean([row.seam for row in rows])),
    )
