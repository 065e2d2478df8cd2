"""What each ONNX operation does to rows and columns: the table that the graph walk looks operations up in.

A rule gets the node and what is known of its inputs, and returns what is known of its outputs. It raises Irregular
where tiles could not be exact and the shape is lost too; where the shape is known it only notes the reason and goes on.
Operations that are not listed here count as unknown: better whole than wrong. Resampling is in `rules_resample`,
everything that mixes far pixels in `rules_global`.
"""

# ruff: noqa: SIM905 (tables of names read better as text)

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import onnx

from bipack.worker import axes, fields, rules_global, rules_resample
from bipack.worker.axes import Axis, Irregular, SizeMismatch
from bipack.worker.fields import Const, Dim, Field, Opaque, Plain, Value, plain

if TYPE_CHECKING:
    from bipack.worker.walk import Node, Walk

Rule = Callable[["Walk", "Node", list[Any]], list[Value]]

COMPARISONS = frozenset("And Equal Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual Not Or Xor".split())

ELEMENTWISE = frozenset(
    "Abs Acos Acosh Add Asin Asinh Atan Atanh BiasGelu BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Ceil Celu "
    "Cos Cosh Div Elu Erf Exp FastGelu Floor Gelu HardSigmoid HardSwish LeakyRelu Log Max Mean Min Mish Mod Mul Neg "
    "PRelu Pow QuickGelu Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum Swish "
    "Tan Tanh ThresholdedRelu Where".split()
)

FIRST_ONLY = frozenset(
    "BatchNormalization Cast CastLike Clip DequantizeLinear Dropout Identity LRN QuantizeLinear".split()
)
"""Element-wise in the first input; the others are settings, or one value per channel."""

ALIASES = frozenset("Flatten Reshape Squeeze Unsqueeze".split())

IN_PLACE = ELEMENTWISE | FIRST_ONLY | ALIASES
"""Operations whose result may take the memory of an input that is not needed any more."""


def elementwise(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Entries meet one to one, with broadcasting."""
    result = meet(walk, node, [value for value in inputs if value is not None])
    return [replace(result, item_bytes=1) if node.operation in COMPARISONS else result]


def meet(walk: Walk, node: Node, values: Sequence[Field | Const]) -> Field:
    """The tensor where `values` meet entry by entry; constants must not vary over the picture."""
    present = [value for value in values if isinstance(value, Field)]
    rank = max(len(value.shape) for value in values)
    dims: list[Dim] = [plain(1)] * rank
    for value in present:
        offset = rank - len(value.dims)
        for index, dim in enumerate(value.dims):
            dims[offset + index] = fields.broadcast_dim(dims[offset + index], dim)
    for other in values:
        if isinstance(other, Const):
            dims = _meet_constant(walk, node, dims, other)
    return Field(tuple(dims), max(value.item_bytes for value in present))


def _meet_constant(walk: Walk, node: Node, dims: list[Dim], value: Const) -> list[Dim]:
    offset = len(dims) - len(value.shape)
    result = list(dims)
    uniform = []
    for index, size in enumerate(value.shape):
        dim = dims[offset + index]
        spatial = any(isinstance(part, Axis) for part in dim)
        grows = size > 1 and fields.dim_size(dim) == 1
        same = size > 1 and (spatial or grows) and fields.uniform_along(value.array, index)
        if spatial and size > 1 and not same:
            if fields.dim_size(dim) != size:
                raise SizeMismatch(f"{fields.dim_size(dim)} pixels meet {size} constants")
            raise Irregular("it uses constants that differ from place to place in the frame")
        uniform.append(same)
        result[offset + index] = fields.broadcast_dim(dim, (Plain(size, same),))
    if value.from_shape:
        index_of_first = tuple(slice(0, 1) if same else slice(None) for same in uniform)
        array = value.array[index_of_first]
        walk.record(node, array.tobytes() if array.size <= 4096 else array.shape)
    return result


def first_only(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """The first input, entry by entry."""
    value: Field = inputs[0]
    if node.operation == "BatchNormalization" and node.number("training_mode", 0):
        walk.blend.append(f"{node.label} uses statistics of the picture it is run on")
    if node.operation == "LRN" and value.spatial(1):
        raise Irregular("it sums over a picture axis")
    for other in inputs[1:]:
        if isinstance(other, Const) and other.from_shape:
            walk.record(node, other.array.tobytes())
    bytes_of = {"QuantizeLinear": 1, "DequantizeLinear": 4}
    size = bytes_of.get(node.operation, value.item_bytes)
    if node.operation == "Cast":
        size = onnx.helper.tensor_dtype_to_np_dtype(node.attributes["to"]).itemsize
    others: list[Value] = [Opaque() for _ in node.outputs[1:]]
    return [replace(value, item_bytes=size), *others]


def tensor(value: Any) -> Field:
    """`value` as a tensor of pixels; Irregular when it is a constant where pixels are expected."""
    if not isinstance(value, Field):
        raise Irregular("its first input does not depend on the pixels")
    return value


def whole_numbers(walk: Walk, value: Any) -> list[int]:
    """A setting that arrives as a tensor. Irregular when it depends on the pixels."""
    if not isinstance(value, Const):
        raise Irregular("its settings depend on the pixels")
    return [int(number) for number in value.array.reshape(-1)]


def over_picture(
    walk: Walk, value: Field, index: int, change: Callable[[Axis], Axis], neutral: bool, new_size: Callable[[int], int]
) -> Dim:
    """Dimension `index` of `value` after a sliding operation: `change` for an axis, `new_size` for a mere count.

    `neutral` says that the operation leaves this dimension as it is.
    """
    dim = value.dims[index]
    if neutral:
        return dim
    if len(dim) == 1 and isinstance(dim[0], Axis):
        return (change(dim[0]),)
    if any(isinstance(part, Axis) for part in dim):
        raise Irregular("it slides over rows and columns flattened into one dimension")
    part = dim[0]
    if isinstance(part, Plain) and part.uniform and part.size > 1 and len(value.dims) == 4:
        # One value spread over the picture: from here on it has borders, like the plate.
        name, plate = ("h", walk.plate[0]) if index == 2 else ("w", walk.plate[1])
        step = Fraction(plate, part.size)
        return (change(Axis(name, part.size, step, step.numerator, 0, part.size)),)
    size = new_size(fields.dim_size(dim))
    if size < 1:
        raise SizeMismatch(f"{fields.dim_size(dim)} entries leave none")
    return plain(size)


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


def reshape(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Reshape, which may split or flatten picture axes."""
    value = tensor(inputs[0])
    wanted = whole_numbers(walk, inputs[1]) if len(inputs) > 1 else list(node.attributes["shape"])
    if not node.number("allowzero", 0):
        wanted = [value.shape[index] if size == 0 else size for index, size in enumerate(wanted)]
    return [_reshaped(walk, node, value, wanted)]


def _reshaped(walk: Walk, node: Node, value: Field, wanted: list[int]) -> Field:
    total = math.prod(value.shape)
    if -1 in wanted:
        known = -math.prod(wanted)
        if known == 0 or total % known:
            raise SizeMismatch(f"shape {value.shape} cannot become {wanted}")
        wanted[wanted.index(-1)] = total // known
    result, splits = fields.reshape(value, wanted)
    if splits:
        walk.record(node, *splits)
    return result


def flatten(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Flatten to two dimensions."""
    value = tensor(inputs[0])
    axis = node.number("axis", 1) % (len(value.shape) + 1)
    return [_reshaped(walk, node, value, [math.prod(value.shape[:axis]), math.prod(value.shape[axis:])])]


def _chosen_axes(walk: Walk, node: Node, inputs: list[Any]) -> list[int] | None:
    if len(inputs) > 1 and inputs[1] is not None:
        return whole_numbers(walk, inputs[1])
    chosen = node.attributes.get("axes")
    return None if chosen is None else list(chosen)


def squeeze(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Drop dimensions of one entry."""
    value = tensor(inputs[0])
    chosen = _chosen_axes(walk, node, inputs)
    rank = len(value.dims)
    drop = {axis % rank for axis in chosen} if chosen else {i for i, size in enumerate(value.shape) if size == 1}
    if any(value.shape[index] != 1 for index in drop):
        raise SizeMismatch(f"shape {value.shape} has no single entry to drop")
    return [replace(value, dims=tuple(dim for index, dim in enumerate(value.dims) if index not in drop))]


def unsqueeze(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Add dimensions of one entry."""
    value = tensor(inputs[0])
    chosen = _chosen_axes(walk, node, inputs) or []
    rank = len(value.dims) + len(chosen)
    dims = list(value.dims)
    for axis in sorted(axis % rank for axis in chosen):
        dims.insert(axis, plain(1))
    return [replace(value, dims=tuple(dims))]


def transpose(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Reorder dimensions; rows and columns keep their names."""
    value = tensor(inputs[0])
    order = node.attributes.get("perm") or list(range(len(value.dims)))[::-1]
    return [replace(value, dims=tuple(value.dims[index] for index in order))]


def expand(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Broadcast to a shape."""
    value = tensor(inputs[0])
    wanted = whole_numbers(walk, inputs[1])
    shape = [1] * (len(value.dims) - len(wanted)) + wanted
    dims = [plain(1)] * (len(shape) - len(value.dims)) + list(value.dims)
    return [
        replace(value, dims=tuple(fields.broadcast_dim(dim, (Plain(size, True),)) for dim, size in zip(dims, shape)))
    ]


def tile(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Repeat; a single entry becomes a broadcast value."""
    value = tensor(inputs[0])
    dims = []
    for dim, count in zip(value.dims, whole_numbers(walk, inputs[1])):
        size = fields.dim_size(dim)
        if count != 1 and size != 1 and any(isinstance(part, Axis) for part in dim):
            raise Irregular("it repeats the picture")
        dims.append(dim if count == 1 else (Plain(size * count, size == 1),))
    return [replace(value, dims=tuple(dims))]


def concat(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Join along channels; along a picture axis it is no tile's business."""
    rank = len(inputs[0].shape)
    axis = node.attributes["axis"] % rank
    present = [value for value in inputs if isinstance(value, Field)]
    if any(value.spatial(axis) for value in present):
        raise Irregular("it joins pictures side by side")
    others = [index for index in range(rank) if index != axis]
    if any(value.shape[index] != inputs[0].shape[index] for value in inputs for index in others):
        raise SizeMismatch("shapes " + ", ".join(str(value.shape) for value in inputs) + " do not fit together")
    dims: list[Dim] = list(present[0].dims)
    for value in present[1:]:
        for index in others:
            dims[index] = fields.broadcast_dim(dims[index], value.dims[index])
    dims[axis] = plain(1)
    for value in inputs:
        if isinstance(value, Const):
            for entry in range(value.shape[axis]):
                kept = tuple(slice(None) if index != axis else slice(entry, entry + 1) for index in range(rank))
                dims = _meet_constant(walk, node, dims, fields.constant(value.array[kept], value.from_shape))
    dims[axis] = plain(sum(value.shape[axis] for value in inputs))
    return [Field(tuple(dims), max(value.item_bytes for value in present))]


def split(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Cut channels apart."""
    value = tensor(inputs[0])
    axis = node.number("axis", 0) % len(value.dims)
    total, count = value.shape[axis], len(node.outputs)
    if value.spatial(axis):
        raise Irregular("it cuts the picture at fixed places")
    if len(inputs) > 1 and inputs[1] is not None:
        sizes = whole_numbers(walk, inputs[1])
    else:
        share = -(-total // count)
        sizes = list(node.attributes.get("split") or [*[share] * (count - 1), total - share * (count - 1)])
    if sum(sizes) != total:
        raise SizeMismatch(f"{total} entries cannot be split into {sizes}")
    return [replace(value, dims=(*value.dims[:axis], plain(size), *value.dims[axis + 1 :])) for size in sizes]


def slice_(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Cut out a range; on picture axes it must keep its distance from both borders."""
    value = tensor(inputs[0])
    if len(inputs) > 1:
        settings = [whole_numbers(walk, entry) if entry is not None else None for entry in inputs[1:]]
        settings += [None] * (4 - len(settings))
        starts, ends, chosen, steps = settings
    else:
        starts, ends = node.attributes["starts"], node.attributes["ends"]
        chosen, steps = node.attributes.get("axes"), None
    assert starts is not None and ends is not None
    dims = list(value.dims)
    for position, (start, end) in enumerate(zip(starts, ends)):
        index = (chosen[position] if chosen is not None else position) % len(dims)
        step = steps[position] if steps is not None else 1
        total = fields.dim_size(dims[index])
        kept = range(total)[slice(start, None if step < 0 and end < -total else end, step)]
        if kept == range(total):
            continue
        if not value.spatial(index):
            if not kept:
                raise SizeMismatch("a slice is empty")
            dims[index] = plain(len(kept))
            continue
        dim = dims[index]
        if len(dim) != 1 or not isinstance(dim[0], Axis):
            raise Irregular("it cuts rows and columns flattened into one dimension")
        if step < 0:
            raise Irregular("it turns the picture round")
        walk.record(node, kept.start, total - kept.stop)
        dims[index] = (axes.crop(dim[0], kept.start, step, len(kept)),)
    return [replace(value, dims=tuple(dims))]


def gather(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Pick channels by number, or look values up in a constant table."""
    data, indices = inputs[0], inputs[1]
    axis = node.number("axis", 0) % len(data.shape)
    if isinstance(data, Field) and data.spatial(axis):
        raise Irregular("it picks rows or columns by number")
    if isinstance(data, Field) and isinstance(indices, Field):
        raise Irregular("it picks values by the pixels' content")
    before = data.dims[:axis] if isinstance(data, Field) else tuple(plain(size) for size in data.shape[:axis])
    after = data.dims[axis + 1 :] if isinstance(data, Field) else tuple(plain(size) for size in data.shape[axis + 1 :])
    picked = indices.dims if isinstance(indices, Field) else tuple(plain(size) for size in indices.shape)
    return [Field((*before, *picked, *after), data.item_bytes if isinstance(data, Field) else 4)]


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
    return [replace(value, dims=tuple(dims))]


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
    **dict.fromkeys(ELEMENTWISE | COMPARISONS, elementwise),
    **dict.fromkeys(FIRST_ONLY, first_only),
    **dict.fromkeys(("Conv", "ConvInteger", "FusedConv", "QLinearConv"), convolution),
    "ConvTranspose": transposed_convolution,
    **dict.fromkeys(("AveragePool", "LpPool", "MaxPool"), pooling),
    "Concat": concat,
    "DepthToSpace": depth_to_space,
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
    "Pad": pad,
    "Reshape": reshape,
    "Slice": slice_,
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Squeeze": squeeze,
    "Tile": tile,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
    **rules_resample.RULES,
    **rules_global.RULES,
}
"""Every operation that is understood."""
