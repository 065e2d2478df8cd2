"""Expression and MergeExpression: formulas over whole channels.

Names are the channels (r, red, rgba.red, depth.Z; with A and B in front for MergeExpression), x and y in full-size
pixels, cx and cy, the temporary variables, and any knob. `r(x+1,y)` takes another pixel. An empty formula leaves its
channels alone. Arithmetic is 32 bit, as documented.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import expression, functions, names
from ..errors import ExpressionError
from ..image import Edges, Image
from ..operator import Op


class PixelNames:
    """What names mean over a box of pixels. `images` maps a prefix ("" or "A" and "B") to a picture."""

    def __init__(self, op: Op, images: dict[str, Image], box: Edges) -> None:
        self.op = op
        self.images = images
        self.box = box
        self.knobs = names.KnobNames(op.session, op.node, None, 0, op.frame)
        self.variables: dict[str, Any] = {}
        first = next(iter(images.values()))
        self.width, self.height = first.format.width() / op.scale, first.format.height() / op.scale

    def name(self, name: str) -> Any:
        if name in self.variables:
            return self.variables[name]
        position = self._position(name)
        if position is not None:
            return position
        if name in functions.CONSTANTS:
            return functions.CONSTANTS[name]
        if name in ("frame", "t"):
            return float(self.op.frame)
        found = self._channel(name)
        if found is not None:
            image, channel = found
            return image.array(channel, self.box)
        if name in ("width", "height"):
            return float(getattr(self, name))
        return self.knobs.name(name)

    def call(self, name: str, arguments: list[Any]) -> Any:
        if functions.known(name):
            return functions.apply(name, arguments)
        found = self._channel(name)
        if found is not None and len(arguments) == 2:
            image, channel = found
            x, y = (np.asarray(a, np.float64) * self.op.scale for a in arguments)
            out = image.at(channel, *np.broadcast_arrays(x, y))
            return float(out) if out.ndim == 0 else out
        return self.knobs.call(name, arguments)

    def command(self, text: str) -> Any:
        return self.knobs.command(text)

    def _position(self, name: str) -> np.ndarray | None:
        box, scale = self.box, self.op.scale
        shape = (box.height, box.width)
        if name in ("x", "cx"):
            x = np.broadcast_to(np.arange(box.x, box.r, dtype=np.float32)[None, :] / np.float32(scale), shape)
            half = self.width / 2
            return x if name == "x" else ((x + np.float32(0.5) - np.float32(half)) / np.float32(half))
        if name in ("y", "cy"):
            y = np.broadcast_to(np.arange(box.y, box.t, dtype=np.float32)[:, None] / np.float32(scale), shape)
            middle = np.float32(self.height / 2)
            return y if name == "y" else ((y + np.float32(0.5) - middle) / np.float32(self.width / 2))
        return None

    def _channel(self, name: str) -> tuple[Image, str] | None:
        for prefix, image in self.images.items():
            if not name.startswith(prefix):
                continue
            bare = name[len(prefix) :].lstrip(".") if prefix else name
            channels = self.op.session.channels
            full = channels.full_name({"alpha": "rgba.alpha"}.get(bare, bare))
            if full in image.channels or (bare and channels.is_channel(bare) and full.startswith("rgba.")):
                return image, full
        return None


def pixel_expression(op: Op) -> Image:
    source = op.image(0)
    return _evaluated(op, source, {"": source}, source.bbox)


def merge_expression(op: Op) -> Image:
    """B (input 0) is what empty formulas leave alone."""
    back, front = op.image(0), op.image(1)
    box = back.bbox.union(front.bbox)
    return _evaluated(op, back, {"A": front, "B": back}, box)


def _evaluated(op: Op, source: Image, images: dict[str, Image], box: Edges) -> Image:
    scope = PixelNames(op, images, box)
    for i in range(4):
        name, formula = op.text(f"temp_name{i}").strip(), op.text(f"temp_expr{i}").strip()
        if name and formula:
            scope.variables[name] = _value(op, formula, scope)
    out = source.over(box)
    for i in range(4):
        formula = op.text(f"expr{i}").strip()
        if not formula:
            continue
        value = _value(op, formula, scope)
        pixels = np.broadcast_to(np.asarray(value, np.float32), (box.height, box.width)).copy()
        wanted = op.wanted(f"channel{i}")
        for name in source.channels if wanted == ["all"] else wanted:
            out.channels[name] = pixels
    return op.masked(source, out)


def _value(op: Op, formula: str, scope: PixelNames) -> Any:
    try:
        return expression.evaluate(expression.parse(formula), scope)
    except ExpressionError as error:
        raise ExpressionError(f"{op.node.fullName()}: {error}") from error


OPERATORS = {"Expression": pixel_expression, "MergeExpression": merge_expression}
