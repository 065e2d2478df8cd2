"""How good new frames are: model and classical method, as the worker runs them, on what training never saw."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bipack import catalog
from bipack.imaging import color
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.plate import take
from bipack.worker import slowmo_check
from bipack.worker.slowmo_step import SlowMoStep
from bipack_train import motion_scenes, pictures, slowmo_clips

Pixels = NDArray[np.float32]


def new_frame(step: SlowMoStep, moment: Moment, method: str = "auto") -> Pixels:
    """The new frame of a moment as the worker makes it; encoded."""
    frame0, frame1 = (_frame(color.decode(encoded.copy())) for encoded in (moment.frame0, moment.frame1))
    before, after = (None if one is None else _frame(color.decode(one.copy())) for one in moment.around)
    return color.encode(take(slowmo_check.between(step, frame0, frame1, moment.time, method, (before, after))).pixels)


def _frame(linear: Pixels) -> Frame:
    window = Box.of_size(linear.shape[1], linear.shape[0])
    channels = {name: np.ascontiguousarray(linear[:, :, index]) for index, name in enumerate("RGB")}
    return Frame([Part(channels, window, window, {})])


# Sets ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moment:
    """Two frames, and the true one between them; encoded."""

    frame0: Pixels
    frame1: Pixels
    truth: Pixels
    time: float
    around: tuple[Pixels | None, Pixels | None] = (None, None)
    """The frames before and after the two, as far away as these are from each other, in the same shot."""


@dataclass(frozen=True)
class HeldOut:
    """One clip that training never saw."""

    name: str
    path: str
    skip: int
    start: int = 0
    count: int = 240


CLIPS = (
    HeldOut("butterfly, every 2nd", "sequences/butterfly_cc0.mp4", 2, count=226),
    HeldOut("Tears of Steel, every 2nd", "sequences/tears_of_steel_battle_ccby.webm", 2, count=320),
    HeldOut("Tears of Steel, every 4th", "sequences/tears_of_steel_battle_ccby.webm", 4, count=320),
    HeldOut("ASL walk, every 2nd", "sequences/intel_asl_walk_ccby.mkv", 2),
    HeldOut("ASL walk, every 4th", "sequences/intel_asl_walk_ccby.mkv", 4),
)
"""The test list; `slowmo.toml` names none of these clips."""

PICTURES = (
    "photos/budgie_piazza_gae_aulenti.jpg",
    "photos/fluttergallery_landscape_11.jpg",
    "photos/met_435809.jpg",
    "photos/pop_spacex_81773.jpg",
    "photos/skimage_coffee.png",
    "photos/tt4_building_exterior.jpg",
    "photos/wcs_nature_4.jpg",
    "photos/wct_van.jpg",
)
"""Pictures that rendered test scenes are cut from; the recipe excludes them."""

RENDERED_SEED = 90210


def clip_moments(data: str, held_out: HeldOut, most: int) -> Iterator[Moment]:
    """At most `most` moments of a held-out clip, evenly spread over it."""
    clip = slowmo_clips.read(os.path.join(data, held_out.path), held_out.start, held_out.count)
    moments = list(clip.moments(held_out.skip))
    chosen = sorted({int(index) for index in np.linspace(0, len(moments) - 1, min(most, len(moments)))})
    for index in chosen:
        moment = moments[index]
        truth = clip[moment.middle]
        yield Moment(clip[moment.first], clip[moment.second], truth, moment.time, clip.around(moment))


def rendered_moments(data: str, most: int, size: int = 256) -> Iterator[Moment]:
    """Rendered motion, cut from held-out pictures, at times of all sixteenths."""
    cuttings = [pictures.original(os.path.join(data, name)) for name in PICTURES]
    for index in range(most):
        rng = np.random.default_rng([RENDERED_SEED, index])
        moving = motion_scenes.render(cuttings, rng, size, time=(1 + index * 6 % 15) / 16, around=True)
        yield Moment(moving.frame0, moving.frame1, moving.between, moving.time, moving.around or (None, None))


# Figures ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SetScore:
    """Mean PSNR in dB over the moments of one set, of encoded RGB with the peak at 1."""

    name: str
    moments: int
    average: float
    """The two frames mixed, without motion."""

    classical: float
    model: float

    @property
    def gain(self) -> float:
        """dB over the classical method."""
        return self.model - self.classical


def score(name: str, moments: Iterator[Moment], step: SlowMoStep) -> SetScore:
    """Score one set."""
    rows = []
    for moment in moments:
        mixed = moment.frame0 * np.float32(1 - moment.time) + moment.frame1 * np.float32(moment.time)
        plain, ours = (new_frame(step, moment, method) for method in ("classical", "model"))
        rows.append([psnr(result, moment.truth) for result in (mixed, plain, ours)])
    return SetScore(name, len(rows), *(float(value) for value in np.mean(rows, axis=0)))


def psnr(result: Pixels, truth: Pixels) -> float:
    """PSNR in dB of encoded values; brighter than 1 counts as 1, as on a display."""
    error = float(np.mean(np.square(np.clip(result, 0, 1) - np.clip(truth, 0, 1)), dtype=np.float64))
    return float(-10 * np.log10(max(error, 1e-10)))


def table(folder: str, data: str, most: int) -> list[SetScore]:
    """Every held-out set, with at most `most` moments of each clip and four times as many rendered ones."""
    step = SlowMoStep(catalog.locate(folder), "cpu")
    try:
        rows = [
            score(held_out.name, clip_moments(data, held_out, most), step)
            for held_out in CLIPS
            if _is_there(os.path.join(data, held_out.path))
        ]
        rows.append(score("rendered motion", rendered_moments(data, 4 * most), step))
    finally:
        step.close()
    return rows


def _is_there(path: str) -> bool:
    return os.path.isfile(path) if "%" not in path else os.path.isfile(path % 1)
