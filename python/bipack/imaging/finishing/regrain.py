"""Putting grain on a repaired picture: the plate's own, patches of it, or grain made from its measurements.

Grain is kept as a unit field n, free of its strength: n = N / sigma(luma of the degrained plate). What is put back is
n sigma(luma of the repaired picture): a repair that is darker than what it covers gets the grain of its own darkness.
"""

from __future__ import annotations

import math
from typing import Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.errors import UsageError
from bipack.imaging.finishing import white_noise, working_space
from bipack.imaging.finishing.dollface import dollface, threshold_for
from bipack.imaging.finishing.grain import GrainProfile
from bipack.imaging.finishing.strips import in_strips
from bipack.imaging.frame import Pixels

_ROWS = 64
_DEGRAIN_SIGMA = 2.5
_DEGRAIN_DEVIATIONS = 2.5
"""Color differences of up to so many deviations of the grain are taken for grain."""

PATCH_SLOTS = (8, 9)
"""Slots of the white noise that choose where a patch comes from; the three channels of grain use 0 to 5."""

ORIGIN_SLOT = 10

Integers = NDArray[np.integer]
Rectangle = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels of an array, the last two not inside."""


def degrain(plate: Pixels, profile: GrainProfile) -> Pixels:
    """A degrained plate where the artist gives none: edge-stopping smoothing, matched to the grain's strength."""
    strength = math.sqrt(float(np.median((profile.sigma**2).sum(axis=1))))
    return dollface(plate, _DEGRAIN_SIGMA, threshold_for(max(_DEGRAIN_DEVIATIONS * strength, 1e-4)))


def unit_grain(plate: Pixels, degrained: Pixels, profile: GrainProfile, out: Optional[Pixels] = None) -> Pixels:
    """The plate's own grain, divided by its strength: (height, width, 3) with a variance of about 1.

    `out` takes the result and may be `plate` itself.
    """
    grain = np.empty_like(plate) if out is None else out

    def strip(first: int, last: int) -> None:
        np.subtract(plate[first:last], degrained[first:last], out=grain[first:last])
        grain[first:last] /= profile.sigma_at(working_space.luma(degrained[first:last]))

    in_strips(len(grain), _ROWS, strip)
    return grain


def scatter(
    grain: Pixels, box: Rectangle, where: Pixels, x: Integers, y: Integers, frame: int, seed: int, size: int
) -> None:
    """Replace `grain`, where `where` (height, width) is above 0, by patches from random places of a box, in place.

    Patches are squares of `size` pixels on a grid that lies elsewhere every frame. `x` (rising by 1) and `y` (falling
    by 1) are the columns and rows of `grain` as Nuke counts them. Raises UsageError for a box that is smaller than a
    patch or not inside the picture.
    """
    left, top, right, bottom = box
    if min(right - left, bottom - top) < size or left < 0 or top < 0 or bottom > len(grain) or right > grain.shape[1]:
        raise UsageError(
            f"The sample box {left} {top} {right} {bottom} must lie inside the plate and be at least one patch "
            f"({size} pixels) wide and high. Draw it larger, or choose a smaller patch."
        )
    source = grain[top:bottom, left:right].copy()
    start_x, start_y = (constant % size for constant in white_noise.frame_constants(frame, seed, ORIGIN_SLOT))
    cell_x, in_x = np.divmod(x + start_x, size)
    cell_y, in_y = np.divmod(y + start_y, size)
    cells_x, cells_y = np.arange(cell_x[0], cell_x[-1] + 1), np.arange(cell_y[-1], cell_y[0] + 1)
    shift_x = _shifts(cells_x, cells_y, frame, seed, PATCH_SLOTS[0], right - left - size + 1)
    shift_y = _shifts(cells_x, cells_y, frame, seed, PATCH_SLOTS[1], bottom - top - size + 1)

    def strip(first: int, last: int) -> None:
        row, column = np.nonzero(where[first:last] > 0.0)
        row += first
        cell = cell_y[row] - cells_y[0], cell_x[column] - cells_x[0]
        up = shift_y[cell] + in_y[row]
        grain[row, column] = source[len(source) - 1 - up, shift_x[cell] + in_x[column]]

    in_strips(len(grain), _ROWS, strip)


def synthetic(profile: GrainProfile, x: Integers, y: Integers, frame: int, seed: int) -> Pixels:
    """Grain of unit strength made from scratch for columns `x` and rows `y` (falling by 1): (len(y), len(x), 3)."""
    grain = np.empty((len(y), len(x), 3), np.float32)
    above, aside = profile.response.shape[1] - 1, profile.response.shape[2] // 2
    wide_x = np.arange(x[0] - aside, x[-1] + aside + 1)
    wide_y = np.arange(y[0] + above, y[-1] - 1, -1)

    def strip(first: int, last: int) -> None:
        planes = []
        for channel in range(3):
            white = white_noise.normal(wide_x, wide_y[first : last + above], frame, seed, channel)
            kernel = np.ascontiguousarray(profile.response[channel, ::-1, ::-1])
            filtered = cv2.filter2D(white, -1, kernel, anchor=(aside, above), borderType=cv2.BORDER_REPLICATE)
            planes.append(filtered[above:, aside : aside + len(x)])
        grain[first:last] = cv2.transform(cv2.merge(planes), profile.mix)

    in_strips(len(y), _ROWS, strip)
    return grain


def put_back(
    linear: Pixels,
    grain: Pixels,
    profile: GrainProfile,
    matte: Optional[Pixels] = None,
    amount: float = 1.0,
    own: bool = True,
    space: str = "encoded",
) -> Pixels:
    """Add unit `grain` to the repaired picture `linear`, (height, width, 3), at the strength of its luma; a new array.

    Where `matte` (height, width) is 0 the pixels stay as they are, bit for bit. Between 0 and 1 the picture still has
    part of its old grain: `own` grain fills up to it in proportion, foreign grain so that the strengths add up.
    """
    result = np.empty_like(linear)

    def strip(first: int, last: int) -> None:
        working = working_space.enter_block(linear[first:last], space)
        added = grain[first:last] * profile.sigma_at(working_space.luma(working))
        added *= np.float32(amount)
        if matte is not None:
            added *= blend_weight(matte[first:last], own)[..., np.newaxis]
        working += added
        result[first:last] = working_space.leave_block(working, space)
        if matte is not None:
            np.copyto(result[first:last], linear[first:last], where=matte[first:last, :, np.newaxis] <= 0.0)

    in_strips(len(linear), _ROWS, strip)
    return result


def blend_weight(matte: Pixels, own: bool) -> Pixels:
    """How much grain to add where the repair was laid over the plate by `matte`.

    There (1 - m) of the old grain is left. The same grain needs m more; grain that has nothing to do with it needs
    sqrt(1 - (1 - m)^2), for independent deviations add by their squares.
    """
    inside = np.clip(matte, 0.0, 1.0)
    return inside if own else np.sqrt(inside * (2.0 - inside))


def _shifts(cells_x: Integers, cells_y: Integers, frame: int, seed: int, slot: int, room: int) -> NDArray[np.intp]:
    chosen = white_noise.uniform(cells_x, cells_y, frame, seed, slot) * np.float32(room)
    return np.asarray(np.floor(chosen), np.intp)
