"""The other channels of a frame in the hole: alpha, depth, normals, ids, from the same places as the picture.

What a frame lent to the picture it lends to its other channels too. Where the picture was made up, colors, alpha and
depth go on smoothly from around, and what must not be mixed (ids, normals, vectors) is taken from the nearest pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging import layers, transfer
from bipack.imaging.borrow import nearest, sampled
from bipack.imaging.frame import Frame, Part, Stored
from bipack.imaging.smooth_fill import Mask, smooth_fill
from bipack.worker.inpaint_fill import Filled
from bipack.worker.inpaint_shot import Shown
from bipack.worker.placed import placed


def fill_others(frame: Frame, here: Shown, filled: Sequence[Filled], done: Sequence[str], mix: float) -> Frame:
    """`frame` with the channels of its parts filled, but for those that are `done` in the part of the picture.

    Parts with other windows than the picture's, and channels at less than full size, stay as they are.
    """
    parts = []
    for number, part in enumerate(frame.parts):
        same = part.data_window == here.target.data_window and part.display_window == here.target.display_window
        mine = part.channels.keys() & set(done) if part.display_window and _is_target(part, here) else set()
        names = [name for name in part.channels if name not in mine and name not in part.subsampling] if same else []
        changed = {name: _filled_channel(frame, number, name, here, filled, mix) for name in names}
        parts.append(replace(part, channels={**part.channels, **changed}) if changed else part)
    return replace(frame, parts=parts)


def _is_target(part: Part, here: Shown) -> bool:
    return part.name == here.target.name and part.channels.keys() == here.target.channels.keys()


def _filled_channel(frame: Frame, number: int, name: str, here: Shown, filled: Sequence[Filled], mix: float) -> Stored:
    part = frame.parts[number]
    stored = part.channels[name]
    result = stored.copy()
    is_data = stored.dtype == np.uint32 or layers.is_data(part, name)
    for one in filled:
        left, top, right, bottom = one.patch.box
        area = slice(top, bottom), slice(left, right)
        values = _floats(stored[area], name, frame)
        weight = here.hole.weight_in(one.patch.box)
        known = ~here.hole.covered[area] & (np.isfinite(values) if values.dtype.kind == "f" else True)
        found, have = values.copy(), known & (weight == 0.0)
        for loan in one.loans:
            _lend(found, have, loan.lender, loan.where, loan.alignment, number, name, is_data, here)
        have |= known
        if not have.any():
            continue
        found = _from_nearest(found, have) if is_data else smooth_fill(np.where(have, found, 0.0), have)
        result[area] = _laid_in(stored[area], values, found, weight * np.float32(mix), is_data, name, frame)
    return result


def _floats(stored: Stored, name: str, frame: Frame) -> NDArray[Any]:
    """Values that may be averaged; ids stay what they are."""
    return stored if stored.dtype == np.uint32 else transfer.to_float(stored, name, frame.transfer)


def _lend(
    found: NDArray[Any],
    have: Mask,
    lender: Shown,
    where: Mask,
    alignment: Any,
    number: int,
    name: str,
    is_data: bool,
    here: Shown,
) -> None:
    """Take a loan's pixels of one channel; a frame that has no such channel lends nothing."""
    if number >= len(lender.frame.parts) or name not in lender.frame.parts[number].channels:
        return
    theirs = lender.frame.parts[number]
    values = _floats(theirs.channels[name], name, lender.frame)
    base = np.zeros(here.free.shape, values.dtype)
    values = placed(values, theirs, here.target, base, f"channel {name} of frame {lender.number}")
    taken = nearest(values, alignment.x, alignment.y)
    if not is_data:
        smooth = sampled(values, alignment.x, alignment.y)
        taken = np.where(np.isfinite(smooth), smooth, taken)
    np.copyto(found, taken, where=where)
    have |= where & (np.isfinite(taken) if taken.dtype.kind == "f" else True)


def _from_nearest(values: NDArray[Any], known: Mask) -> NDArray[Any]:
    """Every unknown pixel takes the value of the known one that lies nearest."""
    _, labels = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(int(labels.max()) + 1, values.dtype)
    table[labels[known]] = values[known]
    return np.asarray(np.where(known, values, table[labels]))


def _laid_in(
    stored: Stored, values: NDArray[Any], found: NDArray[Any], weight: NDArray[np.float32], is_data: bool, name: str,
    frame: Frame,
) -> Stored:  # fmt: skip
    """The stored values where the weight is 0, bit for bit; data is not mixed but taken from one side."""
    if is_data:
        mixed = np.where(weight >= 0.5, found, values)
    else:
        mixed = np.where(weight >= 1.0, found, values + weight * (found - values))
        mixed = np.where(np.isfinite(values) | (weight <= 0.0), mixed, found)
    if stored.dtype == np.uint32:
        return np.asarray(mixed, np.uint32)
    written, _ = transfer.to_stored(np.ascontiguousarray(mixed, np.float32), stored.dtype, name, frame.transfer)
    return np.where(mixed == values, stored, written)
