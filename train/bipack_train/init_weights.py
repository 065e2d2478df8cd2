"""Weights to start from: any earlier model, as a checkpoint or as the ONNX that was published.

Published models carry their weights in the ONNX under the names that the network has here, so that no second copy has
to lie beside it. Nothing that could run code is ever opened (see `checkpoint`).
"""

from __future__ import annotations

import os
import re

import onnx
import torch
from torch import Tensor, nn

from bipack import catalog
from bipack.errors import MissingInput, ModelRefused, UsageError
from bipack_train import checkpoint
from bipack_train.models import networks
from bipack_train.models.marker import MENDER
from bipack_train.models.paintfix import PaintFixNet

BASE = "marker_removal"
"""Catalogue name of the model that runs start from when nothing else is said."""

_PREFIX = "net."
_CHANGE = {"change.weight", "change.bias"}
_BLOCK = re.compile(r"(encoder|decoder)\.\d+\.\d+\.")
"""What the names of a residual block's weights start with."""

_DOES_NOTHING = (".second.weight", ".second.bias")
"""Weights of a residual block that are 0 where it passes its input on unchanged."""


def load(source: str, size: str, frames: int) -> tuple[dict[str, Tensor], str]:
    """(weights, what they are) for `source`: a checkpoint, the folder of a run, a model folder, file or name.

    Where the net sees more frames than the source did, the new ones start with no say. Where it has more residual
    blocks, these pass their input on at first. Raises MissingInput, CorruptInput, and ModelRefused for pickles and for
    models of another network.
    """
    stored, label = _stored(source)
    net = networks.build(size, frames)
    return _fitted(_as_deep(stored, net.state_dict()), label, net), label


def _stored(source: str) -> tuple[dict[str, Tensor], str]:
    """All weights in a checkpoint, the folder of a run, a model folder, file or name, and what they are."""
    path = os.path.join(source, "checkpoint" + checkpoint.SUFFIX)
    if os.path.isfile(path):
        source = path
    if os.path.isfile(source) and not source.lower().endswith(".onnx"):
        return checkpoint.load_weights(source), os.path.basename(source)
    located = catalog.locate(source)
    card = located.card
    return _of_onnx(located.path), f"{located.name}@{card.sha256}" if card is not None else located.name


def for_net(source: str, net: nn.Module) -> tuple[dict[str, Tensor], str]:
    """(weights, what they are) of `source` for exactly such a network; `source` as in `load`.

    Raises MissingInput, CorruptInput, and ModelRefused for pickles and for models of another network.
    """
    stored, label = _stored(source)
    weights = {name.removeprefix(_PREFIX): value for name, value in stored.items()}
    wanted = {name: value.shape for name, value in net.state_dict().items()}
    if {name: value.shape for name, value in weights.items()} != wanted:
        raise ModelRefused(
            f"{label} is no model of this network ({type(net).__name__}), so it cannot be started from. Name one that "
            "such a recipe made, or leave --init out."
        )
    return weights, label


def default(size: str, frames: int) -> tuple[dict[str, Tensor] | None, str]:
    """The shipped start for this size, where one is installed and fits; else (None, "")."""
    try:
        return load(BASE, size, frames)
    except (MissingInput, ModelRefused):
        return None, ""


def net_of(source: str) -> PaintFixNet:
    """The whole network of a checkpoint or a published model. Raises as `load`."""
    stored, label = _stored(source)
    for size in networks.names():
        # Ascending: weights of fewer frames would fit a wider network too.
        for frames in (1, 2, 3, 5):
            try:
                net = networks.build(size, frames)
            except UsageError:  # this size needs packages that are not installed
                break
            try:
                net.load_state_dict(_fitted(stored, label, net))
            except ModelRefused:
                continue
            return net.eval()
    raise ModelRefused(f"{source} is no paint-fix model of this Bipack.")


def _of_onnx(path: str) -> dict[str, Tensor]:
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except Exception as error:  # protobuf raises its own class, onnx another
        raise ModelRefused(f"{path} cannot be read as ONNX ({error}).") from error
    return {
        tensor.name[len(_PREFIX) :]: torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy())
        for tensor in graph.initializer
        if tensor.name.startswith(_PREFIX)
    }


def _as_deep(stored: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """`stored` with all residual blocks of `wanted`; those that it has not do nothing.

    Not the other way round: without some of its blocks a net is a worse start than nothing.
    """
    kept = {name.removeprefix(_PREFIX): value for name, value in stored.items()}
    for name, value in wanted.items():
        if name not in kept and _BLOCK.match(name):
            kept[name] = torch.zeros_like(value) if name.endswith(_DOES_NOTHING) else value
    return kept


def _fitted(weights: dict[str, Tensor], label: str, net: PaintFixNet) -> dict[str, Tensor]:
    """`weights` if they are of this network. Raises ModelRefused."""
    size, frames, wanted = net.size, net.frames, net.state_dict()
    weights = {name.removeprefix(_PREFIX): value for name, value in weights.items()}
    weights = {name: value for name, value in weights.items() if not name.startswith(("adversary.", f"{MENDER}."))}
    if set(wanted) - set(weights) == _CHANGE:
        # A model whose repairs another network makes has found marks only: its change starts afresh.
        weights |= {name: wanted[name] for name in _CHANGE}
    if set(weights) == set(wanted):
        weights[net.STEM] = _widened(weights[net.STEM], wanted[net.STEM])
        if all(weights[name].shape == value.shape for name, value in wanted.items()):
            return weights
    raise ModelRefused(
        f"{label} is no paint-fix model of size {size!r} with {frames} frame{'s' if frames > 1 else ''}, so it cannot "
        "be started from. Choose its own --size, or leave --init out."
    )


def _widened(stem: Tensor, wanted: Tensor) -> Tensor:
    """A first layer for more frames, where `stem` is one for fewer; the planes of further frames come last."""
    if stem.shape[0] != wanted.shape[0] or stem.shape[1] >= wanted.shape[1]:
        return stem
    wide = torch.zeros_like(wanted)
    wide[:, : stem.shape[1]] = stem
    return wide
