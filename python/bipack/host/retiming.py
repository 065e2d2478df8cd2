"""A slow-motion node: which moment of the plate each of its frames shows, and which plate frames it needs for that.

The node's knobs are read here and nowhere else; the arithmetic is `bipack.retime`, which the worker uses too. For every
other node a frame of the result is a frame of the plate with its window of neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Tuple

import nuke

from bipack import retime
from bipack.errors import BipackError, UsageError
from bipack.host import graph, model
from bipack.host.node import TIMING_BY, BipackNode
from bipack.retime import Retime

FACTOR, SPEED, RATE, CURVE = "factor", "speed", "frame rate", "curve"


def is_retimer(node: BipackNode) -> bool:
    """True for a node whose frame numbers are times."""
    return node.has(TIMING_BY)


def of(node: BipackNode) -> Retime:
    """The timing of a slow-motion node. Raises UsageError for knobs that make no sense or without a plate."""
    first, last = _source(node)
    try:
        return retime.of(_settings(node), first, last)
    except BipackError as error:
        raise type(error)(f"{node.name}: {error}") from error


@dataclass(frozen=True)
class Timing:
    """A node's timing with all that decides which plate frames a result needs. See `graph.Retimed`."""

    node: BipackNode
    retime: Retime

    def needed(self, frame: int) -> Tuple[int, ...]:
        """Plate frames that a result is made from."""
        shutter = float(_card_value(self.node, "shutter", frame, 0.0))
        vectors = bool(_card_value(self.node, "vectors", frame, False))
        around = str(self.node.value("model")) != model.CLASSICAL
        return self.retime.needed(self.inside(frame), shutter, vectors, around)

    def inside(self, frame: int) -> int:
        """The result that is shown at `frame`."""
        return min(max(frame, self.retime.frames[0]), self.retime.frames[-1])


def timing(node: BipackNode) -> Timing:
    """The timing of a slow-motion node. Raises UsageError like `of`."""
    return Timing(node, of(node))


def request_settings(node: BipackNode, frame: int) -> Dict[str, Any]:
    """What the worker is told of one frame's time: its own and its neighbours', as fractions."""
    timing = of(node)
    near = [number for number in (frame - 1, frame, frame + 1) if number in timing.frames]
    method = "classical" if str(node.value("model")) == model.CLASSICAL else "model"
    return {"curve": " ".join(f"{number}={timing.time(number)}" for number in near), "method": method}


def facts(node: BipackNode) -> str:
    """All that shapes the timing, as text: the same on whatever frame the script is."""
    knob = node.group[TIMING_BY]
    if str(knob.value()) != CURVE:
        return f"{_source(node)} {sorted(_settings(node).items())}"
    curve = node.group["timing"]
    root = nuke.root()
    return f"{_source(node)} {int(root.firstFrame())}-{int(root.lastFrame())} {curve.toScript()}"


def sentence(node: BipackNode) -> str:
    """The line on the node: which frames come out of which."""
    try:
        timing = of(node)
    except BipackError as error:
        return str(error)
    first, last = timing.frames[0], timing.frames[-1]
    return f"{first}-{last} ({len(timing.frames)} frames) from {timing.source[0]}-{timing.source[1]}"


def _source(node: BipackNode) -> Tuple[int, int]:
    if node.value("use_plate_range"):
        first, last = graph.plate_range(node)
    else:
        first, last = int(node.value("first")), int(node.value("last"))
    if last < first:
        raise UsageError(f"{node.name} is to retime frames {first}-{last}; the last frame comes before the first.")
    return first, last


def _settings(node: BipackNode) -> Dict[str, Any]:
    """The timing in the words of `bipack run`."""
    by = str(node.value(TIMING_BY))
    if by == CURVE:
        root, knob = nuke.root(), node.group["timing"]
        frames = range(int(root.firstFrame()), int(root.lastFrame()) + 1)
        return {"curve": " ".join(f"{frame}={float(knob.getValueAt(frame))!r}" for frame in frames)}
    if by == RATE:
        return {"source_fps": node.value("source_fps"), "target_fps": node.value("target_fps")}
    name = {FACTOR: "slow_factor", SPEED: "speed"}[by]
    value = node.value(name)
    if not value:
        raise UsageError(f"{node.name}: {by} is 0. Give another, or freeze frames with a curve.")
    return {by: value}


def _card_value(node: BipackNode, name: str, frame: int, default: Any) -> Any:
    """A setting of the node at a frame; the default where its knobs were not made yet."""
    knob = node.group.knob(f"card_{name}")
    if knob is None:
        return default
    return knob.getValueAt(frame) if graph.varies(knob) else knob.value()
