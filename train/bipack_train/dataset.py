"""Batches of crops from pairs: where they are cut, how they are changed, always the same for the same seed.

Every crop has a random generator of its own, made from (seed, step, place in the batch). So the data of a step does
not depend on what came before it: a resumed run, several loader threads and several GPUs all see what one
uninterrupted run on one thread would have seen.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bipack_train import augment, marks
from bipack_train.augment import Augment, Crop
from bipack_train.pairs import Pair

MAX_POINTS = 20_000
"""Places of a matte that are remembered per pair."""

UNPACKED_PIXELS = 50_000_000
"""Pairs of fewer pixels in all are held as float32: 1.2 GB at most."""


@dataclass(frozen=True)
class Sampling:
    """Where crops are cut."""

    side: int = 128
    """Crop size in pixels; a multiple of the network's."""

    batch: int = 8
    on_edit: float = 0.75
    """Share of crops that are cut around an edited pixel."""

    augment: Augment = field(default_factory=Augment)


@dataclass(frozen=True)
class Batch:
    """Tensors of one step, channels last in memory."""

    before: Tensor
    """(N, 3 * frames, side, side) encoded."""

    after: Tensor
    """(N, 3, side, side) encoded."""

    matte: Tensor
    """(N, 1, side, side) 0..1."""


class Crops(Protocol):
    """Anything that crops come from."""

    def batch(self, step: int, first: int = 0, count: int | None = None) -> Batch:
        """The crops `first` … `first + count - 1` of a step."""
        ...


class PairPool:
    """All pairs, ready to be sampled."""

    def __init__(self, pairs: Sequence[Pair], sampling: Sampling, seed: int) -> None:
        pixels = sum(pair.matte.size for pair in pairs)
        # Half floats are slow to unpack; where there is room the pairs are unpacked once.
        self.pairs = [_unpacked(pair) if pixels < UNPACKED_PIXELS else pair for pair in pairs]
        self.sampling = sampling
        self.seed = seed
        self.points = [_points(pair.matte) for pair in pairs]
        self.levels = [_level(pair) for pair in pairs]
        self.nature = marks.measure(self.pairs)

    def crop(self, step: int, index: int) -> Crop:
        """Crop number `index` of step `step`."""
        rng = np.random.default_rng([self.seed, step, index])
        how = self.sampling.augment
        laid_over = rng.random() < how.transplant
        # Under transplanted marks every place of every frame teaches, not only where the artist happened to paint.
        number, crop = self._cut(rng, not laid_over and rng.random() < self.sampling.on_edit)
        for _ in range(int(rng.integers(1, how.donors + 1)) if laid_over else 0):
            other, donor = self._cut(rng, True)
            crop = augment.transplant(crop, donor, self.levels[number] / self.levels[other], self.nature, rng)
        if rng.random() < how.light:
            crop = augment.relight(crop, rng, how)
        return crop

    def batch(self, step: int, first: int = 0, count: int | None = None) -> Batch:
        """The crops `first` … `first + count - 1` of a step as tensors; by default the whole batch."""
        count = self.sampling.batch if count is None else count
        crops = [self.crop(step, first + index) for index in range(count)]
        return Batch(
            tensor([crop.before for crop in crops]),
            tensor([crop.after for crop in crops]),
            tensor([crop.matte[..., None] for crop in crops]),
        )

    def _cut(self, rng: np.random.Generator, on_edit: bool) -> tuple[int, Crop]:
        """(number of the pair, a crop of it)."""
        number = int(rng.integers(len(self.pairs)))
        pair, points, side = self.pairs[number], self.points[number], self.sampling.side
        if on_edit:
            y, x = points[int(rng.integers(len(points)))] + rng.integers(-side // 3, side // 3 + 1, 2)
        else:
            y, x = rng.integers(pair.matte.shape)
        return number, augment.cut(pair, int(x), int(y), side, rng, self.sampling.augment)


def _unpacked(pair: Pair) -> Pair:
    copy = replace(pair, before=pair.before.astype(np.float32), after=pair.after.astype(np.float32))
    copy.around = tuple(plane.astype(np.float32) for plane in pair.around)
    return copy


def _level(pair: Pair) -> NDArray[np.float32]:
    """Mean encoded brightness of each channel, (3,)."""
    return np.asarray(pair.after[::4, ::4].astype(np.float32).mean(axis=(0, 1)) + 0.05)


def _points(matte: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Places (row, column) inside the matte, evenly thinned out; the middle of the frame where there is none."""
    found = np.argwhere(matte > 127)
    if len(found) == 0:
        return np.array([[side // 2 for side in matte.shape]])
    return found[:: max(1, len(found) // MAX_POINTS)]


def tensor(parts: list[NDArray[np.float32]]) -> Tensor:
    """(N, H, W, C) arrays as an (N, C, H, W) tensor that is channels-last in memory."""
    return torch.from_numpy(np.stack(parts)).permute(0, 3, 1, 2)


def batches(pool: Crops, start: int, first: int, count: int, threads: int = 0, ahead: int = 4) -> Iterator[Batch]:
    """The batches of steps `start`, `start + 1`, … without end; `threads` > 0 prepares `ahead` of them meanwhile."""
    step = start
    if threads == 0:
        while True:
            yield pool.batch(step, first, count)
            step += 1
    with concurrent.futures.ThreadPoolExecutor(threads, "crops") as executor:
        waiting = [executor.submit(pool.batch, start + offset, first, count) for offset in range(ahead)]
        while True:
            ready = waiting.pop(0)
            waiting.append(executor.submit(pool.batch, step + ahead, first, count))
            step += 1
            yield ready.result()
