"""Grain for a fill: what was made up has none, and what was borrowed has the grain of one other frame.

The plate's own grain is measured around the hole, frame by frame, and made new for every frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bipack.errors import UsageError
from bipack.imaging import color
from bipack.imaging.finishing import grain as graining
from bipack.imaging.finishing.regrain import degrain, put_back, synthetic
from bipack.inpaint_knobs import MADE
from bipack.worker.inpaint_fill import Filled
from bipack.worker.inpaint_shot import Shown

_AROUND = 192
"""Pixels around a patch that its grain is measured on."""


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


def _profile(here: Shown, box: tuple[int, int, int, int]) -> graining.GrainProfile | None:
    height, width = here.free.shape
    left, top = max(0, box[0] - _AROUND), max(0, box[1] - _AROUND)
    right, bottom = min(width, box[2] + _AROUND), min(height, box[3] + _AROUND)
    area = slice(top, bottom), slice(left, right)
    encoded = color.encode(np.ascontiguousarray(here.pixels[area]))
    try:
        return graining.measure(encoded, outside=(~here.free[area]).astype(np.float32))
    except UsageError:
        return None
