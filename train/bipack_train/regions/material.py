"""What a region model learns from: pairs of stabilised crops, the region's matte, and how far each After has gone.

An artist's After is the whole way (amount 1), so what lies between is given to the net as a schedule over frequency
bands: broad form moves first, fine lines last, which is how faces change and what keeps the way from looking like a
dissolve. Rendered pairs know the true pictures in between, and are used as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bipack.errors import MissingInput, UsageError
from bipack.imaging import image_io
from bipack.imaging.frame import Pixels
from bipack.imaging.plate import take_matte
from bipack_train import augment, pairs
from bipack_train.augment import Crop
from bipack_train.dataset import Sampling, tensor
from bipack_train.pairs import Pair

BANDS = (1.0, 2.0, 4.0, 8.0)
"""Sigmas in pixels between which the bands lie; what is broader than the last is one band more."""

FIRST, LAST = 0.7, 1.5
"""Powers of the amount by which the broadest and the finest band have moved."""

LEAST_AREA = 64
"""Pixels of matte below which a pair has nothing to teach."""


@dataclass(frozen=True, eq=False)
class RegionPair:
    """One pair for one region."""

    pair: Pair
    """Its `matte` is the region's."""

    amount: float = 1.0
    """How far After has gone from Before, 0..1."""

    code: int = 0
    """Pairs of one number share a free code (an identity, a shot)."""


@dataclass(frozen=True)
class RegionBatch:
    """Tensors of one step, channels last in memory."""

    before: Tensor
    """(N, 3, side, side) encoded."""

    after: Tensor
    """(N, 3, side, side) encoded, at `amount`."""

    matte: Tensor
    """(N, 1, side, side) 0..1."""

    amount: Tensor
    """(N,) 0..1."""

    code: Tensor
    """(N,) numbers of the free codes."""


class RegionPool:
    """All pairs of a region, ready to be sampled; a step's crops depend on seed and step alone."""

    def __init__(self, found: Sequence[RegionPair], sampling: Sampling, between: float, seed: int) -> None:
        self.pairs = [
            replace(one, pair=replace(one.pair, before=_float(one.pair.before), after=_float(one.pair.after)))
            for one in found
        ]
        self.sampling, self.seed = sampling, seed
        # Where the pairs themselves show amounts in between, nothing has to be made up.
        self.between = 0.0 if any(0 < one.amount < 1 for one in found) else between
        self.points = [_points(one.pair.matte) for one in found]
        self.codes = 1 + max(one.code for one in found)

    def batch(self, step: int, first: int = 0, count: int | None = None) -> RegionBatch:
        """The crops `first` … `first + count - 1` of a step as tensors; by default the whole batch."""
        count = self.sampling.batch if count is None else count
        crops, amounts, codes = zip(*(self._crop(step, first + index) for index in range(count)), strict=True)
        return RegionBatch(
            tensor([crop.before for crop in crops]),
            tensor([crop.after for crop in crops]),
            tensor([crop.matte[..., None] for crop in crops]),
            torch.tensor(amounts, dtype=torch.float32),
            torch.tensor(codes, dtype=torch.int64),
        )

    def _crop(self, step: int, index: int) -> tuple[Crop, float, int]:
        rng = np.random.default_rng([self.seed, step, index])
        number = int(rng.integers(len(self.pairs)))
        one, how, side = self.pairs[number], self.sampling.augment, self.sampling.side
        y, x = self.points[number][int(rng.integers(len(self.points[number])))] + rng.integers(-side // 3, side // 3, 2)
        crop, amount = augment.cut(one.pair, int(x), int(y), side, rng, how), one.amount
        if rng.random() < how.light:
            crop = augment.relight(crop, rng, how)
        if rng.random() < self.between:
            amount = float(rng.uniform(0.1, 0.9))
            crop = Crop(crop.before, in_between(crop.before, crop.after, amount), crop.matte)
        return crop, amount, one.code


def in_between(before: Pixels, after: Pixels, amount: float) -> Pixels:
    """The picture (height, width, 3) a part of the way from `before` to `after`: broad bands ahead, fine ones behind.

    Exact at amount 0 and 1.
    """
    rest, result = after - before, np.array(before, np.float32)
    for index, sigma in enumerate(BANDS):
        broad = cv2.GaussianBlur(rest, (0, 0), sigma)
        power = LAST + (FIRST - LAST) * index / len(BANDS)
        result += np.float32(amount**power) * (rest - broad)
        rest = broad
    return np.asarray(result + np.float32(amount**FIRST) * rest, np.float32)


def read(matched: Sequence[pairs.PairFiles], matte: str, region: str, feather: float) -> list[RegionPair]:
    """The pairs of one region; `matte` names the EXRs (or a matte) and `region` the channels in them, joined by `+`.

    Every pair gets a code of its own. Raises MissingInput where a frame has no matte or the region is nowhere in it,
    UsageError for sizes that differ.
    """
    files = pairs.files_of(matte, "region matte")
    result = []
    for number, one in enumerate(matched):
        pair = pairs.read(replace(one, matte=""))
        path = files.get(one.frame)
        if path is None:
            raise MissingInput(f"Frame {one.frame} has no region matte in {matte}. Write it, or leave the frame out.")
        soft = soft_matte(region_matte(path, region), pair.matte.shape, feather, path)
        if int((soft > 0.5).sum()) >= LEAST_AREA:
            result.append(RegionPair(replace(pair, matte=np.rint(soft * 255).astype(np.uint8)), code=number))
    if not result:
        raise MissingInput(f"Region {region!r} is empty in all mattes of {matte}: there is nothing to learn from.")
    return result


def region_matte(path: str, region: str) -> Pixels:
    """The matte (height, width) of a region in one file: its channels joined, or a single channel for `matte`.

    Raises MissingInput naming what the file holds instead.
    """
    frame = image_io.read_frame(path)
    if region == "matte":
        return np.clip(np.nan_to_num(take_matte(frame)), 0.0, 1.0)
    known = {name.rpartition(".")[2]: (part, name) for part in frame.parts for name in part.channels}
    joined: Pixels | None = None
    for name in region.split("+"):
        if name not in known:
            raise MissingInput(f"{path} has no channel {name!r}; it has {', '.join(sorted(known))}.")
        part, channel = known[name]
        plane = np.clip(np.nan_to_num(part.channels[channel].astype(np.float32)), 0.0, 1.0)
        joined = plane if joined is None else np.minimum(joined + plane, 1.0)
    assert joined is not None
    return joined


def soft_matte(matte: Pixels, shape: tuple[int, ...], feather: float, path: str = "The matte") -> Pixels:
    """`matte` with an edge that falls off inwards over `feather` of its width: the region never grows."""
    if matte.shape != shape[:2]:
        raise UsageError(
            f"{path} is {matte.shape[1]}x{matte.shape[0]}, its pair {shape[1]}x{shape[0]}. Write both as the same crop."
        )
    reach = feather * shape[1]
    if reach < 0.5:
        return matte
    distance = cv2.distanceTransform((matte > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    ramp = np.clip(distance / reach, 0.0, 1.0)
    return np.asarray(matte * (ramp * ramp * (3.0 - 2.0 * ramp)), np.float32)


def _float(plane: Pixels) -> Pixels:
    return plane.astype(np.float32)


def _points(matte: NDArray[np.uint8]) -> NDArray[np.int64]:
    found = np.argwhere(matte > 127)
    if len(found) == 0:
        found = np.argwhere(matte >= matte.max())
    return found[:: max(1, len(found) // 20_000)]
