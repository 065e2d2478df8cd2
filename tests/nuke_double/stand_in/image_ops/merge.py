"""Merge2, Keymix, Premult and Unpremult, by the formulas of Foundry's "Merge Operations"."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..image import Edges, Image
from ..operator import Op, blend

Array = np.ndarray


def _screen(A: Array, B: Array, a: Array, b: Array) -> Array:
    """A + B − AB where both are between 0 and 1, otherwise the larger one."""
    inside = (A >= 0) & (A <= 1) & (B >= 0) & (B <= 1)
    return np.where(inside, A + B - A * B, np.maximum(A, B))


def _overlay(A: Array, B: Array, a: Array, b: Array) -> Array:
    return np.where(B < 0.5, 2 * A * B, 1 - 2 * (1 - A) * (1 - B))


def _hard_light(A: Array, B: Array, a: Array, b: Array) -> Array:
    return np.where(A < 0.5, 2 * A * B, 1 - 2 * (1 - A) * (1 - B))


def _soft_light(A: Array, B: Array, a: Array, b: Array) -> Array:
    return np.where(A * B < 1, B * (2 * A + B * (1 - A * B)), 2 * A * B)


def _conjoint(A: Array, B: Array, a: Array, b: Array) -> Array:
    return np.where(a > b, A, A + B * (1 - a / b))


def _disjoint(A: Array, B: Array, a: Array, b: Array) -> Array:
    return np.where(a + b < 1, A + B, A + B * (1 - a) / b)


OPERATIONS: dict[str, Callable[[Array, Array, Array, Array], Array]] = {
    "atop": lambda A, B, a, b: A * b + B * (1 - a),
    "average": lambda A, B, a, b: (A + B) / 2,
    "conjoint-over": _conjoint,
    "copy": lambda A, B, a, b: A,
    "difference": lambda A, B, a, b: np.abs(A - B),
    "disjoint-over": _disjoint,
    "divide": lambda A, B, a, b: np.where((A < 0) & (B < 0), 0, A / B),
    "exclusion": lambda A, B, a, b: A + B - 2 * A * B,
    "from": lambda A, B, a, b: B - A,
    "geometric": lambda A, B, a, b: 2 * A * B / (A + B),
    "hard-light": _hard_light,
    "hypot": lambda A, B, a, b: np.hypot(A, B),
    "in": lambda A, B, a, b: A * b,
    "mask": lambda A, B, a, b: B * a,
    "matte": lambda A, B, a, b: A * a + B * (1 - a),
    "max": lambda A, B, a, b: np.maximum(A, B),
    "min": lambda A, B, a, b: np.minimum(A, B),
    "minus": lambda A, B, a, b: A - B,
    "multiply": lambda A, B, a, b: np.where((A < 0) & (B < 0), 0, A * B),
    "out": lambda A, B, a, b: A * (1 - b),
    "over": lambda A, B, a, b: A + B * (1 - a),
    "overlay": _overlay,
    "plus": lambda A, B, a, b: A + B,
    "screen": _screen,
    "soft-light": _soft_light,
    "stencil": lambda A, B, a, b: B * (1 - a),
    "under": lambda A, B, a, b: A * (1 - b) + B,
    "xor": lambda A, B, a, b: A * (1 - b) + B * (1 - a),
}


def merge(op: Op) -> Image:
    """B is input 0; A is input 1, then 3 and on, each merged over what came before."""
    op.only_default("sRGB", "screen_alpha")
    name = op.choice("operation")
    if name not in OPERATIONS:
        raise op.fail(f"the stand-in does not know the operation {name}")
    base = op.image(0)
    result = base
    for place in [1, *range(3, op.node.inputs())]:
        if op.connected(place):
            result = _merged(op, OPERATIONS[name], op.image(place), result)
    if not op.connected(0):
        result = result.with_(format=result.format)
    return op.masked(base, result)


def _merged(op: Op, formula: Callable[..., Array], front: Image, back: Image) -> Image:
    box = {
        "union": front.bbox.union(back.bbox),
        "intersection": front.bbox.intersect(back.bbox),
        "A": front.bbox,
        "B": back.bbox,
    }[op.choice("bbox")]
    if not op.connected(0):
        back = Image(front.format, box, metadata=dict(front.metadata))
    out = back.over(box)
    a, b = front.array("rgba.alpha", box), back.array("rgba.alpha", box)
    with np.errstate(all="ignore"):
        for a_name, b_name, target in _channels(op, front, back):
            A, B = front.array(a_name, box), back.array(b_name, box)
            out.channels[target] = np.asarray(formula(A, B, a, b), np.float32)
    meta = {"A": front.metadata, "B": back.metadata, "All": {**front.metadata, **back.metadata}}[op.choice("metainput")]
    return out.with_(metadata=dict(meta), black_outside=front.black_outside and back.black_outside)


def _channels(op: Op, front: Image, back: Image) -> list[tuple[str, str, str]]:
    """Channel of A, channel of B, and where the result goes: by place, then also_merge by name."""
    existing = {**front.channels, **back.channels}
    a_names, b_names, outputs = (op.wanted(knob) for knob in ("Achannels", "Bchannels", "output"))
    rows: list[tuple[str, str, str]] = []
    if "all" in (*a_names, *b_names, *outputs):
        rows = [(name, name, name) for name in existing]
    else:
        for place, target in enumerate(outputs):
            a_name = a_names[place] if place < len(a_names) else ""
            b_name = b_names[place] if place < len(b_names) else ""
            if a_name in front.channels or b_name in back.channels:
                rows.append((a_name, b_name, target))
    also = op.wanted("also_merge")
    names = list(existing) if also == ["all"] else [name for name in also if name in existing]
    return rows + [(name, name, name) for name in names if name not in [row[2] for row in rows]]


def keymix(op: Op) -> Image:
    """A where the mask is 1, B where it is 0: inputs B, A, mask."""
    back, front = op.image(0), op.image(1)
    choice = op.choice("bbox")
    if choice.startswith("union"):
        box = back.bbox.union(front.bbox)
    else:
        box = back.bbox if choice.startswith("B") else front.bbox
    weight = _keymix_mask(op, box)
    out = back.over(box)
    for name in dict.fromkeys([*op.channels("channels", back), *op.channels("channels", front)]):
        out.channels[name] = blend(back.array(name, box), front.array(name, box), weight)
    return out.with_(black_outside=front.black_outside and back.black_outside)


def _keymix_mask(op: Op, box: Edges) -> Array | float:
    mix, name = np.float32(op.number("mix")), op.channel("maskChannel")
    if not op.connected(2) or not name:
        return float(mix)
    mask = op.image(2).array(name, box)
    if op.flag("invertMask"):
        mask = 1 - mask
    return mask * mix


def premult(op: Op) -> Image:
    return _by_alpha(op, op.flag("invert"))


def unpremult(op: Op) -> Image:
    return _by_alpha(op, not op.flag("invert"))


def _by_alpha(op: Op, divide: bool) -> Image:
    """Times alpha, or divided by it where it is not 0; alpha itself stays."""
    source, name = op.image(0), op.channel("alpha")
    if not name:
        return source
    alpha = source.array(name)
    out = source.with_()
    for channel in op.channels("channels", source):
        if channel == name:
            continue
        pixels = source.channels[channel]
        with np.errstate(all="ignore"):
            out.channels[channel] = np.where(alpha != 0, pixels / alpha, pixels) if divide else pixels * alpha
    return out


OPERATORS = {"Merge2": merge, "Keymix": keymix, "Premult": premult, "Unpremult": unpremult}
