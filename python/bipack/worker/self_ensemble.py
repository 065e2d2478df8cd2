"""Geometric self-ensemble: a tile is shown to the model mirrored and turned as well, and the answers are averaged.

Timofte, Rothe, Van Gool, "Seven ways to improve example-based single image super resolution", 2016; super-res programs
call it TTA. Each look is a run of its own, so it takes as many times as long, and the memory of up to three
results of a tile besides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from bipack.errors import ModelRefused
from bipack.imaging.tiling import Margins, TileGeometry

LOOKS = (1, 2, 4, 8)
"""As it is; mirrored left to right; top to bottom as well; rows and columns exchanged as well."""

_TURNING = 8
"""From this many looks on rows and columns are exchanged."""


def geometry_for(geometry: TileGeometry, looks: int, name: str) -> TileGeometry:
    """What tiles must be like so that a mirrored look is exact where the plain one is.

    Raises ModelRefused for a model (called `name`) that treats its sides differently.
    """
    if looks == 1:
        return geometry
    turning = looks >= _TURNING
    lopsided = geometry.offset != (0, 0) or _even(geometry.border, turning) != geometry.border
    if lopsided or (turning and geometry.fixed[0] != geometry.fixed[1]):
        raise ModelRefused(f"Model {name!r} treats its sides differently, so it cannot be mirrored (self_ensemble).")
    # Whole multiples of the alignment: seen from the other end, strided operations meet the same phase in every tile.
    return dataclasses.replace(geometry, halo=_even(geometry.halo, turning), multiple=geometry.alignment)


def _even(margins: Margins, turning: bool) -> Margins:
    """The least margins that hold `margins` whichever way round."""
    across, down = max(margins.left, margins.right), max(margins.top, margins.bottom)
    if turning:
        across = down = max(across, down)
    return Margins(left=across, right=across, top=down, bottom=down)


def run(
    once: Callable[[Mapping[str, np.ndarray]], np.ndarray],
    feeds: Mapping[str, np.ndarray],
    pictures: set[str],
    looks: int,
) -> np.ndarray:
    """The mean of `looks` answers of `once` to `feeds`; rows and columns are the last axes of `pictures` and answers.

    An answer may lie in a buffer that the next call writes over. Where all answers are equal the mean has their bits.
    """
    if looks == 1:
        return once(feeds)

    def answer(number: int) -> np.ndarray:
        turned = {name: _turned(array, number) if name in pictures else array for name, array in feeds.items()}
        return _turned_back(once(turned), number)

    return _mean(map(answer, range(looks)), looks)


def _turned(pixels: np.ndarray, number: int) -> np.ndarray:
    """Look `number`, 0 to 7, at pixels whose last two axes are rows and columns."""
    if number & 1:
        pixels = pixels[..., ::-1]
    if number & 2:
        pixels = pixels[..., ::-1, :]
    return pixels.swapaxes(-1, -2) if number & 4 else pixels


def _turned_back(pixels: np.ndarray, number: int) -> np.ndarray:
    if number & 4:
        pixels = pixels.swapaxes(-1, -2)
    if number & 2:
        pixels = pixels[..., ::-1, :]
    return pixels[..., ::-1] if number & 1 else pixels


def _mean(answers: Iterable[np.ndarray], count: int) -> np.ndarray:
    """The mean of 2, 4 or 8 arrays, added in pairs of pairs: doubling is exact, so equal values keep their bits."""
    sums: list[tuple[int, np.ndarray]] = []
    for answer in answers:
        size, total = 1, answer.copy()
        while sums and sums[-1][0] == size:
            total += sums.pop()[1]
            size *= 2
        sums.append((size, total))
    mean = sums[0][1]
    mean /= np.float32(count)
    return mean
