"""How good new frames are: the model (through ONNX Runtime) beside the classical method, on what training never saw."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from bipack import catalog
from bipack.catalog import Located
from bipack.errors import ModelRefused
from bipack.imaging import classical_flow
from bipack.imaging.classical_flow import prior_of, warp
from bipack.worker.session import open_session
from bipack_train import motion_scenes, pictures, slowmo_clips
from bipack_train.models.slowmo import MULTIPLE

Pixels = NDArray[np.float32]


class Interpolator:
    """The two graphs of a slow-motion model folder, opened; use it in `with`."""

    def __init__(self, folder: str, device: str = "cpu") -> None:
        located = catalog.locate(folder)
        card = located.card
        if card is None or "synthesis" not in card.graphs:
            raise ModelRefused(f"{folder} is no slow-motion model: its card names no graph called synthesis.")
        second = os.path.join(located.folder, card.graphs["synthesis"].file)
        with contextlib.ExitStack() as stack:
            self._flow = stack.enter_context(open_session(Located(located.name, located.path, None), device))
            self._synthesis = stack.enter_context(open_session(Located(located.name, second, None), device))
            self._open = stack.pop_all()

    def __enter__(self) -> Interpolator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def between(self, frame0: Pixels, frame1: Pixels, prior: Pixels, times: Sequence[float]) -> list[Pixels]:
        """New frames at `times` between encoded frames (height, width, 3); `prior` as `prior_of` gives it."""
        height, width = frame0.shape[:2]
        planes = {"frame0": _planes(frame0), "frame1": _planes(frame1)}
        found = self._flow.run({**planes, "prior": _planes(prior)})
        results = []
        for time in times:
            moment = np.full((1, 1, 1, 1), time, np.float32)
            out = self._synthesis.run(
                {**planes, "flow": found["flow"], "reliability": found["reliability"], "time": moment}
            )
            to0, to1, mask = (_pixels(out[name], height, width) for name in ("to0", "to1", "mask"))
            first, second = warp(frame0, to0), warp(frame1, to1)
            results.append(np.asarray(second + mask * (first - second), np.float32))
        return results


def _planes(pixels: Pixels) -> Pixels:
    """(height, width, channels) to (1, channels, height, width), padded by its edge to a multiple of 16."""
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0)), mode="edge")
    return np.ascontiguousarray(padded.transpose(2, 0, 1)[None], np.float32)


def _pixels(planes: Pixels, height: int, width: int) -> Pixels:
    return np.ascontiguousarray(planes[0, :, :height, :width].transpose(1, 2, 0))


# Sets ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moment:
    """Two frames, and the true one between them; encoded."""

    frame0: Pixels
    frame1: Pixels
    truth: Pixels
    time: float


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
        yield Moment(clip[moment.first], clip[moment.second], clip[moment.middle], moment.time)


def rendered_moments(data: str, most: int, size: int = 256) -> Iterator[Moment]:
    """Rendered motion, cut from held-out pictures, at times of all sixteenths."""
    cuttings = [pictures.original(os.path.join(data, name)) for name in PICTURES]
    for index in range(most):
        rng = np.random.default_rng([RENDERED_SEED, index])
        moving = motion_scenes.render(cuttings, rng, size, time=(1 + index * 6 % 15) / 16)
        yield Moment(moving.frame0, moving.frame1, moving.between, moving.time)


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


def score(name: str, moments: Iterator[Moment], model: Interpolator) -> SetScore:
    """Score one set."""
    rows = []
    for moment in moments:
        prior = prior_of(moment.frame0, moment.frame1)
        mixed = moment.frame0 * np.float32(1 - moment.time) + moment.frame1 * np.float32(moment.time)
        plain = classical(moment, prior)
        ours = model.between(moment.frame0, moment.frame1, prior, [moment.time])[0]
        rows.append([psnr(result, moment.truth) for result in (mixed, plain, ours)])
    return SetScore(name, len(rows), *(float(value) for value in np.mean(rows, axis=0)))


def classical(moment: Moment, prior: Pixels) -> Pixels:
    """The new frame without a model."""
    found = classical_flow.between(moment.frame0, moment.frame1, prior, moment.time)
    return classical_flow.blended(moment.frame0, moment.frame1, found)


def psnr(result: Pixels, truth: Pixels) -> float:
    """PSNR in dB of encoded values; brighter than 1 counts as 1, as on a display."""
    error = float(np.mean(np.square(np.clip(result, 0, 1) - np.clip(truth, 0, 1)), dtype=np.float64))
    return float(-10 * np.log10(max(error, 1e-10)))


def table(folder: str, data: str, most: int) -> list[SetScore]:
    """Every held-out set, with at most `most` moments of each clip and four times as many rendered ones."""
    with Interpolator(folder) as model:
        rows = [
            score(held_out.name, clip_moments(data, held_out, most), model)
            for held_out in CLIPS
            if _is_there(os.path.join(data, held_out.path))
        ]
        rows.append(score("rendered motion", rendered_moments(data, 4 * most), model))
    return rows


def _is_there(path: str) -> bool:
    return os.path.isfile(path) if "%" not in path else os.path.isfile(path % 1)
