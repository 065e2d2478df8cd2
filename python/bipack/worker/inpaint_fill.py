"""Filling the hole of one frame: from other frames where they show the background, else made up, and that only once.

What no frame shows is made up on a key frame, the same one for the whole shot, and carried from there to every other
frame like any background. So a fill is not invented anew frame by frame, and on a locked-off camera it is the same to
the bit. Key frames do not depend on which part of a shot is cooked: every machine of a farm makes the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bipack.imaging import color
from bipack.imaging.borrow import Patch, lay_in
from bipack.imaging.borrow_align import Alignment, Box, align, is_locked
from bipack.imaging.frame import Pixels
from bipack.imaging.smooth_fill import Mask, smooth_fill
from bipack.inpaint_knobs import MADE
from bipack.worker import inpaint_net
from bipack.worker.inpaint_shot import Shown

MakeUp = Callable[[Pixels, Mask], Pixels]
"""Encoded (height, width, 3) and its hole to the filled picture."""


@dataclass(frozen=True, eq=False)
class Loan:
    """What one frame lent to a patch."""

    lender: Shown
    where: Mask
    """(height, width of the patch)."""

    alignment: Alignment


@dataclass(eq=False)
class Filled:
    """A patch, and where it was borrowed."""

    patch: Patch
    loans: list[Loan] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Whole:
    """A key frame without its hole."""

    pixels: Pixels
    """Scene-linear (height, width, 3)."""

    source: NDArray[np.float32]
    """(height, width) number of the frame that each pixel comes from, MADE where it was made up."""

    shown: Mask
    """Where there is background now: all but pixels that were not finite."""


class Filler:
    """Fills frames of one shot; whole key frames are kept."""

    def __init__(self, keys: Sequence[Shown], motion: str, match: bool) -> None:
        """`keys` are the shot's key frames; for `motion` see `align`; `match` brings what is borrowed to its light."""
        middle = keys[len(keys) // 2].number if keys else 0
        self._keys = sorted(keys, key=lambda key: key.number)
        self._anchors = sorted(keys, key=lambda key: (abs(key.number - middle), key.number))
        self._motion, self._match = motion, match
        self._make_up: MakeUp | None = None
        self._check: Callable[[], None] = lambda: None
        self._wholes: dict[int, Whole] = {}

    def fill(
        self, here: Shown, neighbours: Sequence[Shown], make_up: MakeUp | None, check: Callable[[], None]
    ) -> list[Filled]:
        """Every patch of `here`, filled. `neighbours` lend beside the key frames.

        `make_up` of None continues the picture smoothly; `check` raises Cancelled when it is time to stop.
        """
        self._make_up, self._check = make_up, check
        lenders = self._in_order(here, neighbours)
        return [self._filled(here, box, lenders, self._anchors) for box in here.hole.boxes]

    def _in_order(self, here: Shown, neighbours: Sequence[Shown]) -> list[Shown]:
        """Lenders, the best first.

        With a camera that stands still that is the same order for every frame, so that every frame borrows the same
        pixels; else the nearest in time, which are the most alike.
        """
        others = [one for one in (*self._keys, *neighbours) if one.number != here.number]
        if self._keys and self._motion in ("auto", "locked"):
            first = self._keys[0]
            if self._motion == "locked" or is_locked(here.view, first.view):
                known = {key.number for key in self._keys}
                return sorted(others, key=lambda one: (one.number not in known, one.number))
        return sorted(others, key=lambda one: (abs(one.number - here.number), one.number))

    def _filled(self, here: Shown, box: Box, lenders: Sequence[Shown], anchors: Sequence[Shown]) -> Filled:
        result = Filled(_patch(here, box))
        patch, covered = result.patch, here.hole.covered[_area(box)]
        for lender in lenders:
            if not (patch.open & covered).any():
                break
            self._check()
            self._borrow(result, here, lender)
        for anchor in anchors:
            if not (patch.open & covered).any():
                break
            self._carry(result, here, anchor)
        # Where nobody lent to the rim, the plate itself stays there.
        patch.known |= patch.open & here.free[_area(box)]
        patch.open &= ~patch.known
        if patch.open.any():
            self._check()
            self._invent(patch, here)
        return result

    def _borrow(self, result: Filled, here: Shown, lender: Shown) -> None:
        """What another frame shows of the background."""
        patch = result.patch
        found = align(here.view, lender.view, patch.box, patch.open, lender.free, self._motion)
        if found is None:
            return
        new = lay_in(patch, lender.pixels, lender.free, found, float(lender.number), self._match)
        if new is not None:
            result.loans.append(Loan(lender, new, found))

    def _carry(self, result: Filled, here: Shown, anchor: Shown) -> None:
        """What a key frame has by now, made up or not."""
        whole = self._whole(anchor)
        patch = result.patch
        found = align(here.view, anchor.view, patch.box, patch.open, whole.shown, self._motion)
        if found is not None:
            lay_in(patch, whole.pixels, whole.shown, found, whole.source, self._match)

    def _whole(self, key: Shown) -> Whole:
        """A key frame without its hole: lent by the other keys, carried from the keys before it, else made up."""
        if key.number not in self._wholes:
            lenders = self._in_order(key, ())
            before = self._anchors[: [anchor.number for anchor in self._anchors].index(key.number)]
            pixels, source = key.pixels, np.full(key.free.shape, key.number, np.float32)
            shown = key.free.copy()
            for box in key.hole.boxes:
                patch = self._filled(key, box, lenders, before).patch
                area = _area(box)
                inside = key.hole.covered[area] & patch.known
                np.copyto(pixels[area], patch.pixels, where=inside[..., np.newaxis])
                np.copyto(source[area], patch.source, where=inside)
                shown[area] |= inside
            self._wholes[key.number] = Whole(pixels, source, shown)
        return self._wholes[key.number]

    def _invent(self, patch: Patch, here: Shown) -> None:
        """Make up what is still missing, from the picture around it."""
        # Both the network and the smooth continuation look beyond the patch where its hole is wide.
        margin = inpaint_net.reach(patch.open)
        height, width = here.free.shape
        left, top, right, bottom = patch.box
        wide = max(0, left - margin), max(0, top - margin), min(width, right + margin), min(height, bottom + margin)
        inner = slice(top - wide[1], bottom - wide[1]), slice(left - wide[0], right - wide[0])
        pixels, missing = here.pixels[_area(wide)].copy(), ~here.free[_area(wide)]
        pixels[inner], missing[inner] = patch.pixels, ~patch.known
        encoded = color.encode(pixels)
        if missing.all():
            return
        make_up = self._make_up or (lambda picture, hole: smooth_fill(picture, ~hole))
        made = color.decode(np.ascontiguousarray(make_up(encoded, missing)[inner]))
        np.copyto(patch.pixels, made, where=patch.open[..., np.newaxis])
        np.copyto(patch.source, np.float32(MADE), where=patch.open)
        patch.known |= patch.open
        patch.open &= False


def _area(box: Box) -> tuple[slice, slice]:
    return slice(box[1], box[3]), slice(box[0], box[2])


def _patch(here: Shown, box: Box) -> Patch:
    area = _area(box)
    pixels = np.ascontiguousarray(here.pixels[area])
    missing = here.hole.weight_in(box) > 0.0
    source = np.full(missing.shape, here.number, np.float32)
    return Patch(box, pixels, missing.copy(), here.free[area] & ~missing, source)
