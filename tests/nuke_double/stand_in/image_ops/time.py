"""Nodes that ask for other frames."""

from __future__ import annotations

import numpy as np

from ..errors import NotEvaluated
from ..image import Image
from ..operator import Op
from . import read


def frame_hold(op: Op) -> Image:
    """firstFrame, or with an increment every n-th frame after it."""
    knob = "firstFrame" if "firstFrame" in op.node._knobs else "first_frame"
    first, step = op.number(knob), op.number("increment")
    frame = first if not step else first + step * np.floor((op.frame - first) / step)
    return op.image(0, float(frame))


def time_offset(op: Op) -> Image:
    """A positive offset delays: frame f shows f − offset."""
    op.only_default("reverse_input")
    return op.image(0, op.frame - op.number("time_offset"))


def time_warp(op: Op) -> Image:
    """The frame `lookup`. With the filter `none` a fraction goes on to the input as it is; that alone is exact.

    Of the filters Foundry's reference guide says what they do (round the middle of `length` frames, average them), but
    not where that length lies around `lookup`.
    """
    if op.choice("filter") != "none":
        raise NotEvaluated(f"{op.node.fullName()}: TimeWarp is known with the filter none only")
    return op.image(0, op.number("lookup"))


def time_clip(op: Op) -> Image:
    op.only_default("reverse")
    frame = read.in_range(op, "first", "last", "before", "after")
    if frame is None:
        return read._black(op)
    return op.image(0, float(read.renumbered(op, frame)))


def frame_blend(op: Op) -> Image:
    """The mean of a range of frames, startframe to endframe with userange."""
    if not op.flag("userange"):
        raise NotEvaluated(f"{op.node.fullName()}: FrameBlend is known with userange only")
    frames = range(int(op.number("startframe")), int(op.number("endframe")) + 1)
    images = [op.image(0, float(frame)) for frame in frames]
    source = op.image(0)
    box = images[0].bbox
    for image in images[1:]:
        box = box.union(image.bbox)
    out = images[0].over(box)
    for name in op.channels("channels", images[0]):
        total = sum(image.array(name, box).astype(np.float64) for image in images)
        out.channels[name] = (total / len(images)).astype(np.float32)
    return op.masked(source, out)


def same(op: Op) -> Image:
    return op.image(0)


OPERATORS = {
    "FrameHold": frame_hold,
    "TimeOffset": time_offset,
    "FrameRange": same,
    "TimeWarp": time_warp,
    "TimeClip": time_clip,
    "FrameBlend": frame_blend,
}
