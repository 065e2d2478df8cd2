"""Walking an ONNX graph at one concrete size, keeping for every tensor what is known of it.

The walk applies the rules of `bipack.worker.rules` node by node. It collects what makes tiles inexact (`blend`: the
node uses a statistic of the whole picture; `whole`: it cannot be cut at all), a record of everything that may vary with
the size, and how much memory is alive at the worst moment.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import onnx

from bipack.worker import fold
from bipack.worker.axes import Axis, Irregular, SizeMismatch
from bipack.worker.fields import Const, Field, Opaque, Value, constant
from bipack.worker.rules import IN_PLACE, RULES

STANDARD_DOMAINS = ("", "ai.onnx", "com.microsoft")

_LAZY = ("Cast", "Identity")
"""Done to weights only when their values are asked for: a half-precision file casts every one of them."""

_MALFORMED = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What a rule runs into when attributes or dimensions of a node are missing or of the wrong kind."""


class Node:
    """One operation of the graph, with its attributes decoded."""

    def __init__(self, proto: Any, opsets: dict[str, int]) -> None:
        self.proto = proto
        self.operation: str = proto.op_type
        self.domain: str = proto.domain
        self.inputs = list(proto.input)
        self.outputs = list(proto.output)
        self.attributes = {entry.name: onnx.helper.get_attribute_value(entry) for entry in proto.attribute}
        self.opset = opsets.get("" if proto.domain == "ai.onnx" else proto.domain, 1)

    @property
    def label(self) -> str:
        """How messages call it."""
        name = self.proto.name or (self.outputs[0] if self.outputs else "")
        return f"{self.operation} '{name}'"

    def text(self, name: str, default: str = "") -> str:
        """A string attribute."""
        value = self.attributes.get(name)
        return default if value is None else value.decode()

    def number(self, name: str, default: int) -> int:
        """An integer attribute."""
        return int(self.attributes.get(name, default))


class Network:
    """A graph made ready for walking: local functions written out, dead nodes left out, weights not yet decoded."""

    def __init__(self, model: Any) -> None:
        if len(model.functions):
            from onnx import inliner

            model = inliner.inline_local_functions(model)
        self.graph = model.graph
        self.opsets = {"" if entry.domain == "ai.onnx" else entry.domain: entry.version for entry in model.opset_import}
        self.constants: dict[str, Value] = {tensor.name: _weight(tensor) for tensor in self.graph.initializer}
        for tensor in self.graph.sparse_initializer:
            self.constants[tensor.values.name] = Opaque()
        self.inputs = [entry for entry in self.graph.input if entry.name not in self.constants]
        self.outputs = list(self.graph.output)
        self.folded: dict[str, Value] = {}
        """Constants computed from weights alone: the same in every walk."""

    @cached_property
    def nodes(self) -> list[Node]:
        """Nodes that an output depends on, in order."""
        needed = {entry.name for entry in self.outputs}
        kept = []
        for proto in reversed(self.graph.node):
            if needed.intersection(proto.output):
                kept.append(Node(proto, self.opsets))
                needed.update(name for name in proto.input if name)
                needed.update(_captured(proto))
        return kept[::-1]

    @cached_property
    def last_use(self) -> dict[str, int]:
        """Index of the last node that reads each tensor."""
        uses: dict[str, int] = {}
        for index, node in enumerate(self.nodes):
            for name in [*node.inputs, *_captured(node.proto)]:
                uses[name] = index
        for entry in self.outputs:
            uses[entry.name] = len(self.nodes)
        return uses


def _weight(tensor: Any) -> Const:
    return Const(lambda: onnx.numpy_helper.to_array(tensor), tuple(tensor.dims))


def _captured(proto: Any) -> Iterable[str]:
    """Names that the subgraphs of a node may read from outside."""
    for attribute in proto.attribute:
        for graph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
            for inner in graph.node:
                yield from (name for name in inner.input if name)
                yield from _captured(inner)
            yield from (entry.name for entry in graph.output)


@dataclass
class Walk:
    """One walk and what it found."""

    network: Network
    plate: tuple[int, int]
    """Height and width of the plate inputs."""

    blend: list[str] = field(default_factory=list)
    """Reasons why tiles can only be cross-faded."""

    whole: list[str] = field(default_factory=list)
    """Reasons why the graph cannot be tiled."""

    log: list[tuple[str, Any]] = field(default_factory=list)
    """Everything that must not change with the size for tiles to be exact."""

    period: int = 1
    """Plate pixels after which all sampling patterns repeat."""

    peak_bytes: int = 0
    """Memory alive at the worst moment."""

    values: dict[str, Value] = field(default_factory=dict)

    def run(self, feeds: dict[str, Value]) -> dict[str, Value]:
        """Walk the graph with `feeds` as its inputs; returns the outputs. Raises SizeMismatch."""
        self.values = {**self.network.constants, **self.network.folded, **feeds}
        live = {name: value.bytes for name, value in feeds.items() if isinstance(value, Field)}
        self.peak_bytes = sum(live.values())
        for index, node in enumerate(self.network.nodes):
            for name, value in zip(node.outputs, self.visit(node)):
                self.values[name] = value
                if isinstance(value, Field):
                    live[name] = _memory(node, value)
            self._account(node, index, live)
        return {entry.name: self.values[entry.name] for entry in self.network.outputs}

    def _account(self, node: Node, index: int, live: dict[str, int]) -> None:
        """Keep `live` and the peak; an element-wise node writes over an input that nobody reads any more."""
        total = sum(live.values())
        dying = [name for name in set(node.inputs) if self.network.last_use.get(name) == index and name in live]
        if node.operation in IN_PLACE and any(live[name] == live.get(node.outputs[0]) for name in dying):
            total -= live[node.outputs[0]]
        self.peak_bytes = max(self.peak_bytes, total)
        for name in [*dying, *(name for name in node.outputs if name not in self.network.last_use)]:
            live.pop(name, None)

    def visit(self, node: Node) -> list[Value]:
        """Results of one node."""
        if node.outputs and all(name in self.network.folded for name in node.outputs):
            return [self.network.folded[name] for name in node.outputs]
        inputs = [self.values.get(name, Opaque()) if name else None for name in node.inputs]
        present = [value for value in inputs if value is not None]
        opaque: list[Value] = [Opaque() for _ in node.outputs]
        if node.operation == "Constant":
            return [_constant(node)]
        if node.operation in ("Shape", "Size") and isinstance(present[0], Field):
            return [_shape(node, present[0])]
        if all(isinstance(value, Const) for value in present) and node.operation not in fold.NOT_FOLDED:
            return self._fold(node, inputs)
        if any(isinstance(value, Opaque) for value in present):
            return opaque
        if node.operation == "If" and isinstance(present[0], Const):
            return self._branch(node, bool(present[0].array.reshape(-1)[0]))
        rule = RULES.get(node.operation) if node.domain in STANDARD_DOMAINS else None
        if rule is None:
            self.whole.append(f"{node.label} is not known to the analysis")
            return opaque
        try:
            results = rule(self, node, inputs)
        except Irregular as reason:
            self.whole.append(f"{node.label}: {reason}")
            return opaque
        except _MALFORMED as error:
            self.whole.append(f"{node.label} is not formed as it should be ({type(error).__name__})")
            return opaque
        for value in results:
            for part in (part for dim in value.dims for part in dim) if isinstance(value, Field) else ():
                if isinstance(part, Axis):
                    self.period = math.lcm(self.period, part.period)
        return results

    def record(self, node: Node, *facts: Any) -> None:
        """Note something that tiles are exact for only if it is the same at every size."""
        self.log.append((node.label, facts))

    def _fold(self, node: Node, inputs: list[Value | None]) -> list[Value]:
        constants = [value for value in inputs if isinstance(value, Const)]
        from_shape = any(value.from_shape for value in constants)
        if node.operation in _LAZY and not from_shape:
            weight = constants[0]
            cast = Const(lambda: fold.evaluate(node, [weight.array])[0], weight.shape)
            self.network.folded[node.outputs[0]] = cast
            return [cast]
        try:
            with np.errstate(all="ignore"):
                arrays = fold.evaluate(node, [value.array if isinstance(value, Const) else None for value in inputs])
        except fold.TooLarge:
            self.whole.append(f"{node.label} makes a table of the size of the picture")
            return [Opaque() for _ in node.outputs]
        except (ValueError, IndexError, TypeError, ZeroDivisionError, RuntimeError, NotImplementedError) as error:
            if from_shape:
                raise SizeMismatch(f"{node.label}: {error}") from error
            self.whole.append(f"{node.label} could not be worked out")
            return [Opaque() for _ in node.outputs]
        results: list[Value] = [constant(array, from_shape) for array in arrays]
        if not from_shape:
            self.network.folded.update(zip(node.outputs, results))
        return results

    def _branch(self, node: Node, condition: bool) -> list[Value]:
        """The branch that a condition known beforehand takes."""
        graph = node.attributes["then_branch" if condition else "else_branch"]
        for tensor in graph.initializer:
            self.values[tensor.name] = _weight(tensor)
        for proto in graph.node:
            inner = Node(proto, self.network.opsets)
            self.values.update(zip(inner.outputs, self.visit(inner)))
        return [self.values.get(entry.name, Opaque()) for entry in graph.output]


def _memory(node: Node, value: Field) -> int:
    """Bytes that a result takes; the CPU provider keeps channels of convolutions in blocks of up to 16."""
    channels = value.shape[1] if len(value.shape) == 4 else 0
    if node.operation == "Conv" and channels >= 16:
        return value.bytes // channels * (-(-channels // 16) * 16)
    return value.bytes


def _constant(node: Node) -> Value:
    attributes = node.attributes
    if "value" in attributes:
        return _weight(attributes["value"])
    for name, kind in (
        ("value_float", np.float32),
        ("value_floats", np.float32),
        ("value_int", np.int64),
        ("value_ints", np.int64),
    ):
        if name in attributes:
            return constant(np.array(attributes[name], kind))
    return Opaque()


def _shape(node: Node, value: Field) -> Const:
    spatial = any(value.spatial(index) for index in range(len(value.dims)))
    if node.operation == "Size":
        return constant(np.array(math.prod(value.shape), np.int64), spatial)
    return constant(fold.shape_of(node, value.shape), spatial)
