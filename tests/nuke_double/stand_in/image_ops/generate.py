"""Pictures out of nothing. Noise is repeatable and looks as expected, but is not Nuke's own."""

from __future__ import annotations

import numpy as np

from .. import functions
from ..errors import NotEvaluated
from ..formats import Format
from ..image import Image
from ..operator import RGBA, Op, scaled_format


def _format(op: Op) -> Format:
    return scaled_format(op.node._knobs["format"].value(), op.scale)


def constant(op: Op) -> Image:
    image = Image.black(_format(op), op.scale)
    value = op.color("color")
    for name in op.wanted("channels"):
        image.channels[name] = np.full((image.bbox.height, image.bbox.width), value(name), np.float32)
    if op.wanted("channels") == list(RGBA[:3]):
        image.channels[RGBA[3]] = np.full((image.bbox.height, image.bbox.width), value(RGBA[3]), np.float32)
    return image


def checkerboard(op: Op) -> Image:
    """Squares of boxsize about the middle; lines are left out, so their widths must be zero."""
    op.only_default("linewidth")
    image = Image.black(_format(op), op.scale)
    width, height = (size * op.scale for size in op.numbers("boxsize")[:2])
    y, x = np.mgrid[0 : image.bbox.height, 0 : image.bbox.width]
    column = np.floor((x + 0.5 - image.bbox.width / 2) / width).astype(int) % 2
    row = np.floor((y + 0.5 - image.bbox.height / 2) / height).astype(int) % 2
    which = np.where(row == 0, column, 3 - column)
    for place, name in enumerate(RGBA):
        colors = np.array([op.number(f"color{i}", place) for i in range(4)], np.float32)
        image.channels[name] = colors[which]
    return image


def noise(op: Op) -> Image:
    base = op.image(0)
    op.only_default("ramp", "rotate", "scale", "replace")
    x, y = _points(op, base)
    width, height = op.numbers("size")[:2]
    tx, ty = op.numbers("translate")[:2]
    z = op.number("zoffset")
    octaves, lacunarity, gain = op.number("octaves"), op.number("lacunarity"), op.number("gain")
    kind = functions.turbulence if op.choice("type") == "turbulence" else functions.fbm
    value = kind((x - tx) / width + 0.123, (y - ty) / height + 0.456, z + 0.789, octaves, lacunarity, gain)
    value = value if op.choice("type") == "turbulence" else (value + 1) / 2
    gamma = op.number("gamma")
    with np.errstate(all="ignore"):
        value = np.power(np.maximum(value, 0), 1 / gamma) if gamma else value
    return _drawn(op, base, np.asarray(value, np.float32))


def ramp(op: Op) -> Image:
    base = op.image(0)
    x, y = _points(op, base)
    (ax, ay), (bx, by) = op.numbers("p0")[:2], op.numbers("p1")[:2]
    length = (bx - ax) ** 2 + (by - ay) ** 2
    t = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / (length or 1e-6), 0, 1)
    kind = op.choice("type")
    if kind == "smooth":
        t = t * t * (3 - 2 * t)
    elif kind != "linear":
        raise NotEvaluated(f"{op.node.fullName()}: the stand-in does not know the ramp {kind}")
    return _drawn(op, base, t.astype(np.float32))


def rectangle(op: Op) -> Image:
    """Hard edges only; a pixel that the edge cuts counts by the part of it that is inside."""
    op.only_default("softness")
    base = op.image(0)
    x, y = _points(op, base)
    left, bottom, right, top = op.numbers("area")
    half = 0.5 / op.scale
    across = np.clip((np.minimum(x + half, right) - np.maximum(x - half, left)) / (2 * half), 0, 1)
    up = np.clip((np.minimum(y + half, top) - np.maximum(y - half, bottom)) / (2 * half), 0, 1)
    return _drawn(op, base, (across * up).astype(np.float32))


def _points(op: Op, base: Image) -> tuple[np.ndarray, np.ndarray]:
    """Full-size coordinates of the pixel centres."""
    y, x = np.mgrid[base.bbox.y : base.bbox.t, base.bbox.x : base.bbox.r]
    return (x + 0.5) / op.scale, (y + 0.5) / op.scale


def _drawn(op: Op, base: Image, shape: np.ndarray) -> Image:
    """The shape over the input, in the color knob, as Nuke's draw nodes merge themselves."""
    if op.choice("cliptype") not in ("none", "format", "bbox"):
        raise NotEvaluated(f"{op.node.fullName()}: cliptype {op.choice('cliptype')}")
    if op.flag("invert"):
        shape = 1 - shape
    shape = shape * np.float32(op.number("opacity"))
    value, out = op.color("color"), base.with_()
    for name in op.wanted("output"):
        before = np.zeros_like(shape) if op.flag("replace") else base.array(name)
        out.channels[name] = (np.float32(value(name)) * shape + before * (1 - shape)).astype(np.float32)
    return op.masked(base, out)


OPERATORS = {"Constant": constant, "CheckerBoard2": checkerboard, "Noise": noise, "Ramp": ramp, "Rectangle": rectangle}
