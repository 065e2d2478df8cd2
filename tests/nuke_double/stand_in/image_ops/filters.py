"""Filter nodes. Their kernels are those of kernels.py, with the caveat written there."""

from __future__ import annotations

import math

import numpy as np

from ..errors import NotEvaluated
from ..image import Edges, Image
from ..operator import Op
from . import kernels


def blur(op: Op) -> Image:
    source = op.image(0)
    across, up = _kernels(op)
    box = _grown(op, source, len(across) // 2, len(up) // 2)
    return _filtered(op, source, box, across, up, lambda before, after: after)


def sharpen(op: Op) -> Image:
    """Unsharp mask: source + amount × (source − blurred)."""
    op.only_default("minimum", "maximum")
    source, amount = op.image(0), np.float32(op.number("amount"))
    across, up = _kernels(op)
    return _filtered(op, source, source.bbox, across, up, lambda before, after: before + amount * (before - after))


def soften(op: Op) -> Image:
    """Between the source and the blurred source, by amount."""
    op.only_default("minimum", "maximum")
    source, amount = op.image(0), np.float32(op.number("amount"))
    across, up = _kernels(op)
    return _filtered(op, source, source.bbox, across, up, lambda before, after: before + amount * (after - before))


def laplacian(op: Op) -> Image:
    """Blurred minus source, an assumption as kernels.py's are."""
    source = op.image(0)
    across, up = _kernels(op)
    box = _grown(op, source, len(across) // 2, len(up) // 2)
    return _filtered(op, source, box, across, up, lambda before, after: after - before)


def _kernels(op: Op) -> tuple[np.ndarray, np.ndarray]:
    width, height = op.numbers("size")[:2]
    name = op.choice("filter")
    return kernels.blur_kernel(name, width * op.scale), kernels.blur_kernel(name, height * op.scale)


def _grown(op: Op, source: Image, x: int, y: int) -> Edges:
    """The box plus the kernel, or with `crop` no more than the format."""
    box = source.bbox.grow(x, y) if not source.bbox.empty else source.bbox
    return box.intersect(source.edges) if op.flag("crop") else box


def _filtered(op: Op, source: Image, box: Edges, across: np.ndarray, up: np.ndarray, combine) -> Image:  # type: ignore[no-untyped-def]
    out = source.over(box)
    wide = box.grow(len(across) // 2, len(up) // 2)
    for name in op.channels("channels", source):
        with np.errstate(all="ignore"):
            after = kernels.separable(source.array(name, wide), across, up)
            out.channels[name] = np.asarray(combine(source.array(name, box), after), np.float32)
    return op.masked(source, out)


def median(op: Op) -> Image:
    """The median of a square of 2 × floor(size / 2) + 1 pixels; to check on a real Nuke."""
    op.only_default("ignore_top_line")
    rx, ry = (math.floor(size * op.scale / 2) for size in op.numbers("size")[:2])
    return _windowed(op, rx, ry, lambda stack: np.median(stack, axis=0))


def dilate(op: Op) -> Image:
    """Largest value within size pixels (a square); smallest for a negative size; parts of a pixel are mixed in."""
    width, height = (size * op.scale for size in op.numbers("size")[:2])
    if (width < 0) != (height < 0) and width and height:
        raise NotEvaluated(f"{op.node.fullName()}: a size of mixed sign is not known")
    return _grow(op, width, height)


def filter_erode(op: Op) -> Image:
    """Shrinks by size; the filters' soft edges are not modelled, so only the box is known."""
    if op.choice("filter") != "box":
        raise NotEvaluated(f"{op.node.fullName()}: FilterErode is known with the box filter only")
    width, height = (-size * op.scale for size in op.numbers("size")[:2])
    return _grow(op, width, height)


def _grow(op: Op, width: float, height: float) -> Image:
    source = op.image(0)
    pick = np.max if width + height >= 0 else np.min
    wx, wy = abs(width), abs(height)
    out = source.with_()
    for name in op.channels("channels", source):
        small = _extreme(source, name, math.floor(wx), math.floor(wy), pick)
        part = max(wx - math.floor(wx), wy - math.floor(wy))
        if part:
            small = small + np.float32(part) * (_extreme(source, name, math.ceil(wx), math.ceil(wy), pick) - small)
        out.channels[name] = small.astype(np.float32)
    return op.masked(source, out)


def _extreme(source: Image, name: str, rx: int, ry: int, pick) -> np.ndarray:  # type: ignore[no-untyped-def]
    return pick(np.stack(_shifts(source, name, rx, ry)), axis=0)


def _shifts(source: Image, name: str, rx: int, ry: int) -> list[np.ndarray]:
    wide = source.array(name, source.bbox.grow(rx, ry))
    height, width = source.bbox.height, source.bbox.width
    return [wide[y : y + height, x : x + width] for y in range(2 * ry + 1) for x in range(2 * rx + 1)]


def _windowed(op: Op, rx: int, ry: int, reduce) -> Image:  # type: ignore[no-untyped-def]
    source = op.image(0)
    out = source.with_()
    for name in op.channels("channels", source):
        out.channels[name] = reduce(np.stack(_shifts(source, name, rx, ry))).astype(np.float32)
    return op.masked(source, out)


def bilateral(op: Op) -> Image:
    """Gaussian in distance (PositionalSigma) times gaussian in rgb distance (ColorSigma), within floor(Size) pixels.

    To check on a real Nuke: the meaning of the three knobs is an assumption.
    """
    source = op.image(0)
    reach = math.floor(op.number("Size") * op.scale)
    place, tone = op.number("PositionalSigma") * op.scale, op.number("ColorSigma")
    names = op.channels("channels", source)
    if reach < 1 or place <= 0 or tone <= 0 or not names:
        return source
    guide = [n for n in names if n != "rgba.alpha"] or names
    wide = {n: source.array(n, source.bbox.grow(reach, reach)).astype(np.float64) for n in {*names, *guide}}
    total = {n: np.zeros((source.bbox.height, source.bbox.width)) for n in names}
    weights = np.zeros((source.bbox.height, source.bbox.width))
    centre = (slice(reach, -reach), slice(reach, -reach))
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            here = (slice(reach + y, reach + y + source.bbox.height), slice(reach + x, reach + x + source.bbox.width))
            far = sum((wide[n][here] - wide[n][centre]) ** 2 for n in guide)
            w = np.exp(-(x * x + y * y) / (2 * place**2)) * np.exp(-far / (2 * tone**2))
            weights += w
            for n in names:
                total[n] += w * wide[n][here]
    out = source.with_()
    for n in names:
        out.channels[n] = (total[n] / weights).astype(np.float32)
    return op.masked(source, out)


def matrix(op: Op) -> Image:
    """A convolution; the first row of the matrix is the highest."""
    numbers = op.numbers("matrix")
    side = round(math.sqrt(len(numbers)))
    if side * side != len(numbers) or side % 2 == 0:
        raise NotEvaluated(f"{op.node.fullName()}: only square matrices of odd size are known")
    kernel = np.array(numbers).reshape(side, side)[::-1]
    if op.flag("normalize") and kernel.sum():
        kernel = kernel / kernel.sum()
    source, reach = op.image(0), side // 2
    out = source.with_()
    for name in op.channels("channels", source):
        shifts = _shifts(source, name, reach, reach)
        out.channels[name] = sum(w * s.astype(np.float64) for w, s in zip(kernel.ravel(), shifts, strict=True)).astype(
            np.float32
        )
    return op.masked(source, out)


OPERATORS = {
    "Blur": blur,
    "Sharpen": sharpen,
    "Soften": soften,
    "Laplacian": laplacian,
    "Median": median,
    "Dilate": dilate,
    "FilterErode": filter_erode,
    "Bilateral": bilateral,
    "Matrix": matrix,
}
