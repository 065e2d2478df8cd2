"""Moments with their classical flow, prepared once, so that the training loop only trains.

Two groups: rendered scenes, which come with the truth of every pixel's motion, and moments of real clips, which come
with the truth of the picture alone. Crops are turned, mirrored, played backwards and recolored as they are drawn.
"""

from __future__ import annotations

import dataclasses
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bipack import atomic
from bipack.errors import CorruptInput, UsageError
from bipack.imaging import bending
from bipack.imaging.motion_search import prior_of
from bipack_train import motion_scenes, slowmo_clips

Pixels = NDArray[np.float32]
RENDERED, REAL, HELD_BACK = "rendered", "real", "held back"

_ALONE = 0.1
"""Share of crops for which the frame before, or the one after, is taken for unknown: shots begin and end."""

_BACKWARDS = [2, 3, 0, 1, 5, 4, 7, 6]
"""Channels of `bending` when time runs back: acceleration stays what it is."""


@dataclass(frozen=True)
class Batch:
    """Crops as tensors on the CPU, channels first."""

    frame0: Tensor
    frame1: Tensor
    between: Tensor
    """(N, 3, side, side), encoded: what is to be found."""

    prior: Tensor
    """(N, 4, side, side)."""

    time: Tensor
    """(N, 1, 1, 1)."""

    flow: Tensor
    """(N, 4, side, side): the true flow; zero where it is not known."""

    seen: Tensor
    """(N, 2, side, side): 1 where a pixel is seen in the other frame."""

    known: Tensor
    """(N, 1, 1, 1): 1 where flow and seen are known."""

    bend: Tensor
    """(N, CHANNELS, side, side) of `bipack.imaging.bending`."""


@dataclass(frozen=True)
class Sample:
    """One stored moment, (side, side, channels)."""

    frames: NDArray[np.float16] | NDArray[np.uint8]  # 9 channels: frame 0, frame 1, between
    prior: NDArray[np.float16]  # 4
    bend: NDArray[np.float16]  # 6: those of `bending` that are not the same everywhere
    sides: tuple[bool, bool]
    """Whether the frame before and the frame after were there."""
    truth: NDArray[np.float16] | None  # 4
    seen: NDArray[np.bool_] | None  # 2
    time: float


class MomentPool:
    """Stored moments by group, and the batches drawn from them."""

    def __init__(self, crop: int) -> None:
        self.crop = crop
        self._groups: dict[str, list[Sample]] = {}

    def __len__(self) -> int:
        return sum(len(samples) for samples in self._groups.values())

    def samples(self, group: str) -> Sequence[Sample]:
        """The moments of a group, as they are stored."""
        return self._groups.get(group, [])

    def count(self, group: str) -> int:
        """Moments in a group."""
        return len(self._groups.get(group, []))

    @property
    def megabytes(self) -> float:
        """Memory of all moments."""
        stored = [sample for samples in self._groups.values() for sample in samples]
        return (
            sum(
                sample.frames.nbytes + sample.bend.nbytes + sample.prior.nbytes * (1 + (sample.truth is not None))
                for sample in stored
            )
            / 1e6
        )

    def add_rendered(self, moving: motion_scenes.Moving, detail: str = "half") -> None:
        """Add a rendered moment with its truth; its flow is looked for as finely as `detail` says."""
        truth = np.concatenate([moving.flow01, moving.flow10], axis=2).astype(np.float16)
        seen = np.stack([moving.seen0, moving.seen1], axis=2)
        frames = (moving.frame0, moving.frame1, moving.between)
        prior = prior_of(*frames[:2], detail)
        before, after = moving.around or (None, None)
        bend = bending.measured(frames[:2], prior, before, after, detail)
        self._add(RENDERED, frames, prior, bend, truth, seen, moving.time)

    def add_real(
        self, frames: tuple[Pixels, Pixels, Pixels], prior: Pixels, bend: Pixels, time: float, group: str = REAL
    ) -> None:
        """Add a crop of a real moment; `prior` and `bend` were computed on the whole frames."""
        self._add(group, frames, prior, bend, None, None, time)

    def _add(
        self,
        group: str,
        frames: tuple[Pixels, Pixels, Pixels],
        prior: Pixels,
        bend: Pixels,
        truth: NDArray[np.float16] | None,
        seen: NDArray[np.bool_] | None,
        time: float,
    ) -> None:
        together = np.concatenate(frames, axis=2)
        if min(together.shape[:2]) < self.crop:
            raise UsageError(
                f"A moment of {together.shape[1]}x{together.shape[0]} is smaller than a crop, {self.crop}."
            )
        bright = bool(together.max() > 1.0)
        stored = together.astype(np.float16) if bright else np.round(np.clip(together, 0, 1) * 255).astype(np.uint8)
        sides = bool(bend[0, 0, 6]), bool(bend[0, 0, 7])
        kept = bend[:, :, :6].astype(np.float16)
        self._groups.setdefault(group, []).append(
            Sample(stored, prior.astype(np.float16), kept, sides, truth, seen, time)
        )

    def sample(self, rng: np.random.Generator, batch: int, real_share: float) -> Batch:
        """Draw augmented crops; about `real_share` of them from real clips where both groups are there."""
        drawn = []
        for _ in range(batch):
            wanted = REAL if rng.random() < real_share else RENDERED
            samples = self._groups.get(wanted) or next(iter(self._groups.values()))
            drawn.append(_crop(samples[int(rng.integers(len(samples)))], rng, self.crop))
        return Batch(*(torch.from_numpy(np.stack(parts)) for parts in zip(*drawn, strict=True)))

    def save(self, path: str) -> None:
        """Write the pool as one file, so that a later run starts at once. Raises DiskError."""
        arrays: dict[str, NDArray[Any]] = {}
        for group, samples in self._groups.items():
            for index, sample in enumerate(samples):
                for field in fields(Sample):
                    value = getattr(sample, field.name)
                    if value is not None:
                        arrays[f"{group}/{index}/{field.name}"] = np.asarray(value)
        with atomic.replacing(path) as temporary:
            np.savez(temporary, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: str, crop: int) -> MomentPool:
        """Read what `save` wrote. Raises CorruptInput."""
        pool = cls(crop)
        found: dict[tuple[str, int], dict[str, NDArray[Any]]] = {}
        try:
            with np.load(path, allow_pickle=False) as stored:
                for name in stored.files:
                    group, index, part = name.split("/")
                    found.setdefault((group, int(index)), {})[part] = stored[name]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise CorruptInput(f"Pool {path} cannot be read ({error}). Delete it, and it is made again.") from error
        for (group, _), parts in sorted(found.items(), key=lambda entry: entry[0]):
            sides = bool(parts["sides"][0]), bool(parts["sides"][1])
            first = (parts["frames"], parts["prior"], parts["bend"], sides)
            sample = Sample(*first, parts.get("truth"), parts.get("seen"), float(parts["time"]))
            pool._groups.setdefault(group, []).append(sample)
        return pool


def _crop(sample: Sample, rng: np.random.Generator, side: int) -> tuple[NDArray[np.float32], ...]:
    """One augmented crop, as the fields of a Batch without the first axis."""
    height, width = sample.frames.shape[:2]
    top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
    window = (slice(top, top + side), slice(left, left + side))
    frames = sample.frames[window].astype(np.float32)
    if sample.frames.dtype == np.uint8:
        frames /= np.float32(255)
    known = sample.truth is not None and sample.seen is not None
    flows = [sample.prior[window].astype(np.float32)]
    flows.append(sample.truth[window].astype(np.float32) if sample.truth is not None else np.zeros_like(flows[0]))
    shape = (side, side, 2)
    seen = sample.seen[window].astype(np.float32) if sample.seen is not None else np.ones(shape, np.float32)
    time = sample.time
    bend = _bend(sample, window, rng.random(2) >= _ALONE)
    if rng.random() < 0.5:  # played backwards
        frames = frames[:, :, [3, 4, 5, 0, 1, 2, 6, 7, 8]]
        flows, seen, time = [flow[:, :, [2, 3, 0, 1]] for flow in flows], seen[:, :, ::-1], 1 - time
        bend = bend[:, :, _BACKWARDS]
    if rng.random() < 0.5:  # mirrored
        frames, seen = frames[:, ::-1], seen[:, ::-1]
        flows = [flow[:, ::-1] * np.array([-1, 1, -1, 1], np.float32) for flow in flows]
        bend = bend[:, ::-1] * np.array([-1, 1, -1, 1, 1, 1, 1, 1], np.float32)
    if rng.random() < 0.5:  # upside down
        frames, seen = frames[::-1], seen[::-1]
        flows = [flow[::-1] * np.array([1, -1, 1, -1], np.float32) for flow in flows]
        bend = bend[::-1] * np.array([1, -1, 1, -1, 1, 1, 1, 1], np.float32)
    if rng.random() < 0.5:  # x and y change places
        frames, seen = frames.transpose(1, 0, 2), seen.transpose(1, 0, 2)
        flows = [flow.transpose(1, 0, 2)[:, :, [1, 0, 3, 2]] for flow in flows]
        bend = bend.transpose(1, 0, 2)[:, :, [1, 0, 3, 2, 4, 5, 6, 7]]
    frames = frames.reshape(side, side, 3, 3)
    if rng.random() < 0.5:
        frames = frames[:, :, :, rng.permutation(3)]
    if rng.random() < 0.5:
        gain = np.float32(rng.uniform(0.6, 1.15))
        frames, bend = frames * gain, bend * np.array([1, 1, 1, 1, gain, gain, 1, 1], np.float32)
    planes = np.ascontiguousarray(frames.transpose(2, 3, 0, 1), np.float32)
    prior, truth, bend = (np.ascontiguousarray(flow.transpose(2, 0, 1), np.float32) for flow in (*flows, bend))
    scalar = np.ones((1, 1, 1), np.float32)
    visible = np.ascontiguousarray(seen.transpose(2, 0, 1), np.float32)
    return (*planes, prior, scalar * np.float32(time), truth, visible, scalar * np.float32(known), bend)


def _bend(sample: Sample, window: tuple[slice, slice], kept: NDArray[np.bool_]) -> Pixels:
    """What is known of the bending in a window, as `bending` gives it; nothing of a side that is not `kept`."""
    measured = sample.bend[window].astype(np.float32)
    sides = np.array(sample.sides, np.float32) * kept
    measured *= np.repeat(np.concatenate([sides, sides]), [2, 2, 1, 1]).astype(np.float32)
    flags = np.broadcast_to(sides.astype(np.float32), (*measured.shape[:2], 2))
    return np.concatenate([measured, flags], axis=2)


def moment_of(
    sample: Sample, rng: np.random.Generator, multiple: int
) -> tuple[Pixels, Pixels, Pixels, Pixels, Pixels, float]:
    """Frame 0, frame 1, between, prior, bend and time of a stored moment, played backwards half the time; its sides
    are cut to a multiple."""
    height, width = (side // multiple * multiple for side in sample.frames.shape[:2])
    frames = sample.frames[:height, :width].astype(np.float32)
    if sample.frames.dtype == np.uint8:
        frames /= np.float32(255)
    frame0, frame1, between = (np.ascontiguousarray(frames[:, :, at : at + 3]) for at in (0, 3, 6))
    prior = np.ascontiguousarray(sample.prior[:height, :width], np.float32)
    bend = _bend(sample, (slice(height), slice(width)), rng.random(2) >= _ALONE)
    if rng.random() < 0.5:
        prior, bend = (np.ascontiguousarray(part) for part in (prior[:, :, [2, 3, 0, 1]], bend[:, :, _BACKWARDS]))
        return frame1, frame0, between, prior, bend, 1 - sample.time
    return frame0, frame1, between, prior, bend, sample.time


def crops_of(
    clip: slowmo_clips.Clip,
    skip: int,
    pairs: int,
    per_pair: int,
    side: int,
    rng: np.random.Generator,
    within: Sequence[tuple[int, int]] | None = None,
    detail: str = "half",
) -> Iterator[tuple[tuple[Pixels, Pixels, Pixels], Pixels, Pixels, float]]:
    """Crops of `pairs` random moments of a clip, `skip` frames apart, chosen where something moves.

    Each lies inside one of the stretches `within`, first frame and the one after the last. Yields (frame 0, frame 1,
    between), prior, bend and time; prior and bend are computed on whole frames and as finely as `detail` says, as in
    use.
    """
    stretches = [(0, len(clip))] if within is None else within
    moments = [
        moment
        for moment in clip.moments(skip)
        if any(first <= moment.first and moment.second < last for first, last in stretches)
    ]
    if not moments:
        return
    for index in rng.choice(len(moments), min(pairs, len(moments)), replace=False):
        moment = moments[int(index)]
        if rng.random() < 0.5:  # the halfway frame is the surest, the others teach the time
            moment = dataclasses.replace(moment, middle=int(rng.integers(moment.first + 1, moment.second)))
        frames = (clip[moment.first], clip[moment.second], clip[moment.middle])
        height, width = frames[0].shape[:2]
        if min(height, width) < side:
            raise UsageError(f"Clip {clip.name} is {width}x{height}; crops of {side} pixels do not fit into it.")
        prior = prior_of(frames[0], frames[1], detail)
        bend = bending.measured(frames[:2], prior, *clip.around(moment), detail)
        change = np.abs(frames[0] - frames[1]).mean(axis=2) + 0.02 * np.hypot(prior[:, :, 0], prior[:, :, 1])
        for _ in range(per_pair):
            places = [
                (int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))) for _ in range(3)
            ]
            amounts = [float(change[top : top + side, left : left + side].mean()) for top, left in places]
            top, left = places[int(np.argmax(amounts))]
            window = (slice(top, top + side), slice(left, left + side))
            yield (frames[0][window], frames[1][window], frames[2][window]), prior[window], bend[window], moment.time


def default_path(out: str) -> str:
    """Where a run keeps its pool."""
    return os.path.join(out, "pool", "moments.npz")
