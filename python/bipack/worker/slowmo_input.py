"""The frames that slow motion is given: those of a moment on one data window, those beside it, and their mattes."""

from __future__ import annotations

import dataclasses
import itertools

import cv2
import numpy as np

from bipack.errors import CorruptInput
from bipack.imaging import layers
from bipack.imaging.frame import Box, Frame, Pixels
from bipack.imaging.plate import take
from bipack.imaging.smooth_fill import smooth_fill
from bipack.imaging.weave import MATTE, joined
from bipack.worker.model_step import aligned_matte
from bipack.worker.slowmo_motion import Look
from bipack.worker.step import StepInput

_BEFORE, _AFTER = "before", "after"
_NAMELESS = itertools.count()


def window_of(frame: Frame, layer: str) -> Box:
    """The data window of the picture that is worked on."""
    return frame.parts[layers.find(frame, layer, 3)[0]].data_window


def named(given: StepInput) -> StepInput:
    """The same with a hash for every frame; one that comes without it is taken for a new one."""
    names = {offset: given.hashes.get(offset) or f"nameless {next(_NAMELESS)}" for offset in given.frames}
    return dataclasses.replace(given, hashes=names)


def has(given: StepInput, offset: int) -> bool:
    """Whether there is a frame at `offset`, in the moment or beside it."""
    return offset in given.frames or _side(given, offset) in given.sides


def frame_at(given: StepInput, offset: int) -> Frame:
    """A frame of the moment, or one beside it."""
    return given.frames[offset] if offset in given.frames else given.sides[_side(given, offset)]


def _side(given: StepInput, offset: int) -> str:
    return _BEFORE if offset == min(given.frames) - 1 else _AFTER if offset == max(given.frames) + 1 else ""


def of_one_window(given: StepInput) -> StepInput:
    """The same with all frames of the moment on one data window, and those beside it, which only tell how motion
    bends, as `sides` where they have that window too. Raises CorruptInput where the moment's formats differ."""
    moment = given.moment
    assert moment is not None
    beside = {offset: frame for offset, frame in given.frames.items() if offset in moment.around}
    given = dataclasses.replace(given, frames={at: one for at, one in given.frames.items() if at not in beside})
    offsets = sorted(given.frames)
    if len(offsets) == 1:
        return given
    formats = [_format(given.frames[offset], given.layer) for offset in offsets]
    for offset, found in zip(offsets, formats, strict=True):
        if found != formats[0]:
            numbers = [moment.numbers[which] for which in (offsets[0], offset)]
            sizes = [f"{window.width}x{window.height}" for window in (formats[0], found)]
            raise CorruptInput(
                f"Source frame {numbers[0]} is {sizes[0]} pixels and frame {numbers[1]} is {sizes[1]}; nothing can "
                "be found between two sizes. Reformat the shot to one."
            )
    frames = joined([given.frames[offset] for offset in offsets])
    place = formats[0], window_of(frames[0], given.layer)
    fitting = {
        _side(given, offset): frame
        for offset, frame in beside.items()
        if (_format(frame, given.layer), window_of(frame, given.layer)) == place
    }
    return dataclasses.replace(given, frames=dict(zip(offsets, frames, strict=True)), sides=fitting)


def _format(frame: Frame, layer: str) -> Box:
    return frame.parts[layers.find(frame, layer, 3)[0]].display_window


def _matte_of(given: StepInput, offset: int) -> Pixels:
    """The matte of a source frame at its picture's pixels, 0 to 1."""
    frame = given.frames[offset]
    alone = StepInput(given.frame, {0: frame}, given.mattes[offset], layer=given.layer)
    return np.clip(aligned_matte(alone, take(frame, given.layer, 3)), 0, 1).astype(np.float32)


def with_matte(given: StepInput, offset: int) -> Frame:
    """A frame of the moment with its matte as one more channel."""
    frame = copied(given.frames[offset])
    frame.parts[layers.find(frame, given.layer, 3)[0]].channels[MATTE] = _matte_of(given, offset)
    return frame


def hidden(look: Look, given: StepInput, offset: int, which: str) -> Look:
    """The look with one side of the matte filled from the other, so that its motion is not seen."""
    height, width = look.encoded.shape[:2]
    matte = _matte_of(given, offset)
    small = np.asarray(cv2.resize(matte, (width, height), interpolation=cv2.INTER_AREA))
    hole = small < 0.5 if which == "inside" else small >= 0.5
    if hole.all() or not hole.any():
        return look
    return dataclasses.replace(look, encoded=smooth_fill(look.encoded, ~hole))


def copied(frame: Frame) -> Frame:
    """The same pixels; attributes and lists of channels of its own, since the writer adds to them."""
    parts = [
        dataclasses.replace(part, channels=dict(part.channels), attributes=dict(part.attributes))
        for part in frame.parts
    ]
    return dataclasses.replace(frame, parts=parts)
