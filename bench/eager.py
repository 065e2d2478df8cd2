"""A convolutional ONNX graph run operator by operator in eager PyTorch: the baseline of the speed bench."""

from __future__ import annotations

import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

POINTWISE = {
    "Identity": torch.clone,
    "Relu": torch.relu,
    "Neg": torch.neg,
    "Exp": torch.exp,
    "Log": torch.log,
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": torch.div,
    "Max": torch.maximum,
    "Min": torch.minimum,
}


class EagerGraph:
    """The operators of plain super-res networks; any other is refused: the baseline is never a different net."""

    def __init__(self, path: str) -> None:
        graph = onnx.load(path).graph
        self.nodes = list(graph.node)
        self.weights = {
            entry.name: torch.from_numpy(numpy_helper.to_array(entry).copy()) for entry in graph.initializer
        }
        self.input, self.output = graph.input[0].name, graph.output[0].name

    def __call__(self, picture: torch.Tensor) -> torch.Tensor:
        values = dict(self.weights)
        values[self.input] = picture
        for node in self.nodes:
            given = [values[name] if name else None for name in node.input]
            options = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
            values[node.output[0]] = self._apply(node.op_type, given, options)
        return values[self.output]

    def _apply(self, kind: str, given: list, options: dict) -> torch.Tensor:
        if kind in POINTWISE:
            return POINTWISE[kind](*given)
        if kind == "Conv":
            pads = options.get("pads", [0, 0, 0, 0])
            picture = given[0]
            if pads[0] != pads[2] or pads[1] != pads[3]:
                picture, pads = F.pad(picture, (pads[1], pads[3], pads[0], pads[2])), [0, 0, 0, 0]
            return F.conv2d(picture, *given[1:], padding=tuple(pads[:2]), groups=options.get("group", 1))
        if kind == "LeakyRelu":
            return F.leaky_relu(given[0], options.get("alpha", 0.01))
        if kind == "Clip":
            return torch.clamp(*given)
        if kind == "AveragePool":
            assert options["strides"] == options["kernel_shape"] == [2, 2] and not any(options["pads"])
            return F.avg_pool2d(given[0], 2)
        if kind == "MaxPool":
            assert options["pads"] == [1, 1, 1, 1] and options["kernel_shape"] == [3, 3]
            return F.max_pool2d(given[0], 3, stride=1, padding=1)
        if kind == "Resize":
            assert options["mode"] == b"nearest"
            return F.interpolate(given[0], scale_factor=tuple(given[2].tolist()[2:]), mode="nearest")
        if kind == "Concat":
            return torch.cat(given, options["axis"])
        if kind == "Constant":
            return torch.from_numpy(numpy_helper.to_array(options["value"]).copy())
        if kind == "DepthToSpace" and options.get("mode", b"DCR") == b"CRD":
            return F.pixel_shuffle(given[0], options["blocksize"])
        if kind == "DepthToSpace":
            batch, channels, height, width = given[0].shape
            block = options["blocksize"]
            cube = given[0].reshape(batch, block, block, channels // block**2, height, width)
            return cube.permute(0, 3, 4, 1, 5, 2).reshape(batch, channels // block**2, height * block, width * block)
        if kind == "Pad":
            pads = given[1].tolist()
            mode = options.get("mode", b"constant").decode().replace("edge", "replicate")
            return F.pad(given[0], (pads[3], pads[7], pads[2], pads[6]), mode=mode)
        raise SystemExit(f"The eager baseline has no operator {kind}; add it to bench/eager.py.")
