"""Operations that slide a window or change the grid: convolution, pooling, padding, blocks to channels and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bipack.worker import axes, fields
from bipack.worker.axes import Axis, Irregular, SizeMismatch
from bipack.worker.fields import Dim, Field, Opaque, Value, plain
from bipack.worker.operands import over_picture, tensor, whole_numbers

if TYPE_CHECKING:
    from bipack.worker.walk import Node, Walk

Rule = Callable[["Walk", "Node", list[Any]], list[Value]]


def _window(walk: Walk, node: Node, value: Field, kernel: Sequence[int], rounding: bool = False) -> list[Dim]:
    """Dimensions after the first two of a convolution or pooling."""
    count = len(kernel)
    strides = node.attributes.get("strides") or [1] * count
    dilations = node.attributes.get("dilations") or [1] * count
    pads = node.attributes.get("pads") or [0] * (2 * count)
    automatic = node.text("auto_pad", "NOTSET")
    if len(value.dims) != count + 2:
        raise SizeMismatch(f"{len(value.dims)} dimensions meet a window of {count}")
    dims = []
    for index in range(count):
        stride, dilation = strides[index], dilations[index]
        low, high = pads[index], pads[count + index]
        if automatic.startswith("SAME"):
            size = fields.dim_size(value.dims[index + 2])
            low, high = axes.same_pads(size, kernel[index], stride, dilation, automatic == "SAME_UPPER")
            walk.record(node, low, high)
        elif automatic == "VALID":
            low = high = 0

        def slide(axis: Axis, at: int = index, pad: tuple[int, int] = (low, high)) -> Axis:
            return axes.window(axis, kernel[at], strides[at], dilations[at], pad, rounding)

        def resized(size: int, change: Callable[[Axis], Axis] = slide) -> int:
            return change(axes.plate_axis("", size)).size

        neutral = kernel[index] == stride == 1 and low == high == 0
        dims.append(over_picture(walk, value, index + 2, slide, neutral, resized))
    return dims


def convolution(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Conv and its quantised relatives."""
    value, weight = tensor(inputs[0]), inputs[3 if node.operation == "QLinearConv" else 1]
    shape = weight.shape
    dims = _window(walk, node, value, shape[2:])
    size = {"QLinearConv": 1, "ConvInteger": 4}.get(node.operation, value.item_bytes)
    return [Field((value.dims[0], plain(shape[0]), *dims), size)]


def transposed_convolution(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """ConvTranspose."""
    value, weight = tensor(inputs[0]), inputs[1]
    kernel = weight.shape[2:]
    count = len(kernel)
    strides = node.attributes.get("strides") or [1] * count
    dilations = node.attributes.get("dilations") or [1] * count
    extra = node.attributes.get("output_padding") or [0] * count
    pads = node.attributes.get("pads") or [0] * (2 * count)
    if node.attributes.get("output_shape") is not None:
        raise Irregular("its result has a fixed size")
    automatic = node.text("auto_pad", "NOTSET")
    dims = []
    for index in range(count):
        low, high = pads[index], pads[count + index]
        if automatic.startswith("SAME"):
            total = (kernel[index] - 1) * dilations[index] + 1 + extra[index] - strides[index]
            small, large = total // 2, total - total // 2
            low, high = (small, large) if automatic == "SAME_UPPER" else (large, small)

        def slide(axis: Axis, at: int = index, pad: tuple[int, int] = (low, high)) -> Axis:
            return axes.transposed_window(axis, kernel[at], strides[at], dilations[at], pad, extra[at])

        def resized(size: int, change: Callable[[Axis], Axis] = slide) -> int:
            return change(axes.plate_axis("", size)).size

        dims.append(over_picture(walk, value, index + 2, slide, False, resized))
    channels = weight.shape[1] * node.number("group", 1)
    return [Field((value.dims[0], plain(channels), *dims), value.item_bytes)]


def pooling(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """MaxPool, AveragePool and LpPool."""
    value = tensor(inputs[0])
    dims = _window(walk, node, value, node.attributes["kernel_shape"], bool(node.number("ceil_mode", 0)))
    others: list[Value] = [Opaque() for _ in node.outputs[1:]]
    return [Field((*value.dims[:2], *dims), value.item_bytes), *others]


def pad(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Pad with a constant, mirrored or repeated edge."""
    value = tensor(inputs[0])
    rank = len(value.dims)
    amounts = whole_numbers(walk, inputs[1]) if len(inputs) > 1 else list(node.attributes["pads"])
    chosen = list(range(rank))
    if len(inputs) > 3 and inputs[3] is not None:
        chosen = [axis % rank for axis in whole_numbers(walk, inputs[3])]
    mode = node.text("mode", "constant")
    dims = list(value.dims)
    for position, index in enumerate(chosen):
        low, high = amounts[position], amounts[len(chosen) + position]
        if low == high == 0 and not value.spatial(index):
            continue
        if value.spatial(index):
            walk.record(node, low, high)
        if mode == "wrap" and (low or high):
            raise Irregular("it wraps the picture round")

        def change(axis: Axis, amount: tuple[int, int] = (low, high)) -> Axis:
            return axes.padded(axis, *amount, mode == "reflect")

        def resized(size: int, amount: int = low + high) -> int:
            return size + amount

        dims[index] = over_picture(walk, value, index, change, low == high == 0, resized)
    return [Field(tuple(dims), value.item_bytes)]


def depth_to_space(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Channels become finer rows and columns."""
    value, block = tensor(inputs[0]), node.attributes["blocksize"]
    if value.shape[1] % (block * block):
        raise SizeMismatch(f"{value.shape[1]} channels cannot fill blocks of {block}")
    dims = [
        over_picture(walk, value, index, lambda axis: axes.spread(axis, block), block == 1, lambda size: size * block)
        for index in (2, 3)
    ]
    return [Field((value.dims[0], plain(value.shape[1] // block**2), *dims), value.item_bytes)]


def space_to_depth(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Blocks of pixels become channels."""
    value, block = tensor(inputs[0]), node.attributes["blocksize"]
    dims = [
        over_picture(walk, value, index, lambda axis: axes.split(axis, block), block == 1, lambda size: size // block)
        for index in (2, 3)
    ]
    return [Field((value.dims[0], plain(value.shape[1] * block**2), *dims), value.item_bytes)]


RULES: dict[str, Rule] = {
    **dict.fromkeys(("Conv", "ConvInteger", "FusedConv", "QLinearConv"), convolution),
    "ConvTranspose": transposed_convolution,
    **dict.fromkeys(("AveragePool", "LpPool", "MaxPool"), pooling),
    "DepthToSpace": depth_to_space,
    "Pad": pad,
    "SpaceToDepth": space_to_depth,
}
"""Rules of this file."""
