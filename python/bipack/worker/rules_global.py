"""Operations that may mix far pixels: reductions, normalisation, matrix products, softmax.

Over channels, or inside windows of fixed size, they are local like any other. Over rows and columns they use a
statistic of the whole picture (its tiles can only be cross-faded), or let every pixel look at every other (attention:
such a graph is never tiled).
"""

# ruff: noqa: SIM905 (tables of names read better as text)

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from bipack.worker import fields
from bipack.worker.axes import Axis, Irregular, SizeMismatch
from bipack.worker.fields import Const, Dim, Field, Opaque, Value, plain

if TYPE_CHECKING:
    from bipack.worker.walk import Node, Walk

Rule = Callable[["Walk", "Node", list[Any]], list[Value]]


def _tensor(value: Any) -> Field:
    if not isinstance(value, Field):
        raise Irregular("its first input does not depend on the pixels")
    return value


def _over_picture(value: Field, indices: Iterable[int]) -> bool:
    return any(value.spatial(index) for index in indices)


def global_pooling(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """GlobalAveragePool and relatives."""
    value = _tensor(inputs[0])
    later = range(2, len(value.dims))
    if _over_picture(value, later):
        walk.blend.append(f"{node.label} pools over the whole picture")
    return [Field((*value.dims[:2], *(plain(1) for _ in later)), value.item_bytes)]


def reduction(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """ReduceMean and relatives, ArgMax, ArgMin."""
    value = _tensor(inputs[0])
    rank = len(value.dims)
    if node.operation in ("ArgMax", "ArgMin"):
        chosen = [node.number("axis", 0)]
    elif len(inputs) > 1 and inputs[1] is not None:
        if not isinstance(inputs[1], Const):
            raise Irregular("its settings depend on the pixels")
        chosen = [int(axis) for axis in inputs[1].array.reshape(-1)]
    else:
        chosen = list(node.attributes.get("axes") or [])
    if not chosen and node.number("noop_with_empty_axes", 0):
        return [value]
    reduced = {axis % rank for axis in chosen} or set(range(rank))
    if node.operation in ("ArgMax", "ArgMin") and _over_picture(value, reduced):
        raise Irregular("it searches the whole picture")
    if _over_picture(value, reduced):
        walk.blend.append(f"{node.label} reduces over the whole picture")
    keep = node.number("keepdims", 1)
    dims = [plain(1) if index in reduced else dim for index, dim in enumerate(value.dims)]
    return [Field(tuple(dim for index, dim in enumerate(dims) if keep or index not in reduced), value.item_bytes)]


def softmax(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Softmax, LogSoftmax and Hardmax."""
    value = _tensor(inputs[0])
    rank = len(value.dims)
    axis = node.number("axis", 1 if node.opset < 13 else -1) % rank
    over = range(axis, rank) if node.opset < 13 else (axis,)
    if _over_picture(value, over):
        walk.whole.append(f"{node.label} is attention over the whole picture")
    return [value]


def normalisation(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Layer, instance, group and mean-variance normalisation: local over channels, global over the picture."""
    value = _tensor(inputs[0])
    rank = len(value.dims)
    over: Iterable[int]
    if node.operation in ("InstanceNormalization", "GroupNormalization"):
        over = range(2, rank)
    elif node.operation == "MeanVarianceNormalization":
        over = node.attributes.get("axes") or [0, 2, 3]
    elif node.operation == "LpNormalization":
        over = [node.number("axis", -1) % rank]
    else:
        over = range(node.number("axis", -1) % rank, rank)
    if _over_picture(value, over):
        walk.blend.append(f"{node.label} normalises by statistics of the whole picture")
    others: list[Value] = [Opaque() for _ in node.outputs[1:]]
    return [value, *others]


def dynamic_quantisation(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """DynamicQuantizeLinear: its step is the range of the whole tensor."""
    value = _tensor(inputs[0])
    if _over_picture(value, range(len(value.dims))):
        walk.blend.append(f"{node.label} quantises by the range of the whole picture")
    return [Field(value.dims, 1), Field((), 4), Field((), 1)]


def _dims(value: Any) -> list[Dim]:
    return list(value.dims) if isinstance(value, Field) else [plain(size) for size in value.shape]


def _constant_operand(value: Any) -> None:
    if isinstance(value, Const) and value.from_shape:
        raise Irregular("it multiplies by a matrix that depends on the size of the frame")


def matrix_product(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """MatMul: a linear layer over channels, or attention."""
    first, second = _dims(inputs[0]), _dims(inputs[1])
    for value in inputs[:2]:
        _constant_operand(value)
    if len(first) < 2 or len(second) < 2:
        raise Irregular("it multiplies vectors")
    result = _product(walk, node, first[-2], first[-1], second[-2], second[-1])
    rank = max(len(first), len(second)) - 2
    batch = [plain(1)] * rank
    for dims in (first[:-2], second[:-2]):
        offset = rank - len(dims)
        for index, dim in enumerate(dims):
            batch[offset + index] = fields.broadcast_dim(batch[offset + index], dim)
    return [Field((*batch, *result), _item_bytes(inputs))]


def general_product(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Gemm."""
    first, second = _dims(inputs[0]), _dims(inputs[1])
    for value in inputs[:2]:
        _constant_operand(value)
    if node.number("transA", 0):
        first.reverse()
    if node.number("transB", 0):
        second.reverse()
    result = _product(walk, node, first[0], first[1], second[0], second[1])
    return [Field(result, _item_bytes(inputs))]


def _item_bytes(inputs: list[Any]) -> int:
    return max(value.item_bytes for value in inputs if isinstance(value, Field))


def _has_axis(dim: Dim) -> bool:
    return any(isinstance(part, Axis) for part in dim)


def _product(walk: Walk, node: Node, rows: Dim, left: Dim, right: Dim, columns: Dim) -> tuple[Dim, Dim]:
    if fields.dim_size(left) != fields.dim_size(right):
        raise SizeMismatch(f"{fields.dim_size(left)} columns meet {fields.dim_size(right)} rows")
    if _has_axis(left) != _has_axis(right) and fields.dim_size(left) > 1:
        raise Irregular("it mixes a fixed number of pixels")
    _note_mixing(walk, node, [rows, columns], [left])
    return rows, columns


def _note_mixing(walk: Walk, node: Node, result: list[Dim], summed: list[Dim]) -> None:
    if any(_has_axis(dim) for dim in summed):
        walk.blend.append(f"{node.label} sums over the whole picture")
    names = Counter(part.name for dim in result for part in dim if isinstance(part, Axis))
    if any(count > 1 for count in names.values()):
        walk.whole.append(f"{node.label} is attention over the whole picture")


def einsum(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Einsum, letter by letter."""
    equation = node.text("equation").replace(" ", "")
    if "." in equation:
        raise Irregular("its equation has an ellipsis, which is not known to the analysis")
    terms, arrow, output = equation.partition("->")
    operands = terms.split(",")
    if not arrow:
        counts = Counter("".join(operands))
        output = "".join(sorted(letter for letter, count in counts.items() if count == 1))
    letters: dict[str, Dim] = {}
    for term, value in zip(operands, inputs):
        _constant_operand(value)
        dims = _dims(value)
        if len(set(term)) < len(term):
            raise Irregular("it takes a diagonal")
        for letter, dim in zip(term, dims):
            if letter in letters and _has_axis(dim) != _has_axis(letters[letter]) and fields.dim_size(dim) > 1:
                raise Irregular("it mixes a fixed number of pixels")
            letters[letter] = fields.broadcast_dim(letters[letter], dim) if letter in letters else dim
    result = [letters[letter] for letter in output]
    _note_mixing(walk, node, result, [dim for letter, dim in letters.items() if letter not in output])
    return [Field(tuple(result), _item_bytes(inputs))]


RULES: dict[str, Rule] = {
    **dict.fromkeys(("GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool"), global_pooling),
    **dict.fromkeys(
        "ArgMax ArgMin ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd "
        "ReduceSum ReduceSumSquare".split(),
        reduction,
    ),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), softmax),
    **dict.fromkeys(
        "GroupNormalization InstanceNormalization LayerNormalization LpNormalization MeanVarianceNormalization "
        "RMSNormalization SimplifiedLayerNormalization".split(),
        normalisation,
    ),
    "DynamicQuantizeLinear": dynamic_quantisation,
    "MatMul": matrix_product,
    "Gemm": general_product,
    "Einsum": einsum,
}
"""Rules of this file."""
