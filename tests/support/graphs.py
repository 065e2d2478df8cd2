"""Builders of tiny ONNX models for tests. Every builder returns a ModelProto; `save` writes it and gives the path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 10


class Builder:
    """Collects nodes and weights of one graph; every method returns the name of a tensor."""

    def __init__(self, seed: int = 0, opset: int = OPSET) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.opset = opset

    def const(self, array: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def ints(self, values: Sequence[int]) -> str:
        return self.const(values, np.int64)

    def op(self, kind: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
        names = [f"{kind.lower()}_{len(self.nodes)}_{index}" for index in range(outputs)]
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=name, domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x: str, into: int, out: int, kernel: int = 3, **attributes: Any) -> str:
        """Convolution that keeps the size unless told otherwise."""
        group = attributes.get("group", 1)
        dilation = attributes.setdefault("dilations", [1, 1])[0]
        if "auto_pad" not in attributes:
            attributes.setdefault("pads", [(kernel - 1) * dilation // 2] * 4)
        fan = into // group * kernel * kernel
        weight = self.rng.normal(0, fan**-0.5, (out, into // group, kernel, kernel))
        bias = self.rng.normal(0, 0.1, out)
        return str(self.op("Conv", x, self.const(weight), self.const(bias), kernel_shape=[kernel] * 2, **attributes))

    def conv_transpose(self, x: str, into: int, out: int, kernel: int = 4, stride: int = 2, **attributes: Any) -> str:
        attributes.setdefault("pads", [(kernel - stride) // 2] * 4)
        weight = self.rng.normal(0, (into * kernel) ** -0.5, (into, out, kernel, kernel))
        return str(self.op("ConvTranspose", x, self.const(weight), strides=[stride] * 2, **attributes))

    def model(
        self,
        output: str | Sequence[str],
        inputs: Sequence[tuple[str, Sequence[Any]]] = (("input", (1, 3, "H", "W")),),
        output_shape: Sequence[Any] = (1, 3, "OH", "OW"),
        kind: int = TensorProto.FLOAT,
        domains: Sequence[str] = (),
        names: Sequence[str] = ("output",),
    ) -> Any:
        outputs = [output] if isinstance(output, str) else list(output)
        for found, wanted in zip(outputs, names):
            self.nodes.append(helper.make_node("Identity", [found], [wanted], name=f"to_{wanted}"))
        graph = helper.make_graph(
            self.nodes,
            "tiny",
            [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs],
            [helper.make_tensor_value_info(name, kind, output_shape) for name in names],
            self.weights,
        )
        opsets = [helper.make_opsetid("", self.opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def save(model: Any, path: Path | str) -> str:
    """Write `model` to `path` and return it as text."""
    onnx.save(model, str(path))
    return str(path)


def identity(channels: int = 3, scale: int = 1) -> Any:
    """The plate itself; with `scale` every pixel is repeated."""
    b = Builder()
    x = "input"
    if scale > 1:
        x = b.op("Resize", x, "", b.const([1, 1, scale, scale]), mode="nearest",
                 coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
    return b.model(x, [("input", (1, channels, "H", "W"))], (1, channels, "OH", "OW"))


def plain_sr(scale: int = 2, layers: int = 4, channels: int = 8, seed: int = 0, colors: int = 3) -> Any:
    """3×3 convolutions at plate size, then a pixel shuffle; sees exactly `layers` pixels around."""
    b = Builder(seed)
    x = b.conv("input", colors, channels)
    for _ in range(layers - 2):
        x = b.op("LeakyRelu", b.conv(x, channels, channels), alpha=0.1)
    x = b.conv(x, channels, colors * scale * scale)
    if scale > 1:
        x = b.op("DepthToSpace", x, blocksize=scale, mode="CRD")
    return b.model(x, [("input", (1, colors, "H", "W"))], (1, colors, "OH", "OW"))


def unet(depth: int = 2, channels: int = 6, seed: int = 0, colors: int = 3) -> Any:
    """Strided U-Net with skips; its size must be a multiple of 2**depth."""
    b = Builder(seed)
    x = b.conv("input", colors, channels)
    skips = []
    for _ in range(depth):
        skips.append(x)
        x = b.op("Relu", b.conv(x, channels, channels, strides=[2, 2]))
    x = b.conv(x, channels, channels)
    for skip in reversed(skips):
        x = b.conv_transpose(x, channels, channels)
        x = b.op("Relu", b.conv(b.op("Concat", x, skip, axis=1), 2 * channels, channels))
    x = b.op("Add", b.conv(x, channels, colors), "input")
    return b.model(x, [("input", (1, colors, "H", "W"))], (1, colors, "H", "W"))


def squeeze_excite(channels: int = 6, seed: int = 0) -> Any:
    """Convolutions weighted by the average of the whole picture."""
    b = Builder(seed)
    x = b.op("Relu", b.conv("input", 3, channels))
    weights = b.op("Sigmoid", b.conv(b.op("GlobalAveragePool", x), channels, channels, 1))
    return b.model(b.conv(b.op("Mul", x, weights), channels, 3), output_shape=(1, 3, "H", "W"))


def masked(channels: int = 6, seed: int = 0) -> Any:
    """Plate and matte; the result is the plate where the matte is 0."""
    b = Builder(seed)
    x = b.op("Relu", b.conv(b.op("Concat", "plate", "matte", axis=1), 4, channels))
    x = b.op("Add", "plate", b.op("Mul", b.conv(x, channels, 3), "matte"))
    return b.model(x, [("plate", (1, 3, "H", "W")), ("matte", (1, 1, "H", "W"))], (1, 3, "H", "W"))


def with_amount(seed: int = 0) -> Any:
    """Plate, plus a convolution of it times one number from a knob."""
    b = Builder(seed)
    x = b.op("Add", "input", b.op("Mul", b.conv("input", 3, 3), "amount"))
    return b.model(x, [("input", (1, 3, "H", "W")), ("amount", (1,))], (1, 3, "H", "W"))


def attention(channels: int = 4, seed: int = 0) -> Any:
    """Every pixel looks at every other."""
    b = Builder(seed)
    x = b.conv("input", 3, channels, 1)
    tokens = b.op("Reshape", x, b.ints([0, channels, -1]))
    scores = b.op("Softmax", b.op("MatMul", b.op("Transpose", tokens, perm=[0, 2, 1]), tokens), axis=-1)
    mixed = b.op("MatMul", tokens, b.op("Transpose", scores, perm=[0, 2, 1]))
    size = b.op("Concat", b.ints([1, channels]), b.op("Shape", "input", start=2), axis=0)
    return b.model(b.conv(b.op("Reshape", mixed, size), channels, 3, 1), output_shape=(1, 3, "H", "W"))


def nan_producing() -> Any:
    """The square root of the plate: negative pixels become NaN."""
    b = Builder()
    return b.model(b.op("Sqrt", "input"), output_shape=(1, 3, "H", "W"))


def unknown_operation() -> Any:
    """A node of a domain that nobody registered."""
    b = Builder()
    return b.model(b.op("Sharpen", "input", domain="studio.custom"), domains=["studio.custom"])


def fixed_size(height: int = 32, width: int = 32, layers: int = 2, seed: int = 0) -> Any:
    """Convolutions whose declared input has one size."""
    b = Builder(seed)
    x = "input"
    for _ in range(layers):
        x = b.conv(x, 3, 3)
    return b.model(x, [("input", (1, 3, height, width))], (1, 3, height, width))


def unpadded(layers: int = 3, scale: int = 1, seed: int = 0) -> Any:
    """Convolutions without padding: the result is smaller than the plate."""
    b = Builder(seed)
    x = "input"
    for _ in range(layers):
        x = b.conv(x, 3, 3, pads=[0, 0, 0, 0])
    if scale > 1:
        x = b.op("DepthToSpace", b.conv(x, 3, 3 * scale * scale, 1), blocksize=scale)
    return b.model(x)


def external_data(folder: Path | str) -> str:
    """A model whose weights lie in a second file; returns its path."""
    model = plain_sr(scale=1, layers=2, channels=16)
    path = str(Path(folder) / "external.onnx")
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def half(model: Any) -> Any:
    """The fp16 twin of `model`, with fp16 inputs and outputs."""
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    for index, tensor in enumerate(twin.graph.initializer):
        if tensor.data_type == TensorProto.FLOAT:
            array = numpy_helper.to_array(tensor).astype(np.float16)
            twin.graph.initializer[index].CopyFrom(numpy_helper.from_array(array, tensor.name))
    for entry in [*twin.graph.input, *twin.graph.output]:
        entry.type.tensor_type.elem_type = TensorProto.FLOAT16
    return twin


def half_weights(model: Any) -> Any:
    """`model` with its weights stored as fp16 behind Cast nodes; inputs and outputs stay fp32."""
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    casts = []
    for tensor in list(twin.graph.initializer):
        if tensor.data_type == TensorProto.FLOAT:
            array, name = numpy_helper.to_array(tensor).astype(np.float16), tensor.name
            tensor.CopyFrom(numpy_helper.from_array(array, f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *twin.graph.node]
    del twin.graph.node[:]
    twin.graph.node.extend(nodes)
    return twin
