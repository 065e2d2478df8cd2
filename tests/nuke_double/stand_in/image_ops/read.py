"""Reading files: frame numbers, frames out of range, missing files, colorspace and proxies."""

from __future__ import annotations

import os

import numpy as np

from .. import exr, functions
from ..errors import NotEvaluated, RenderError
from ..formats import sized
from ..image import Edges, Image
from ..operator import Op, scaled_format
from . import kernels

LINEAR = {"default", "linear", "raw", "scene_linear", "default (linear)", "default (scene_linear)"}


def read(op: Op) -> Image:
    frame = in_range(op, "first", "last", "before", "after")
    if frame is None:
        return _black(op)
    frame = renumbered(op, frame)
    return _file(op, frame, op.choice("on_error"))


def from_write(op: Op) -> Image:
    """A Write with `reading` on; on_error `read input` falls back to its input."""
    mode = op.choice("on_error")
    if mode != "read input":
        return _file(op, round(op.frame), mode)
    try:
        return _file(op, round(op.frame), "error")
    except RenderError:
        return op.image(0)


def in_range(op: Op, first: str, last: str, before: str, after: str) -> int | None:
    """The frame to read for the frame asked for, by before and after; None for black."""
    low, high, frame = int(op.number(first)), int(op.number(last)), round(op.frame)
    if low <= frame <= high or low > high:
        return frame
    mode = op.choice(before if frame < low else after)
    count = high - low + 1
    if mode == "black":
        return None
    if mode == "loop":
        return low + (frame - low) % count
    if mode == "bounce":
        place = (frame - low) % max(1, 2 * (count - 1))
        return low + (place if place < count else 2 * (count - 1) - place)
    return low if frame < low else high


def renumbered(op: Op, frame: int) -> int:
    """The frame knob: an expression, a start, or an offset."""
    text = op.text("frame").strip()
    if not text:
        return frame
    mode = op.choice("frame_mode")
    if mode == "start at":
        return frame - int(op.number("first")) + int(float(text))
    if mode == "offset":
        return frame + int(float(text))
    with op.session.at_frame(frame):
        return int(op.session.expression(text, op.node))


def path_of(op: Op, frame: int) -> str:
    text = op.text("file")
    if not text:
        raise op.fail("no file name")
    text = op.session.callbacks.filter_filename(_raw(op, frame), op.node)
    from ..render import expand_frame

    return expand_frame(text, frame)


def _raw(op: Op, frame: int) -> str:
    knob = op.node._knobs["file"]
    with op.session.at_frame(frame):
        return op.session.substitute(knob._value, knob)  # type: ignore[attr-defined]


def _file(op: Op, frame: int, on_error: str) -> Image:
    path = path_of(op, frame)
    if not os.path.isfile(path):
        path = _missing(op, path, frame, on_error)
        if not path:
            return _black(op) if on_error == "black" else _checkerboard(op)
    try:
        image = _decode(op, path, frame)
    except RuntimeError as error:
        if on_error == "black":
            return _black(op)
        raise op.fail(str(error)) from error
    op.session.channels_seen(image.channels)
    image = _to_linear(op, image)
    if op.has("auto_alpha") and op.flag("auto_alpha") and "rgba.alpha" not in image.channels:
        image.channels["rgba.alpha"] = np.ones((image.bbox.height, image.bbox.width), np.float32)
    return proxied(image, op.scale)


def _missing(op: Op, path: str, frame: int, on_error: str) -> str:
    """What to read instead of a file that is not there: "" for black or a checkerboard."""
    if on_error == "nearest frame":
        found = _nearest(op, frame)
        if found:
            return found
    elif on_error in ("black", "checkerboard"):
        return ""
    raise op.fail(f"{path}: No such file or directory")


def _nearest(op: Op, frame: int) -> str:
    low, high = int(op.number("first")), int(op.number("last"))
    candidates = sorted(range(low, high + 1), key=lambda f: (abs(f - frame), f))
    return next((p for p in (path_of(op, f) for f in candidates) if os.path.isfile(p)), "")


def _decode(op: Op, path: str, frame: int) -> Image:
    kind = os.path.splitext(path)[1].lstrip(".").lower()
    if kind == "exr":
        return exr.read(path, frame)
    if kind in ("png", "tif", "tiff", "jpg", "jpeg"):
        return _integers(path, frame)
    raise NotEvaluated(f"{op.node.fullName()}: the stand-in does not read .{kind}")


def _integers(path: str, frame: int) -> Image:
    """8 or 16 bit files, as 0 to 1, not yet linear."""
    import cv2

    data = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if data is None:
        raise RuntimeError(f"{path}: cannot be read")
    scale = 65535.0 if data.dtype == np.uint16 else 255.0
    data = np.atleast_3d(data)[::-1].astype(np.float32) / np.float32(scale)
    height, width, count = data.shape
    names = {1: ["rgba.red"], 3: ["rgba.blue", "rgba.green", "rgba.red"]}.get(
        count, ["rgba.blue", "rgba.green", "rgba.red", "rgba.alpha"]
    )
    channels = {name: np.ascontiguousarray(data[..., i]) for i, name in enumerate(names)}
    if count == 1:
        channels["rgba.green"] = channels["rgba.blue"] = channels["rgba.red"]
    meta = {"input/filename": path, "input/frame": frame, "input/width": width, "input/height": height}
    return Image(sized(width, height), Edges(0, 0, width, height), channels, metadata={**meta, "integer": True})


def _to_linear(op: Op, image: Image) -> Image:
    integer = image.metadata.pop("integer", False)
    space = op.choice("colorspace")
    if op.flag("raw") or (space in LINEAR and not (integer and space == "default")):
        return image
    if space not in ("default", "sRGB", "default (sRGB)", "Output - sRGB", "rec709"):
        raise NotEvaluated(f"{op.node.fullName()}: the stand-in does not know the colorspace {space}")
    curve = functions.from_rec709 if space == "rec709" else functions.from_srgb
    out = image.with_()
    for name in ("rgba.red", "rgba.green", "rgba.blue"):
        if name in out.channels:
            out.channels[name] = np.asarray(curve(out.channels[name]), np.float32)
    return out


def proxied(image: Image, scale: float) -> Image:
    """A full-size picture at a proxy scale: reduced as a Reformat with the triangle of that size does."""
    if scale == 1.0:
        return image
    made = scaled_format(image.format, scale)
    sx, sy = made.width() / image.format.width(), made.height() / image.format.height()
    box = Edges(
        int(np.floor(image.bbox.x * sx)),
        int(np.floor(image.bbox.y * sy)),
        int(np.ceil(image.bbox.r * sx)),
        int(np.ceil(image.bbox.t * sy)),
    )
    if image.bbox == image.edges:
        box = Edges(0, 0, made.width(), made.height())
    channels = {name: kernels.resample(image, name, box, sx, sy, 0.0, 0.0, "Box") for name in image.channels}
    return image.with_(format=made, bbox=box, channels=channels, scale=scale)


def _black(op: Op) -> Image:
    image = Image.black(op.format(), op.scale)
    for name in ("rgba.red", "rgba.green", "rgba.blue"):
        image.channels[name] = np.zeros((image.bbox.height, image.bbox.width), np.float32)
    return image


def _checkerboard(op: Op) -> Image:
    image = _black(op)
    y, x = np.mgrid[0 : image.bbox.height, 0 : image.bbox.width]
    board = np.where((x // 64 + y // 64) % 2, np.float32(0.5), np.float32(0.1)).astype(np.float32)
    for name in image.channels:
        image.channels[name] = board
    return image


OPERATORS = {"Read": read}
