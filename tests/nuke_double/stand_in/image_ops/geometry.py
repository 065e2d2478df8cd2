"""Boxes, formats and positions: Crop, Reformat, Transform and their small relatives."""

from __future__ import annotations

import math

import numpy as np

from ..errors import NotEvaluated
from ..formats import Format, sized
from ..image import Edges, Image
from ..operator import Op, scaled_format
from . import kernels


def crop(op: Op) -> Image:
    """The box, black outside it if `crop` is on; `reformat` makes the box the format."""
    op.only_default("softness")
    source = op.image(0)
    x, y, r, t = (edge * op.scale for edge in op.numbers("box"))
    box = Edges(math.floor(x + 1e-6), math.floor(y + 1e-6), math.ceil(r - 1e-6), math.ceil(t - 1e-6))
    if op.flag("intersect"):
        box = box.intersect(source.bbox)
    # Without "black outside" the edge pixels of the box are repeated, also where the source had black around it.
    out = source.over(box).with_(black_outside=op.flag("crop"))
    if not op.flag("reformat"):
        return out
    made = sized(max(1, box.width), max(1, box.height), source.format.pixelAspect())
    return out.with_(bbox=box.shift(-box.x, -box.y), format=made)


def reformat(op: Op) -> Image:
    """Scaled into another format. Coordinates are exact: the scale need not bring whole pixels to whole pixels."""
    op.only_default("flip", "flop", "turn", "clamp")
    source = op.image(0)
    made, sx, sy = _target(op, source)
    tx = (made.width() - source.format.width() * sx) / 2 if op.flag("center") else 0.0
    ty = (made.height() - source.format.height() * sy) / 2 if op.flag("center") else 0.0
    name = op.choice("filter")
    box = Edges(
        math.floor(source.bbox.x * sx + tx + 1e-6),
        math.floor(source.bbox.y * sy + ty + 1e-6),
        math.ceil(source.bbox.r * sx + tx - 1e-6),
        math.ceil(source.bbox.t * sy + ty - 1e-6),
    )
    if not op.flag("pbb"):
        box = box.intersect(Edges(0, 0, made.width(), made.height()))
    channels = {n: kernels.resample(source, n, box, sx, sy, tx, ty, name) for n in source.channels}
    black = source.black_outside or op.flag("black_outside")
    return source.with_(format=made, bbox=box, channels=channels, black_outside=black)


def _target(op: Op, source: Image) -> tuple[Format, float, float]:
    width, height = source.format.width(), source.format.height()
    kind, aspect = op.choice("type"), source.format.pixelAspect()
    if kind == "scale":
        sx, sy = op.numbers("scale")[:2]
        made = sized(max(1, round(width * sx)), max(1, round(height * sy)), aspect)
        return made, made.width() / width, made.height() / height
    if kind == "to format":
        made = scaled_format(op.node._knobs["format"].value(), op.scale)
    else:
        made = _to_box(op, width, height, aspect)
    ratio = source.format.pixelAspect() / made.pixelAspect()
    sx, sy = made.width() / width, made.height() / height
    resize = op.choice("resize")
    pick = {
        "none": lambda: (1.0, 1.0),
        "width": lambda: (sx, sx / ratio),
        "height": lambda: (sy * ratio, sy),
        "fit": lambda: (min(sx, sy * ratio), min(sx / ratio, sy)),
        "fill": lambda: (max(sx, sy * ratio), max(sx / ratio, sy)),
        "distort": lambda: (sx, sy),
    }
    return (made, *pick[resize]())


def _to_box(op: Op, width: int, height: int, aspect: float) -> Format:
    """box_fixed: exactly the box; otherwise the side that resize names is exact and the other one follows."""
    box_width, box_height = op.number("box_width") * op.scale, op.number("box_height") * op.scale
    pixel = op.number("box_pixel_aspect")
    if op.flag("box_fixed"):
        return sized(max(1, round(box_width)), max(1, round(box_height)), pixel)
    ratio = aspect / pixel
    by_width, by_height = box_width, box_height
    scale = {
        "none": 1.0,
        "width": by_width / width,
        "height": by_height / height * ratio,
        "fit": min(by_width / width, by_height / height * ratio),
        "fill": max(by_width / width, by_height / height * ratio),
        "distort": 0.0,
    }[op.choice("resize")]
    if not scale:
        return sized(max(1, round(box_width)), max(1, round(box_height)), pixel)
    return sized(max(1, round(width * scale)), max(1, round(height * scale / ratio)), pixel)


def transform(op: Op) -> Image:
    """Translate, rotate and scale about a center, sampled by the filter; whole-pixel moves copy exactly."""
    op.only_default("motionblur", "clamp")
    source = op.image(0)
    forward = _matrix(op)
    if op.flag("invert_matrix"):
        forward = np.linalg.inv(forward)
    black = source.black_outside or op.flag("black_outside")
    if np.allclose(forward[:2, :2], np.eye(2), atol=1e-12):
        tx, ty = forward[0, 2], forward[1, 2]
        if abs(tx - round(tx)) < 1e-6 and abs(ty - round(ty)) < 1e-6:
            return source.with_(bbox=source.bbox.shift(round(tx), round(ty)), black_outside=black)
    source = source.with_(black_outside=black)
    box = _moved(source.bbox, forward)
    channels = {n: _sampled(source, n, box, np.linalg.inv(forward), op.choice("filter")) for n in source.channels}
    return source.with_(bbox=box, channels=channels)


def _matrix(op: Op) -> np.ndarray:
    tx, ty = (v * op.scale for v in op.numbers("translate")[:2])
    cx, cy = (v * op.scale for v in op.numbers("center")[:2])
    sx, sy = op.numbers("scale")[:2]
    angle = math.radians(op.number("rotate"))
    skew_x, skew_y = op.number("skewX"), op.number("skewY")
    if skew_y or op.choice("skew_order") != "XY":
        raise NotEvaluated(f"{op.node.fullName()}: skewY is not known")
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turn @ np.array([[1, math.tan(math.radians(skew_x))], [0, 1]]) @ np.diag([sx, sy])
    out = np.eye(3)
    out[:2, :2] = linear
    out[:2, 2] = np.array([cx + tx, cy + ty]) - linear @ np.array([cx, cy])
    return out


def _moved(box: Edges, forward: np.ndarray) -> Edges:
    corners = np.array([[x, y, 1.0] for x in (box.x, box.r) for y in (box.y, box.t)]) @ forward.T
    low, high = np.floor(corners.min(axis=0) + 1e-6), np.ceil(corners.max(axis=0) - 1e-6)
    return Edges(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def _sampled(image: Image, channel: str, box: Edges, back: np.ndarray, name: str) -> np.ndarray:
    """The channel at positions `back` of each output pixel's centre, by the filter's kernel (not widened)."""
    y, x = np.mgrid[box.y : box.t, box.x : box.r] + 0.5
    u, v = (back[i, 0] * x + back[i, 1] * y + back[i, 2] for i in (0, 1))
    if name == "Impulse":
        return image.at(channel, u, v)
    reach = math.ceil(kernels.REACH.get(name, 2.0))
    left, low = np.floor(u - 0.5), np.floor(v - 0.5)
    total, weights = np.zeros(u.shape), np.zeros(u.shape)
    for j in range(1 - reach, reach + 1):
        for i in range(1 - reach, reach + 1):
            w = kernels.weight(name, u - 0.5 - (left + i)) * kernels.weight(name, v - 0.5 - (low + j))
            weights += w
            total += w * image.at(channel, left + i, low + j)
    return (total / weights).astype(np.float32)


def adjust_box(op: Op) -> Image:
    source = op.image(0)
    x, y = (round(n * op.scale) for n in op.numbers("numpixels")[:2])
    return source.over(source.bbox.grow(x, y))


def copy_box(op: Op) -> Image:
    """Input 0 with the box of input 1."""
    return op.image(0).over(op.image(1).bbox)


def black_outside(op: Op) -> Image:
    return op.image(0).with_(black_outside=True)


def mirror(op: Op) -> Image:
    """flip turns over in y, flop in x, about the middle of the format."""
    image = op.image(0)
    box, width, height = image.bbox, image.format.width(), image.format.height()
    channels = dict(image.channels)
    if op.flag("flip"):
        box = Edges(box.x, height - box.t, box.r, height - box.y)
        channels = {n: p[::-1] for n, p in channels.items()}
    if op.flag("flop"):
        box = Edges(width - box.r, box.y, width - box.x, box.t)
        channels = {n: p[:, ::-1] for n, p in channels.items()}
    return image.with_(bbox=box, channels=channels)


def position(op: Op) -> Image:
    image = op.image(0)
    x, y = (round(v * op.scale) for v in op.numbers("translate")[:2])
    return image.with_(bbox=image.bbox.shift(x, y))


OPERATORS = {
    "Crop": crop,
    "Reformat": reformat,
    "Transform": transform,
    "AdjBBox": adjust_box,
    "CopyBBox": copy_box,
    "BlackOutside": black_outside,
    "Mirror2": mirror,
    "Position": position,
}
