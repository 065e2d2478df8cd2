"""Weights to start a region from: a checkpoint of a run, or the ONNX of a published region model."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from bipack import catalog
from bipack.errors import ModelRefused
from bipack_train import checkpoint, init_weights
from bipack_train.models.region import RegionNet, gated
from bipack_train.regions.loop import CHECKPOINT, has_way

_PREFIX = "net."


def load(source: str, size: str, codes: int) -> tuple[dict[str, Tensor], str]:
    """(weights of net and way, if it has one, what they are) for a checkpoint, a run, a model folder, file or name.

    Raises MissingInput, CorruptInput, and ModelRefused for pickles and for models of another network.
    """
    path = os.path.join(source, CHECKPOINT)
    if os.path.isfile(path):
        source = path
    if os.path.isfile(source) and not source.lower().endswith(".onnx"):
        stored, label = checkpoint.load_weights(source), os.path.basename(source)
        weights = {name[len(_PREFIX) :]: value for name, value in stored.items() if name.startswith(_PREFIX)}
    else:
        located = catalog.locate(source)
        label = f"{located.name}@{located.card.sha256}" if located.card is not None else located.name
        weights = init_weights._of_onnx(located.path)
    weights = gated({name: torch.as_tensor(value) for name, value in weights.items()})
    wanted = RegionNet(size, codes, has_way(weights)).state_dict()
    # An exporter turns the weight of a Linear layer round; only these are two-dimensional.
    weights = {
        name: value.T.contiguous() if name in wanted and _turned(value, wanted[name]) else value
        for name, value in weights.items()
    }
    if {name: value.shape for name, value in weights.items()} != {name: value.shape for name, value in wanted.items()}:
        raise ModelRefused(
            f"{label} is no region model of size {size!r} with {codes} codes, so it cannot be started from. "
            "Choose its own size and codes, or leave --init out."
        )
    return weights, label


def net(source: str, size: str, codes: int) -> RegionNet:
    """The net of `source`, ready to be asked. Raises as `load`."""
    weights, _ = load(source, size, codes)
    found = RegionNet(size, codes, has_way(weights))
    found.load_state_dict(weights)
    return found.eval()


def _turned(value: Tensor, wanted: Tensor) -> bool:
    return value.ndim == 2 and value.shape != wanted.shape and value.T.shape == wanted.shape
