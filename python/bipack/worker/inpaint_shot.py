"""The frames of a shot as inpaint sees them: the picture, what of it is background, and what aligning looks at."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bipack.imaging import hole as holes
from bipack.imaging import layers, nonfinite
from bipack.imaging.borrow_align import View
from bipack.imaging.finishing.weights import encoded_luma
from bipack.imaging.frame import Frame, Part, Pixels
from bipack.imaging.hole import Hole
from bipack.imaging.plate import take, take_matte
from bipack.imaging.smooth_fill import Mask
from bipack.worker.placed import placed
from bipack.worker.step import StepInput


def plate_name(frame: int) -> str:
    """Name of the picture of another frame among `StepInput.sides`."""
    return f"plate {frame}"


def matte_name(frame: int) -> str:
    """Name of the matte of another frame."""
    return f"matte {frame}"


@dataclass(frozen=True, eq=False)
class Shown:
    """One frame at the pixels of the frame that is being filled."""

    number: int
    frame: Frame
    layer: str
    target: Part
    """The part whose pixels all frames are brought to."""

    hole: Hole
    free: Mask
    """Where the background is seen: stored, finite, and outside the matte."""

    @property
    def pixels(self) -> Pixels:
        """Scene-linear (height, width, 3), finite; made anew every time, for frames are many and large."""
        return _pixels(self.frame, self.layer, self.target, self.free.shape, f"frame {self.number}")

    @cached_property
    def view(self) -> View:
        """What aligning looks at."""
        return View(encoded_luma(self.pixels), self.free)


def _pixels(frame: Frame, layer: str, target: Part, shape: tuple[int, ...], what: str) -> Pixels:
    plate = take(frame, layer, 3)
    clean = nonfinite.hold_out(plate.pixels)[0]
    return placed(clean, frame.parts[plate.part], target, np.zeros((*shape, 3), np.float32), what)


def shown(number: int, frame: Frame, matte: Frame, layer: str, target: Part, knobs: Mapping[str, Any]) -> Shown:
    """A frame with its matte at the pixels of `target`. Raises CorruptInput where formats differ, ModelRefused."""
    plate = take(frame, layer, 3)
    part = frame.parts[plate.part]
    shape = target.data_window.height, target.data_window.width
    empty = np.zeros(shape, np.float32)
    covers = placed(take_matte(matte), matte.parts[0], target, empty, f"matte of frame {number}")
    # A NaN in a matte means nothing, and must not spread.
    covers = np.where(np.isfinite(covers), covers, np.float32(0.0))
    hole = holes.of_matte(covers, max(0.0, float(knobs["grow"])), max(0.0, float(knobs["feather"])))
    stored = np.asarray(np.isfinite(plate.pixels).all(axis=-1), np.float32)
    there = placed(stored, part, target, empty, f"frame {number}") > 0.0
    return Shown(number, frame, layer, target, hole, there & ~hole.covered)


class Shot:
    """Keeps frames that were looked at, for the next frames of the shot will look at them as well."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], Shown] = OrderedDict()
        self.most = 2
        """How many frames are kept."""

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def current(self, given: StepInput) -> Shown:
        """The frame that is to be filled."""
        assert given.matte is not None
        return self._get(given.frame, given.frames[0], given.matte, given)

    def other(self, number: int, given: StepInput) -> Shown | None:
        """Another frame of the shot; None where its picture or its matte is not there."""
        frame, matte = given.sides.get(plate_name(number)), given.sides.get(matte_name(number))
        return None if frame is None or matte is None else self._get(number, frame, matte, given)

    def _get(self, number: int, frame: Frame, matte: Frame, given: StepInput) -> Shown:
        plate = take_part(given)
        size = plate.data_window, plate.display_window
        knobs = given.knobs["grow"], given.knobs["feather"], given.layer
        key = (number, *_file(frame), *_file(matte), *size, *knobs)
        if key not in self._kept:
            self._kept[key] = shown(number, frame, matte, given.layer, plate, given.knobs)
        self._kept.move_to_end(key)
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)
        return self._kept[key]


def take_part(given: StepInput) -> Part:
    """The part of the current frame that the worked-on layer lies in."""
    frame = given.frames[0]
    return frame.parts[layers.find(frame, given.layer, 3)[0]]


def _file(frame: Frame) -> tuple[Any, ...]:
    """What tells one file from another; a frame that was made in memory is only like itself."""
    if not frame.source or not os.path.exists(frame.source):
        return (id(frame),)
    status = os.stat(frame.source)
    return frame.source, status.st_mtime_ns, status.st_size
