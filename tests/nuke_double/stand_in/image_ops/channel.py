"""Shuffles, copies, and nodes that add and remove channels."""

from __future__ import annotations

import numpy as np

from ..errors import NotEvaluated
from ..image import Edges, Image
from ..operator import Op
from ..tcl import split_list

_PLACES = {"red": 0, "green": 1, "blue": 2, "alpha": 3}


def shuffle(op: Op) -> Image:
    source = op.image(0)
    return _shuffled(op, source, source, source)


def shuffle_copy(op: Op) -> Image:
    """`in` is taken from input 1, `in2` from input 0, and the result is laid over input 0; to check on a real Nuke."""
    base, other = op.image(0), op.image(1)
    box = base.bbox.union(other.bbox)
    return _shuffled(op, base.over(box), other.over(box), base.over(box))


def _shuffled(op: Op, base: Image, first: Image, second: Image) -> Image:
    layers = op.session.channels
    in1, in2 = layers.layer_of(_layer(op, "in")), layers.layer_of(_layer(op, "in2"))
    out = base.with_()
    rows = (("out", ("red", "green", "blue", "alpha")), ("out2", ("black", "white", "red2", "green2")))
    for knob, sources in rows:
        for place, channel in enumerate(layers.layer_of(_layer(op, knob))):
            if place < 4:
                out.channels[channel] = _picked(op.choice(sources[place]), first, in1, second, in2, base.bbox)
    return out


def _layer(op: Op, knob: str) -> str:
    return str(op.node._knobs[knob].value())


def _picked(choice: str, first: Image, in1: list[str], second: Image, in2: list[str], box: Edges) -> np.ndarray:
    if choice in ("black", "white"):
        return np.full((box.height, box.width), float(choice == "white"), np.float32)
    image, names = (second, in2) if choice.endswith("2") else (first, in1)
    place = _PLACES[choice.removesuffix("2")]
    if place >= len(names):
        return np.zeros((box.height, box.width), np.float32)
    return image.array(names[place], box)


def shuffle2(op: Op) -> Image:
    """`mappings "count source group place target group place …"`; group 0 is in1 and out1, 1 is in2 and out2."""
    inputs = {"B": op.image(0), "A": op.image(1) if op.connected(1) else op.image(0)}
    base = inputs["B"]
    box = base.bbox.union(inputs["A"].bbox) if op.connected(1) else base.bbox
    sides = [inputs[op.choice("fromInput1")], inputs[op.choice("fromInput2")]]
    out = base.over(box)
    for source, group, target in _mappings(op):
        if source in ("black", "white"):
            out.channels[target] = np.full((box.height, box.width), float(source == "white"), np.float32)
        else:
            out.channels[target] = sides[group].array(op.session.channels.full_name(source), box)
    return out


def _mappings(op: Op) -> list[tuple[str, int, str]]:
    words = [word.text for word in split_list(op.text("mappings"))]
    if not words:
        layers = op.session.channels
        pairs = zip(layers.layer_of(_layer(op, "in1")), layers.layer_of(_layer(op, "out1")), strict=False)
        return [(source, 0, target) for source, target in pairs]
    if len(words) != 1 + 6 * int(words[0]):
        raise NotEvaluated(f"{op.node.fullName()}: mappings of {len(words)} words are not understood")
    found = []
    for i in range(1, len(words), 6):
        source, group, _, target = words[i], int(words[i + 1]), words[i + 2], words[i + 3]
        found.append((source, max(group, 0), op.session.channels.full_name(target)))
    return found


def copy(op: Op) -> Image:
    """Single channels from input 1 to input 0, and the channels of the `channels` knob by their own names."""
    base, other = op.image(0), op.image(1)
    box = _box(op.choice("bbox"), base, other)
    out = base.over(box)
    for i in range(4):
        source, target = op.channel(f"from{i}"), op.channel(f"to{i}")
        if source and target:
            out.channels[target] = other.array(source, box)
    for name in op.channels("channels", other):
        out.channels[name] = other.array(name, box)
    return op.masked(base, out)


def _box(choice: str, base: Image, other: Image) -> Edges:
    if choice.startswith("B"):
        return base.bbox
    return other.bbox if choice.startswith("A") else base.bbox.union(other.bbox)


def remove(op: Op) -> Image:
    source = op.image(0)
    chosen = {
        name for knob in ("channels", "channels2", "channels3", "channels4") for name in op.channels(knob, source)
    }
    keep = op.choice("operation") == "keep"
    return source.with_(channels={n: p for n, p in source.channels.items() if (n in chosen) == keep})


def add_channels(op: Op) -> Image:
    """Missing channels in the color knob's values; channels that are there stay."""
    source = op.image(0)
    value = op.color("color")
    out = source.with_()
    for knob in ("channels", "channels2", "channels3", "channels4"):
        for name in op.wanted(knob):
            if name != "all" and name not in out.channels:
                out.channels[name] = np.full((source.bbox.height, source.bbox.width), value(name), np.float32)
    return out


def channel_merge(op: Op) -> Image:
    """Two single channels by an operation, into the output channel."""
    base, other = op.image(0), op.image(1)
    box = base.bbox.union(other.bbox)
    a, b = other.array(op.channel("A"), box), base.array(op.channel("B"), box)
    formulas = {
        "union": lambda: a + b - a * b,
        "absminus": lambda: np.abs(a - b),
        "b if not a": lambda: np.where(a != 0, a, b),
        "divide": lambda: np.where((a < 0) & (b < 0), 0, a / b),
        "from": lambda: b - a,
        "in": lambda: a * b,
        "max": lambda: np.maximum(a, b),
        "min": lambda: np.minimum(a, b),
        "minus": lambda: a - b,
        "multiply": lambda: a * b,
        "out": lambda: a * (1 - b),
        "plus": lambda: a + b,
        "stencil": lambda: b * (1 - a),
        "xor": lambda: a + b - 2 * a * b,
    }
    out = base.over(box)
    with np.errstate(all="ignore"):
        out.channels[op.channel("output")] = np.asarray(formulas[op.choice("operation")](), np.float32)
    return op.masked(base, out)


OPERATORS = {
    "Shuffle": shuffle,
    "ShuffleCopy": shuffle_copy,
    "Shuffle2": shuffle2,
    "Copy": copy,
    "Remove": remove,
    "AddChannels": add_channels,
    "ChannelMerge": channel_merge,
}
