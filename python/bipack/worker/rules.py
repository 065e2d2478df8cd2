"""What each ONNX operation does to rows and columns: the table that the graph walk looks operations up in.

A rule gets the node and what is known of its inputs, and returns what is known of its outputs. It raises Irregular
where tiles could not be exact and the shape is lost too; where the shape is known it only notes the reason and goes on.
Operations that are not listed count as unknown: better whole than wrong. Element-wise operations are here, windows,
rearrangement, resampling and what mixes far pixels in the `rules_` modules.
"""

# ruff: noqa: SIM905 (tables of names read better as text)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import onnx

from bipack.worker import rules_global, rules_resample, rules_shape, rules_window
from bipack.worker.axes import Irregular
from bipack.worker.fields import Const, Field, Opaque, Value
from bipack.worker.operands import meet

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


RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE | COMPARISONS, elementwise),
    **dict.fromkeys(FIRST_ONLY, first_only),
    **rules_window.RULES,
    **rules_shape.RULES,
    **rules_resample.RULES,
    **rules_global.RULES,
}
"""Every operation that is understood."""
