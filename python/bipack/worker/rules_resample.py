"""Resize and Upsample: which samples a resized sample reads, for every way of placing and interpolating them.

All positions are fractions, as ONNX defines them, so that nothing is lost to rounding here. Where the runtime itself
rounds (a factor whose inverse is no binary fraction), interpolation weights differ a little with the place in the
frame; on the CPU provider that is more than the 1e-5 that exact tiles promise, so such a graph is only blended.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from bipack.worker import axes, fields
from bipack.worker.axes import Axis, Irregular
from bipack.worker.fields import Const, Dim, Field, Plain, Value

if TYPE_CHECKING:
    from bipack.worker.walk import Node, Walk

Position = Callable[[int], Fraction]

HALF = Fraction(1, 2)


def resize(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Resize (opset 10 and later) and Upsample."""
    value = inputs[0]
    if not isinstance(value, Field):
        raise Irregular("its first input does not depend on the pixels")
    factors, sizes = _wanted(node, value, inputs)
    dims: list[Dim] = []
    for index, dim in enumerate(value.dims):
        factor, size = factors[index], sizes[index]
        if size == fields.dim_size(dim) and factor == 1:
            dims.append(dim)
            continue
        axis = dim[0]
        if size < 1:
            raise axes.SizeMismatch(f"{fields.dim_size(dim)} samples leave none")
        if len(dim) == 1 and isinstance(axis, Plain) and (axis.uniform or axis.size == 1):
            dims.append((Plain(size, True),))
        elif len(dim) == 1 and isinstance(axis, Axis):
            walk.record(node, factor, axis.size * factor - size)
            dims.append((_resized(walk, node, axis, factor, size),))
        else:
            raise Irregular("it resizes something that is not rows or columns of the picture")
    return [replace(value, dims=tuple(dims))]


def _wanted(node: Node, value: Field, inputs: list[Any]) -> tuple[list[Fraction], list[int]]:
    """Factor and new size of every dimension."""
    rank = len(value.dims)
    chosen = [axis % rank for axis in node.attributes.get("axes") or range(rank)]
    old_style = node.operation == "Upsample" or node.opset < 11
    if node.operation == "Upsample" and len(inputs) < 2:
        scales: Any = node.attributes["scales"]
    else:
        scales = inputs[1 if old_style else 2] if len(inputs) > (1 if old_style else 2) else None
    given = inputs[3] if len(inputs) > 3 and not old_style else None
    factors, sizes = [Fraction(1)] * rank, list(value.shape)
    if given is not None and given.shape != (0,):
        if not isinstance(given, Const):
            raise Irregular("its size depends on the pixels")
        if node.text("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise Irregular("its size depends on the aspect ratio")
        for index, size in zip(chosen, given.array):
            sizes[index], factors[index] = int(size), Fraction(int(size), value.shape[index])
        return factors, sizes
    if isinstance(scales, Field) or scales is None:
        raise Irregular("its factor depends on the pixels")
    for index, scale in zip(chosen, scales.array if isinstance(scales, Const) else scales):
        exact = Fraction(float(scale))
        near = exact.limit_denominator(1000)
        factors[index] = near if abs(near - exact) < Fraction(1, 10**6) else exact
        sizes[index] = math.floor(value.shape[index] * factors[index])
    return factors, sizes


def _resized(walk: Walk, node: Node, axis: Axis, factor: Fraction, size: int) -> Axis:
    mode = node.text("mode", "nearest")
    old_style = node.operation == "Upsample" or node.opset < 11
    placing = "asymmetric" if old_style else node.text("coordinate_transformation_mode", "half_pixel")
    position = _position(placing, axis.size, size, factor)
    if mode != "nearest" and _rounded(factor):
        walk.blend.append(f"{node.label} interpolates by {factor}, which is rounded differently from place to place")
    if mode == "nearest":
        rounding = _ROUNDING["floor" if old_style else node.text("nearest_mode", "round_prefer_floor")]

        def reads(index: int) -> tuple[int, int]:
            nearest = rounding(position(index))
            return nearest, nearest

    elif mode in ("linear", "cubic"):
        taps = 1 if mode == "linear" else 2
        shrinking = bool(node.number("antialias", 0)) and factor < 1
        reach = taps / factor if shrinking else Fraction(taps)

        def reads(index: int) -> tuple[int, int]:
            at = position(index)
            low, high = math.floor(at - reach) + 1, math.ceil(at + reach) - 1
            # A sample that falls on another reads less than its neighbours do; both ends must grow with the index.
            return (low, high) if mode == "linear" or at.denominator > 1 else (low - 1, high + 1)

    else:
        raise Irregular(f"its mode {mode!r} is not known to the analysis")
    return axes.resample(axis, factor, size, reads)


def _rounded(factor: Fraction) -> bool:
    """True where positions of samples are no binary fractions."""
    inverse = 1 / factor
    return inverse.denominator & (inverse.denominator - 1) != 0


def _position(placing: str, before: int, after: int, factor: Fraction) -> Position:
    """Where a resized sample lies among the samples before."""
    if placing == "asymmetric":
        return lambda index: index / factor
    if placing == "tf_half_pixel_for_nn":
        return lambda index: (index + HALF) / factor
    if placing == "half_pixel" or (placing == "pytorch_half_pixel" and after > 1):
        return lambda index: (index + HALF) / factor - HALF
    if placing == "half_pixel_symmetric":
        offset = Fraction(before, 2) * (1 - after / (before * factor))
        return lambda index: offset + (index + HALF) / factor - HALF
    if placing == "align_corners" and before == after:
        return lambda index: Fraction(index)
    raise Irregular(f"it places samples by the size of the frame ({placing})")


_ROUNDING: dict[str, Callable[[Fraction], int]] = {
    "round_prefer_floor": lambda at: math.ceil(at - HALF),
    "round_prefer_ceil": lambda at: math.floor(at + HALF),
    "floor": math.floor,
    "ceil": math.ceil,
}

RULES = {"Resize": resize, "Upsample": resize}
"""Rules of this file."""
