"""A picture in six bands, from fine texture to the base, and a result taken over a plate band by band.

Band i holds what the tent of its radius takes away beyond the one before: T(x, r[i-1]) - T(x, r[i]); the base is
T(x, r[5]). Together they are the picture again. To take only some bands of a result over a plate, the difference of the
two is split and the wanted parts are added: pores and grain that are not asked for stay the plate's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import numpy as np

from bipack.imaging.finishing import working_space
from bipack.imaging.finishing.strips import in_strips
from bipack.imaging.finishing.tent import tent
from bipack.imaging.frame import Pixels

_ROWS = 64


def low_band(pixels: Pixels, radii: Sequence[float], index: int) -> Pixels:
    """What is left of (height, width, 3) when bands 0 to `index` are taken away: T(x, radii[index])."""
    return tent(pixels, radii[index])


def band(pixels: Pixels, radii: Sequence[float], index: int) -> Pixels:
    """Band `index` (from 0) of (height, width, 3): T(x, radii[index - 1]) - T(x, radii[index])."""
    upper = pixels.copy() if index == 0 else tent(pixels, radii[index - 1])
    upper -= tent(pixels, radii[index])
    return upper


def split_low(pixels: Pixels, radius: float, space: str = "linear") -> Pixels:
    """The low half of a frequency split, in working values: T(x, radius)."""
    return tent(working_space.enter(pixels, space), radius)


def recombine(
    plate: Pixels,
    result: Pixels,
    radii: Sequence[float],
    weights: Sequence[float],
    matte: Optional[Pixels] = None,
    mix: float = 1.0,
    space: str = "encoded",
) -> Pixels:
    """Take `weights` of the bands and of the base of `result` over `plate`, both (height, width, 3); a new array.

    `weights` has one value for each radius and one for the base: 0 keeps the plate's, 1 takes the result's. Where
    `matte` (height, width) or `mix` is 0, and where plate and result are alike all around, the plate's pixels stay bit
    for bit. Values must be finite.
    """
    change = _difference(plate, result, space)
    taken = change * np.float32(weights[0])
    # Summed by parts: w0 D + sum (w[i+1] - w[i]) T(D, r[i]) is the weighted sum of all bands and the base.
    for radius, step in zip(radii, np.diff(np.asarray(weights, np.float64)), strict=True):
        if step:
            low = tent(change, radius)
            low *= np.float32(step)
            taken += low
    del change
    taken *= np.float32(mix)
    if matte is not None:
        taken *= matte[..., np.newaxis]

    def add(first: int, last: int) -> None:
        same = (taken[first:last] == 0.0).all(axis=-1)
        taken[first:last] += working_space.enter_block(plate[first:last], space)
        working_space.leave_block(taken[first:last], space)
        np.copyto(taken[first:last], plate[first:last], where=same[..., np.newaxis])

    in_strips(len(taken), _ROWS, add)
    return taken


def _difference(plate: Pixels, result: Pixels, space: str) -> Pixels:
    """`result` less `plate` in working values."""
    change = np.empty_like(plate)

    def subtract(first: int, last: int) -> None:
        change[first:last] = working_space.enter_block(result[first:last], space)
        change[first:last] -= working_space.enter_block(plate[first:last], space)

    in_strips(len(change), _ROWS, subtract)
    return change
