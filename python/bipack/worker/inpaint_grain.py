"""Grain for a fill: what was made up has none, and what was borrowed has the grain of one other frame.

The plate's own grain is measured around the hole, frame by frame, and made new for every frame. Texture is easily taken
for grain, so what was measured is held against the quietest blocks of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from bipack.errors import UsageError
from bipack.imaging import color
from bipack.imaging.borrow_align import Box
from bipack.imaging.finishing.grain import GrainProfile, measure
from bipack.imaging.finishing.regrain import degrain, put_back, synthetic
from bipack.imaging.shot import noise_of
from bipack.inpaint_knobs import MADE
from bipack.worker.inpaint_fill import Filled
from bipack.worker.inpaint_shot import Shown

_WINDOW = 1200
"""Side of the part of the frame around a patch that its grain is measured on, in pixels."""

_QUIETEST = 0.1
"""Share of the blocks that are taken for even ground."""

_TEXTURE = 2.5
"""Times the grain of the quietest blocks from which a measurement must have been texture."""

_MIXED = np.outer([1, -2, 1], [1, -2, 1]).astype(np.float32)
"""The mask by which `noise_of` looks; its coefficients have a square sum of 36."""


def add_grain(here: Shown, filled: Sequence[Filled], knobs: Mapping[str, Any]) -> bool:
    """Put grain on the patches, in place, as the knobs say; False where the plate's grain could not be measured."""
    if knobs["grain"] == "off":
        return True
    measured = True
    for one in filled:
        patch = one.patch
        left, top, right, bottom = patch.box
        inside = here.hole.covered[top:bottom, left:right]
        made = patch.source == np.float32(MADE)
        where = inside if knobs["grain"] == "all" else made
        if not where.any():
            continue
        profile = _profile(here, patch.box)
        if profile is None:
            measured = False
            continue
        if knobs["grain"] == "all":
            clean = color.decode(degrain(color.encode(patch.pixels), profile))
            np.copyto(patch.pixels, clean, where=(inside & ~made)[..., np.newaxis])
        target = here.target
        first = target.data_window.xmin - target.display_window.xmin + left
        last = target.display_window.ymax - target.data_window.ymin - top
        columns, rows = np.arange(first, first + right - left), np.arange(last, last - (bottom - top), -1)
        grain = synthetic(profile, columns, rows, here.number, int(knobs["seed"]))
        amount = float(knobs["grain_amount"])
        patch.pixels = put_back(patch.pixels, grain, profile, where.astype(np.float32), amount, own=False)
    return measured


def _profile(here: Shown, box: Box) -> GrainProfile | None:
    """The grain around `box`; None where there is too little of the plate to measure it on."""
    spans = [_span((box[axis] + box[axis + 2]) // 2, here.free.shape[1 - axis]) for axis in (0, 1)]
    area = spans[1], spans[0]
    encoded = color.encode(np.ascontiguousarray(here.pixels[area]))
    try:
        found = measure(encoded, outside=(~here.free[area]).astype(np.float32))
    except UsageError:
        return None
    return held_against(
        found, float(found.sigma_at(encoded[::8, ::8].mean(axis=-1)).mean()), noise_of(encoded, _QUIETEST)
    )


def held_against(found: GrainProfile, typical: float, quiet: float) -> GrainProfile:
    """`found`, of the `typical` strength on this picture, made no stronger than the noise of its `quiet` blocks."""
    if typical > _TEXTURE * quiet:
        response = np.zeros_like(found.response)
        response[:, 0, response.shape[2] // 2] = 1.0
        return GrainProfile(np.full_like(found.sigma, quiet), np.eye(3, dtype=np.float32), response)
    # Grain in clumps looks weaker through the mask than it is.
    seen = float(np.mean([np.linalg.norm(cv2.filter2D(np.pad(one, 3), -1, _MIXED)) / 6 for one in found.response]))
    share = min(1.0, quiet / max(typical * max(seen, 0.4), 1e-9))
    return GrainProfile(found.sigma * np.float32(share), found.mix, found.response)


def _span(middle: int, length: int) -> slice:
    first = max(0, min(middle - _WINDOW // 2, length - _WINDOW))
    return slice(first, min(length, first + _WINDOW))
