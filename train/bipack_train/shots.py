"""Shots made of photographs, for models of several frames: layers that move and bend, a camera in a hand, its noise.

A camera that moves evenly over one photograph is too easy on an encoder: it draws a picture once and copies it from
frame to frame, faults and all, and a network that learned from nothing else takes no notice of neighbours. In footage
things turn, bend, hide each other and are noisy, so that faults differ from frame to frame. Footage that may be trained
on is rare; this is made of what photographs there are, in any amount. Every frame is rendered twice as large as it is
shown and averaged, so that motion by a fraction of a pixel does not blur.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging import color
from bipack_train import motion, motion_scenes, wear
from bipack_train.wear import Pixels

_SAMPLES = 2
"""A shown pixel is the mean of so many rendered ones along each axis."""

_PACE = (0.02, 0.3)
"""Time of a scene (bipack_train.motion_scenes) that passes from one frame to the next. At most, a layer goes by
0.3 * FARTHEST of the frame: 7 pixels of 160."""

_SHAKE, _SHAKEN = 1.5, 0.5
"""How far a hand moves the camera from frame to frame, in shown pixels (sigma), at most; and how often there is one."""

_BLURRED, _SHUTTER, _MOMENTS = 0.3, 0.5, 3
"""Shots whose shutter is open for half of a frame's time, and the moments that are averaged."""

_SOFT = 1.1
"""Most sigma of the lens, in shown pixels; any less is as likely. Sharp as photographs at half size shots are harder
on an encoder than footage is: bench figures in docs/training_superres.md."""

_NOISY, _SHOT, _READ, _GRAIN = 0.8, 0.0004, 0.003, 0.8
"""Shots with noise of their own; most variance of shot noise per unit of light, most sigma of read noise, and most
sigma that the noise is blurred by: films come scanned, denoised, enlarged or encoded before. A clean picture is not
what a camera gives, so the noise is in the truth as well."""

_MOST = 4
"""Photographs that one shot is made of, at most."""


def render(photos: Sequence[Pixels], rng: np.random.Generator, side: int, frames: int) -> list[Pixels]:
    """`frames` pictures (side, side, 3), display-coded 0..1, of one scene made of `photos` at twice the sharp size."""
    margin = int(np.ceil(3 * _SHAKE * _SAMPLES))
    shown = side * _SAMPLES
    scene = motion_scenes.draw_scene(photos, rng, shown + 2 * margin)
    pace = float(np.exp(rng.uniform(*np.log(_PACE))))
    shutter, moments = (_SHUTTER * pace, _MOMENTS) if rng.random() < _BLURRED else (0.0, 1)
    noise, soft = _noise(rng), float(rng.uniform(0, _SOFT))
    result = []
    for number, (down, across) in enumerate(_shake(rng, frames, margin)):
        fine = scene.frame((number - (frames - 1) / 2) * pace, shutter, moments)
        seen = _blurred(_shown(fine[down : down + shown, across : across + shown], side), soft)
        result.append(noise(seen, rng))
    return result


def picked(paths: Sequence[str], rng: np.random.Generator) -> list[str]:
    """The few of `paths` that one shot is made of."""
    count = min(len(paths), int(rng.integers(1, _MOST + 1)))
    return [paths[index] for index in rng.choice(len(paths), count, replace=False)]


def _shown(fine: motion.Pixels, side: int) -> Pixels:
    return np.asarray(np.clip(cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA), 0, 1), np.float32)


def _blurred(pixels: Pixels, sigma: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.float32) if sigma > 0.05 else pixels


def _shake(rng: np.random.Generator, frames: int, margin: int) -> NDArray[np.int64]:
    """Where each frame is cut out of the rendered one, (frames, 2) from 0 to 2 * margin: a hand that drifts back."""
    place, places = np.zeros(2), []
    strength = _SHAKE * _SAMPLES * rng.random() if rng.random() < _SHAKEN else 0.0
    for _ in range(frames):
        place = 0.8 * place + rng.normal(0, strength, 2)
        places.append(np.clip(np.rint(place), -margin, margin) + margin)
    return np.array(places, np.int64)


class _Noise:
    """The noise of one camera, new in each frame."""

    def __init__(self, shot: float, read: float, bayer: bool, grain: float) -> None:
        self.shot, self.read, self.bayer, self.grain = shot, read, bayer, grain

    def __call__(self, coded: Pixels, rng: np.random.Generator) -> Pixels:
        if not self.shot and not self.read:
            return coded
        noisy = color.encode(wear.add_noise(color.decode(coded), self.shot, self.read, self.bayer, rng))
        return np.asarray(np.clip(coded + _blurred(noisy - coded, self.grain), 0, 1), np.float32)


def _noise(rng: np.random.Generator) -> _Noise:
    if rng.random() >= _NOISY:
        return _Noise(0.0, 0.0, False, 0.0)
    # Squared, so that low noise is met more often than heavy.
    shot, read = _SHOT * rng.random() ** 2, _READ * rng.random() ** 2
    return _Noise(shot, read, rng.random() < 0.6, float(rng.uniform(0, _GRAIN)))
