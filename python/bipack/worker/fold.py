"""The part of a graph that does not touch pixels: sizes, axes and scales computed from shapes, worked out with numpy.

Exporters write `x.shape[2] // 2` as a dozen nodes. The common ones are evaluated here directly, as a graph is walked
several times; the rest go to the reference evaluator of the onnx package.
"""

# ruff: noqa: SIM905 (tables of names read better as text)

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from bipack.worker.fields import uniform_along

MAX_ITEMS = 1 << 22
"""Largest constant that is worked out; a bigger one is a picture-sized table and is not followed."""

NOT_FOLDED = frozenset(
    "RandomNormal RandomNormalLike RandomUniform RandomUniformLike Multinomial Bernoulli Loop Scan If".split()
)


class TooLarge(Exception):
    """The constant is too large to be worked out."""


Arrays = list[Any]


def _divide(a: Any, b: Any) -> Any:
    if np.issubdtype(a.dtype, np.integer):
        quotient = np.abs(a) // np.abs(b)
        return (quotient * np.sign(a) * np.sign(b)).astype(a.dtype)
    return a / b


def _cast(node: Any, inputs: Arrays) -> Any:
    return inputs[0].astype(onnx.helper.tensor_dtype_to_np_dtype(node.attributes["to"]))


def _constant_of_shape(node: Any, inputs: Arrays) -> Any:
    value = node.attributes.get("value")
    filling = np.zeros(1, np.float32) if value is None else onnx.numpy_helper.to_array(value).reshape(-1)
    return np.broadcast_to(filling[0], tuple(int(size) for size in inputs[0]))


def _expand(node: Any, inputs: Arrays) -> Any:
    shape = np.broadcast_shapes(inputs[0].shape, tuple(int(size) for size in inputs[1]))
    return np.broadcast_to(inputs[0], shape)


def _range(node: Any, inputs: Arrays) -> Any:
    start, limit, delta = (value.reshape(()) for value in inputs)
    count = max(0, math.ceil(float(limit - start) / float(delta)))
    if count > MAX_ITEMS:
        raise TooLarge
    return (start + np.arange(count) * delta).astype(start.dtype)


def _axes(node: Any, inputs: Arrays) -> tuple[int, ...] | None:
    chosen = node.attributes.get("axes")
    if chosen is None and len(inputs) > 1 and inputs[1] is not None:
        chosen = inputs[1].reshape(-1)
    return None if chosen is None else tuple(int(axis) for axis in chosen)


def _squeeze(node: Any, inputs: Arrays) -> Any:
    return np.squeeze(inputs[0], _axes(node, inputs))


def _unsqueeze(node: Any, inputs: Arrays) -> Any:
    return np.expand_dims(inputs[0], _axes(node, inputs) or ())


def _gather(node: Any, inputs: Arrays) -> Any:
    return np.take(inputs[0], inputs[1].astype(np.int64), axis=node.attributes.get("axis", 0))


def _concat(node: Any, inputs: Arrays) -> Any:
    return np.concatenate(inputs, axis=node.attributes["axis"])


def _slice(node: Any, inputs: Arrays) -> Any:
    if len(inputs) == 1:
        starts, ends, steps = node.attributes["starts"], node.attributes["ends"], None
        axes = node.attributes.get("axes")
    else:
        starts, ends = inputs[1], inputs[2]
        axes = inputs[3] if len(inputs) > 3 else None
        steps = inputs[4] if len(inputs) > 4 else None
    index: list[Any] = [slice(None)] * inputs[0].ndim
    for position, start in enumerate(starts):
        axis = int(axes[position]) if axes is not None else position
        step = int(steps[position]) if steps is not None else 1
        stop: int | None = int(ends[position])
        if step < 0 and stop is not None and stop < -inputs[0].shape[axis]:
            stop = None
        index[axis] = slice(int(start), stop, step)
    return inputs[0][tuple(index)]


_UNARY: dict[str, Callable[[Any], Any]] = {
    "Abs": np.abs,
    "Ceil": np.ceil,
    "Exp": np.exp,
    "Floor": np.floor,
    "Identity": lambda a: a,
    "Log": np.log,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Reciprocal": lambda a: (1 / a).astype(a.dtype),
    "Round": np.round,
    "Sign": np.sign,
    "Sqrt": np.sqrt,
}

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add,
    "And": np.logical_and,
    "Div": _divide,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mul": np.multiply,
    "Or": np.logical_or,
    "Pow": lambda a, b: np.power(a, b).astype(a.dtype),
    "Sub": np.subtract,
}

_SPECIAL: dict[str, Callable[[Any, Arrays], Any]] = {
    "Cast": _cast,
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Gather": _gather,
    "Range": _range,
    "Shape": lambda node, inputs: shape_of(node, inputs[0].shape),
    "Size": lambda node, inputs: np.array(inputs[0].size, np.int64),
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Transpose": lambda node, inputs: np.transpose(inputs[0], node.attributes.get("perm")),
    "Unsqueeze": _unsqueeze,
    "Where": lambda node, inputs: np.where(*inputs),
}


def shape_of(node: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Result of a Shape node for a tensor of `shape`."""
    return np.array(shape[node.attributes.get("start", 0) : node.attributes.get("end")], np.int64)


def evaluate(node: Any, inputs: Arrays) -> list[Any]:
    """Results of `node` (a `walk.Node`) for inputs at hand; absent optional inputs are None.

    Raises TooLarge for a result that is not worth following, and whatever numpy or the reference evaluator raises for
    inputs that do not fit.
    """
    operation = node.operation
    if operation in _UNARY:
        return [_UNARY[operation](inputs[0])]
    if operation in _BINARY and len(inputs) == 2:
        return [_uniform(_BINARY[operation], inputs)]
    if operation in _SPECIAL:
        return [_SPECIAL[operation](node, inputs)]
    if any(array is not None and array.size > MAX_ITEMS for array in inputs):
        raise TooLarge
    from onnx.reference import ReferenceEvaluator  # slow to import, and rarely needed

    names = [name for name in node.inputs if name]
    present = [array for array in inputs if array is not None]
    results = ReferenceEvaluator(node.proto).run(None, dict(zip(names, present)))
    return [np.asarray(result) for result in results]


def _uniform(function: Callable[[Any, Any], Any], inputs: Arrays) -> Any:
    """Apply `function`; picture-sized inputs of one value stay one value."""
    shape = np.broadcast_shapes(*(array.shape for array in inputs))
    if math.prod(shape) <= MAX_ITEMS:
        return function(*inputs)
    small = []
    for array in inputs:
        if not all(uniform_along(array, axis) for axis in range(array.ndim)):
            raise TooLarge
        small.append(array[(slice(0, 1),) * array.ndim])
    return np.broadcast_to(function(*small), shape)
