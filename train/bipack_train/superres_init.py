"""A super-res run that starts from a published model instead of random weights.

What was learned about pictures is worth keeping: an archive model that starts from a clean one, or by four from one by
two, needs half the steps. Published models hold folded 3x3 kernels; a branched convolution takes one over by what its
other branches lack to it, so that the network starts as the model was, and its branches are free to move from there.
A network that is wider, or deeper by `skips`, starts as the model was too: new channels and pairs have no say yet.
"""

from __future__ import annotations

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from bipack import catalog
from bipack.errors import ModelRefused
from bipack_train.models.plain import BranchedConv, PlainNet, Skip

_DETAIL = "detail."
"""What the names of those weights begin with that make up detail; a run makes its own."""

_WEIGHING = "weigh."
"""What the names of those weights begin with that a model of several frames weighs them by."""


def start_from(net: PlainNet, source: str) -> str:
    """Put the convolutions of the model `source` into `net` where they fit; returns what the card calls the model.

    Inner convolutions are taken in order, the last to the last. Further input planes of the first (more frames)
    start with no say, as do the channels of a wider network and its skips where the model has none; what does not fit
    (more depth, another scale) keeps its random start. How frames are weighed is taken from a model of as many frames.
    Raises MissingInput, and ModelRefused where not even the first convolution fits.
    """
    located = catalog.locate(source)
    kernels = _kernels(located.path)
    weighing = [kernel for name, kernel in kernels if name.startswith(_WEIGHING)]
    given = [kernel for name, kernel in kernels if not name.startswith((_WEIGHING, _DETAIL))]
    wanted = _convolutions(net.body)
    if len(given) < len(wanted):
        wanted = _convolutions(net.body, skips=False)
    pairs = [*zip(wanted[:-1], given[:-1], strict=False), *zip(wanted[-1:], given[-1:], strict=False)]
    taken = [_take(layer, *kernel, wider=layer is not wanted[-1]) for layer, kernel in pairs]
    if net.weigh is not None and weighing and weighing[0][0].shape[1] == net.channels * net.frames:
        for layer, kernel in zip(_convolutions(net.weigh.body), weighing, strict=True):
            _take(layer, *kernel)
    if not taken or not taken[0]:
        raise ModelRefused(
            f"{located.name} is no super-res model of at most {net.width} channels, so recipe.init cannot start from "
            "it. Name a model of the same network.width or less, or leave init out."
        )
    return f"{located.name}@{located.card.sha256}" if located.card is not None else located.name


def _convolutions(row: nn.Sequential, skips: bool = True) -> list[nn.Module]:
    """In the order of the graph; those inside of skips where wanted."""
    found: list[nn.Module] = []
    for layer in row:
        if isinstance(layer, Skip):
            found += _convolutions(layer) if skips else []
        elif not isinstance(layer, nn.LeakyReLU):
            found.append(layer)
    return found


def _kernels(path: str) -> list[tuple[str, tuple[Tensor, Tensor]]]:
    """(name, (kernel, bias)) of every convolution of the file, first to last."""
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except Exception as error:  # protobuf raises its own class, onnx another
        raise ModelRefused(f"{path} cannot be read as ONNX ({error}).") from error
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:  # the exporter stores equal tensors once
        if node.op_type == "Identity" and node.input[0] in tensors:
            tensors[node.output[0]] = tensors[node.input[0]]
    convolutions = [node.input for node in graph.node if node.op_type == "Conv"]
    if any(len(names) < 3 or not {names[1], names[2]} <= set(tensors) for names in convolutions):
        return []
    return [(names[1], (_tensor(tensors[names[1]]), _tensor(tensors[names[2]]))) for names in convolutions]


def _tensor(stored: onnx.TensorProto) -> Tensor:
    return torch.from_numpy(numpy_helper.to_array(stored).copy())


@torch.no_grad()
def _take(layer: nn.Module, kernel: Tensor, bias: Tensor, *, wider: bool = False) -> bool:
    """Make `layer` compute what `kernel` does; False, and nothing done, where it does not fit.

    Inputs that the kernel lacks get no say. With `wider` the layer may have further outputs, which stay as they are.
    """
    assert isinstance(layer, BranchedConv | nn.Conv2d)
    present = layer.kernel() if isinstance(layer, BranchedConv) else layer.weight
    outputs, missing = kernel.shape[0], present.shape[1] - kernel.shape[1]
    fits = present.shape[0] >= outputs if wider else present.shape[0] == outputs
    if missing < 0 or not fits or present.shape[2:] != kernel.shape[2:]:
        return False
    kernel = nn.functional.pad(kernel, (0, 0, 0, 0, 0, missing)).to(present)
    weight = layer.weight3 if isinstance(layer, BranchedConv) else layer.weight
    weight[:outputs] += kernel - present[:outputs]
    assert layer.bias is not None
    layer.bias[:outputs] = bias
    return True
