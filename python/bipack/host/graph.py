"""Which Bipack nodes feed a node, in the order in which they must be cooked, and on which frames.

Walks the script upwards, into and out of groups, past what is switched off. Frames follow the way: a node that shifts
time asks its inputs for other frames, a model that looks at neighbours for a window. Where a node warps time in a way
that cannot be told from its knobs, the Bipack nodes above it are cooked over their own whole range, and this is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, FrozenSet, Iterable, List, Mapping, Optional, Protocol, Tuple

import nuke

from bipack import inpaint_knobs
from bipack.host.node import MASK_INPUT, MATTE_INPUT, PLATE_INPUT, TIMING_BY, BipackNode, is_bipack

_TIME_NODES = """
    AppendClip FrameBlend FrameHold FrameRange Kronos MotionBlur MotionBlur2D NoTimeBlur OFlow2 Retime SmartVector
    TemporalMedian TimeBlur TimeClip TimeEcho TimeOffset TimeWarp VectorGenerator
"""
TIME_NODES = frozenset(_TIME_NODES.split())
"""Classes that may ask their input for other frames than the current one."""


class Retimed(Protocol):
    """A node whose frame numbers are times."""

    def needed(self, frame: int) -> Tuple[int, ...]:
        """Plate frames that a result is made from."""
        ...

    def inside(self, frame: int) -> int:
        """The result that is shown at `frame`: beyond the first and the last these are held."""
        ...


@dataclass(frozen=True)
class Reach:
    """Which frames of its plate a Bipack node needs for one result."""

    offsets: Tuple[int, ...] = (0,)
    """Frames around it; always holds 0."""

    lending: Optional[Mapping[str, Any]] = None
    """Settings of an inpaint node, which borrows from neighbours and from key frames of the whole shot."""

    retimed: Optional[Retimed] = None
    """Timing of a slow-motion node, which alone says what a result is made from."""


WindowOf = Callable[[BipackNode], Reach]
"""What a Bipack node needs of its plate."""


@dataclass(frozen=True)
class Need:
    """A Bipack node with the frames of it that are needed."""

    node: BipackNode
    frames: Tuple[int, ...]
    whole_range: bool = False
    """True when a time warp downstream made us take the node's whole range."""


def inputs_of(node: Any) -> List[Any]:
    """Nodes whose pictures go into `node`, seen through the walls of groups; a switched-off node passes input 0 on."""
    if node.Class() == "Input":
        group = parent_of(node)
        found = group.input(int(node["number"].value())) if group is not None else None
        return [found] if found is not None else []
    if is_off(node):
        first = node.input(0)
        return [first] if first is not None else []
    if is_bipack(node):
        return [found for found in (*_cooked_from(node), _mask(node)) if found is not None]
    if isinstance(node, nuke.Group):
        return [output for output in nuke.allNodes("Output", group=node) if output.input(0) is not None]
    if node.Class() == "Write" and _is_on(node, "reading"):
        return []
    if node.Class() == "Switch" and not varies(node["which"]):
        chosen = node.input(min(max(int(node["which"].value()), 0), max(node.inputs() - 1, 0)))
        return [chosen] if chosen is not None else []
    return [found for found in (node.input(index) for index in range(node.inputs())) if found is not None]


def _cooked_from(node: Any) -> Tuple[Any, Any]:
    """Plate and matte of a Bipack node."""
    return node.input(PLATE_INPUT), node.input(MATTE_INPUT)


def _mask(node: Any) -> Optional[Any]:
    """What says where the result of a Bipack node that retimes is kept."""
    return node.input(MASK_INPUT) if node.knob(TIMING_BY) is not None else None


def varies(knob: Any) -> bool:
    """True when the knob may have another value on another frame."""
    return bool(knob.isAnimated() or (hasattr(knob, "hasExpression") and knob.hasExpression()))


def parent_of(node: Any) -> Optional[Any]:
    """The group that holds `node`; None at the top of the script."""
    name = str(node.fullName()).rpartition(".")[0]
    if not name:
        return None
    with nuke.root():
        return nuke.toNode(name)


def upstream(node: Any) -> List[Any]:
    """All nodes above `node`, itself included, inputs before what they feed. No node comes twice."""
    order: List[Any] = []
    state: Dict[str, bool] = {}  # name: False while its inputs are being visited, True when done
    stack = [(node, False)]
    while stack:
        current, inputs_done = stack.pop()
        name = current.fullName()
        if inputs_done:
            state[name] = True
            order.append(current)
        elif name not in state:
            state[name] = False
            stack.append((current, True))
            stack.extend((found, False) for found in reversed(inputs_of(current)) if found.fullName() not in state)
    return order


def needs(target: Any, frames: Iterable[int], window_of: WindowOf) -> List[Need]:
    """Bipack nodes above `target` (not itself) in cooking order, with the frames that `target` needs of each.

    A switched-off node needs nothing. `window_of` is asked for the reach of each node's model.
    """
    order = upstream(target)
    wanted: Dict[str, FrozenSet[int]] = {target.fullName(): frozenset(frames)}
    warped: Dict[str, bool] = {target.fullName(): False}
    found: List[Need] = []
    for node in reversed(order):
        name = node.fullName()
        own, is_warped = wanted.get(name, frozenset()), warped.get(name, False)
        asked: Optional[FrozenSet[int]] = own
        if is_bipack(node) and not is_off(node):
            bipack = BipackNode(node)
            if is_warped:
                first, last = bipack.cook_range()
                own = own | frozenset(range(first, last + 1))
            reach, plate_frames = window_of(bipack), plate_range(bipack)
            if reach.retimed is not None:
                own = frozenset(reach.retimed.inside(frame) for frame in own)
            if name != target.fullName():
                found.append(Need(bipack, tuple(sorted(own)), is_warped))
            asked = frozenset(needed for frame in own for needed in window(frame, reach, plate_frames))
            is_warped = False
        elif not is_off(node):
            asked = _asked_of_inputs(node, own)
        for source in inputs_of(node):
            key = source.fullName()
            passed = own if asked is None else _asked_of(source, node, own, asked)
            wanted[key] = wanted.get(key, frozenset()) | passed
            warped[key] = warped.get(key, False) or is_warped or asked is None
    return list(reversed(found))


def window(frame: int, reach: Reach, plate_frames: Tuple[int, int]) -> Tuple[int, ...]:
    """Plate frames for a result at `frame`; beyond the plate's own range its nearest frame, as the worker does."""
    if reach.retimed is not None:
        return reach.retimed.needed(frame)
    first, last = min(plate_frames[0], frame), max(plate_frames[1], frame)
    found = {min(max(frame + offset, first), last) for offset in reach.offsets}
    if reach.lending is not None:
        shot = range(plate_frames[0], plate_frames[1] + 1)
        found.update(*inpaint_knobs.lenders(frame, reach.lending, shot))
    return tuple(sorted(found))


def key_frames(reach: Reach, plate_frames: Tuple[int, int]) -> Tuple[int, ...]:
    """Plate frames that every result is made from, whatever its number."""
    if reach.lending is None:
        return ()
    return inpaint_knobs.lenders(plate_frames[0], reach.lending, range(plate_frames[0], plate_frames[1] + 1))[1]


def plate_range(node: BipackNode) -> Tuple[int, int]:
    """First and last frame of what is connected to the plate input."""
    return int(node.plate.firstFrame()), int(node.plate.lastFrame())


def shifts_time(nodes: Iterable[Any]) -> bool:
    """True when any of `nodes` may show a source's other frame than the current one."""
    return any(
        (node.Class() in TIME_NODES or (is_bipack(node) and node.knob(TIMING_BY) is not None)) and not is_off(node)
        for node in nodes
    )


def _asked_of(source: Any, node: Any, own: FrozenSet[int], asked: FrozenSet[int]) -> FrozenSet[int]:
    """Frames that `node`, to make `own`, asks of one of its inputs: of a mask `own`, of all others `asked`."""
    mask = _mask(node) if is_bipack(node) and not is_off(node) else None
    if mask is None or mask.fullName() != source.fullName():
        return asked
    others = [found.fullName() for found in _cooked_from(node) if found is not None]
    return own | asked if source.fullName() in others else own


def _asked_of_inputs(node: Any, frames: FrozenSet[int]) -> Optional[FrozenSet[int]]:
    """Frames that `node` asks of its inputs to make `frames`; None where that cannot be told."""
    kind = node.Class()
    if kind not in TIME_NODES:
        return frames
    if kind in ("FrameRange", "NoTimeBlur"):
        return frames
    if kind == "TimeOffset":
        offset = node.knob("time_offset")
        if offset is None or varies(offset) or _is_on(node, "reverse_input"):
            return None
        return frozenset(frame - int(offset.value()) for frame in frames)
    if kind == "FrameHold":
        # The knob was renamed in Nuke 13.
        held = next((knob for knob in map(node.knob, ("firstFrame", "first_frame")) if knob is not None), None)
        if held is None or varies(held) or _is_on(node, "increment"):
            return None
        return frozenset([int(held.value())])
    return None


def is_off(node: Any) -> bool:
    """True for a node that is switched off on every frame; one that is switched by an expression or keys counts."""
    knob = node.knob("disable")
    return bool(knob is not None and not varies(knob) and knob.value())


def _is_on(node: Any, knob: str) -> bool:
    """True when the node has this knob and it is not 0."""
    found = node.knob(knob)
    return bool(found is not None and found.value())
