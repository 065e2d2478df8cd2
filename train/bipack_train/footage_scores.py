"""Scores on real footage that training never saw, through the worker: how near to the truth, and how steady.

A clip is a film file at half size, which hides most of what its own compression did. It is made small, encoded as H.264
for real, and given to the model; every frame counts: whole pictures, predicted ones, the first and the last.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bipack.imaging import color
from bipack_train import degrade, metrics, scores, slowmo_clips

FIRST, COUNT = 20, 14
"""Frames of the film file that are taken."""

KINDS = ("H.264 crf 28", "H.264 crf 30", "H.264 crf 35")

Frames = Sequence[degrade.Pixels]


@dataclass(frozen=True)
class ClipScore:
    """One clip. First the plate enlarged by bicubic, then each model."""

    name: str
    psnr: tuple[float, ...]
    """Mean PSNR-Y of the frames, in dB."""

    flicker: tuple[float, ...]
    """`unsteadiness`, in 1/255."""


def score_clip(
    models: Sequence[str],
    path: str,
    scale: int,
    kind: str,
    device: str = "cpu",
    knobs: scores.Knobs | None = None,
) -> ClipScore:
    """Score `models` (names or folders), at the settings `knobs`, on one film file. Raises what the worker raises."""
    small, sharp = clip(path, scale, kind)
    linear = [color.decode(frame) for frame in small]
    made = [[scores.bicubic(frame, scale) for frame in small]]
    made += [
        [color.encode(frame) for frame in scores.enlarge_clip(model, linear, device, knobs=knobs)] for model in models
    ]
    near = [
        float(np.mean([metrics.psnr_y(one, truth, scale) for one, truth in zip(frames, sharp, strict=True)]))
        for frames in made
    ]
    return ClipScore(os.path.basename(path), tuple(near), tuple(unsteadiness(frames, sharp) for frames in made))


def clip(path: str, scale: int, kind: str) -> tuple[list[degrade.Pixels], list[degrade.Pixels]]:
    """(small, sharp) frames of a film file, display-coded; the small ones went through a file of `kind`."""
    film = slowmo_clips.read(path, start=FIRST, count=COUNT, shrink=2)
    sharp = [degrade.crop_to_multiple(film[index], 2 * scale) for index in range(len(film))]
    return scores.through_file([scores.made_small(frame, scale) for frame in sharp], kind), sharp


def unsteadiness(frames: Frames, truth: Frames) -> float:
    """RMS change of the luma error from each frame to the next, in steps of 1/255: what is seen as flicker."""
    errors = [metrics.luma(one) - metrics.luma(true) for one, true in zip(frames, truth, strict=True)]
    return float(np.sqrt(np.mean([np.mean((after - before) ** 2) for before, after in itertools.pairwise(errors)])))


def means(table: Sequence[ClipScore]) -> tuple[list[float], list[float]]:
    """Mean PSNR-Y and mean flicker over the clips: of the plate, then of each model."""
    psnr = [float(np.mean(column)) for column in zip(*(row.psnr for row in table), strict=True)]
    return psnr, [float(np.mean(column)) for column in zip(*(row.flicker for row in table), strict=True)]
