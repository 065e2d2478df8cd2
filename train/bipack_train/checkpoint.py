"""Checkpoints: everything a run needs to go on bit for bit as if it had never stopped.

One safetensors file holds the weights, their moving average, the optimizer's moments and the random states as plain
tensors, and the rest (step, digest of the recipe, hyper-parameters) as JSON in its header. A single file, because two
can disagree after a crash; safetensors, because a pickle runs code when it is opened. Files are written beside the
target and renamed, so a full disk or a kill leaves the previous checkpoint as it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors import torch as safe_torch
from torch import Tensor, nn

from bipack import atomic
from bipack.errors import CorruptInput, MissingInput, ModelRefused, UsageError
from bipack_train.ema import Ema

SUFFIX = ".safetensors"
_HEADER = "bipack"
_FORMAT = 1
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""First bytes of what torch.save writes: a zip archive with pickles in it, or (older) a bare pickle."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read from disk."""

    step: int
    """Optimizer steps done."""

    recipe_digest: str
    """`recipe.digest` of the run; resuming with another recipe is refused."""

    tensors: Mapping[str, Tensor]
    """All tensors, named group/key: model/…, ema/…, optimizer/<index>/<moment>, random/torch, …"""

    data: Mapping[str, Any] = field(default_factory=dict)
    """The JSON part: optimizer groups, numpy generators, `extra` of the caller."""

    @property
    def extra(self) -> dict[str, Any]:
        """What the trainer itself stored (phase, best score, seconds spent)."""
        return dict(self.data.get("extra", {}))

    def group(self, name: str) -> dict[str, Tensor]:
        """Tensors of one group, without the prefix. The weights alone are group("model") or group("ema")."""
        prefix = name + "/"
        return {key[len(prefix) :]: value for key, value in self.tensors.items() if key.startswith(prefix)}


def save(
    path: str,
    *,
    step: int,
    recipe_digest: str,
    model: nn.Module,
    ema: Ema | None = None,
    optimizers: Mapping[str, torch.optim.Optimizer] | None = None,
    generators: Mapping[str, np.random.Generator] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint to `path`, atomically; `extra` is any JSON of the trainer's own.

    Torch's own random states (CPU and, where present, every GPU) are always stored. Raises DiskError.
    """
    tensors: dict[str, Tensor] = {f"model/{name}": value for name, value in model.state_dict().items()}
    data: dict[str, Any] = {"format": _FORMAT, "step": step, "recipe": recipe_digest, "extra": dict(extra or {})}
    if ema is not None:
        tensors |= {f"ema/{name}": value for name, value in ema.state().items()}
        data["ema_updates"] = ema.updates
    for name, optimizer in (optimizers or {}).items():
        moments, data[f"optimizer {name}"] = _flatten(optimizer.state_dict())
        tensors |= {f"optimizer {name}/{key}": value for key, value in moments.items()}
    tensors["random/torch"] = torch.get_rng_state()
    if torch.cuda.is_available():
        for index, state in enumerate(torch.cuda.get_rng_state_all()):
            tensors[f"random/cuda{index}"] = state
    data["generators"] = {name: generator.bit_generator.state for name, generator in (generators or {}).items()}
    # Cloned: safetensors refuses tensors that share memory, as tied weights do.
    stored = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    atomic.write_bytes(path, safe_torch.save(stored, {_HEADER: json.dumps(data)}))


def load(path: str) -> Checkpoint:
    """Read a checkpoint. Raises MissingInput, CorruptInput, and ModelRefused for a file that holds pickled code."""
    header, tensors = _read(path)
    if _HEADER not in header:
        raise CorruptInput(f"{path} is a safetensors file and no checkpoint of Bipack: it has no training state.")
    data = json.loads(header[_HEADER])
    if data.get("format") != _FORMAT:
        raise ModelRefused(f"Checkpoint {path} has format {data.get('format')!r}; this Bipack reads {_FORMAT}.")
    return Checkpoint(int(data["step"]), str(data["recipe"]), tensors, data)


def load_weights(path: str, prefer: str = "ema") -> dict[str, Tensor]:
    """Weights of a checkpoint (its moving average where there is one) or of a bare safetensors file."""
    header, tensors = _read(path)
    if _HEADER not in header:
        return tensors
    whole = Checkpoint(0, "", tensors)
    return whole.group(prefer) or whole.group("model")


def save_weights(path: str, weights: Mapping[str, Tensor]) -> None:
    """Write weights alone as safetensors, atomically. Raises DiskError."""
    stored = {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
    atomic.write_bytes(path, safe_torch.save(stored))


def restore(
    checkpoint: Checkpoint,
    *,
    recipe_digest: str,
    model: nn.Module,
    ema: Ema | None = None,
    optimizers: Mapping[str, torch.optim.Optimizer] | None = None,
    generators: Mapping[str, np.random.Generator] | None = None,
) -> None:
    """Put a checkpoint back into a run that was built as at its start, random states included.

    Raises UsageError when the recipe has changed since, ModelRefused when the network has.
    """
    if checkpoint.recipe_digest != recipe_digest:
        raise UsageError(
            f"The checkpoint at step {checkpoint.step} was made with other settings than this recipe has. "
            "Put the recipe back as it was, or start afresh in another folder."
        )
    try:
        model.load_state_dict(checkpoint.group("model"))
        if ema is not None:
            ema.load(checkpoint.group("ema"), int(checkpoint.data["ema_updates"]))
    except (KeyError, RuntimeError) as error:
        raise ModelRefused(f"The checkpoint at step {checkpoint.step} is of another network: {error}.") from error
    for name, optimizer in (optimizers or {}).items():
        state = _unflatten(checkpoint.group(f"optimizer {name}"), checkpoint.data[f"optimizer {name}"])
        optimizer.load_state_dict(state)
    for name, generator in (generators or {}).items():
        generator.bit_generator.state = checkpoint.data["generators"][name]
    random = checkpoint.group("random")
    torch.set_rng_state(random["torch"])
    if torch.cuda.is_available() and "cuda0" in random:
        torch.cuda.set_rng_state_all([random[f"cuda{index}"] for index in range(len(random) - 1)])


def _read(path: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    if not os.path.isfile(path):
        raise MissingInput(f"Checkpoint {path} does not exist.")
    with open(path, "rb") as stream:
        start = stream.read(4)
    if start.startswith(_PICKLE_STARTS):
        raise ModelRefused(
            f"{path} is a pickle (.pth, .pt, .ckpt): opening one runs the code inside it. "
            "Convert it to safetensors on a machine that you trust."
        )
    try:
        with safe_open(path, framework="pt") as stream:
            names = stream.keys()
            return dict(stream.metadata() or {}), {name: stream.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        raise CorruptInput(f"Checkpoint {path} cannot be read ({error}). Use the one before it.") from error


def _flatten(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimizer's state into tensors (index/moment) and JSON (groups, plain numbers)."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for index, moments in state["state"].items():
        for name, value in moments.items():
            if isinstance(value, Tensor):
                tensors[f"{index}/{name}"] = value
            else:
                numbers.setdefault(str(index), {})[name] = value
    return tensors, {"groups": state["param_groups"], "numbers": numbers}


def _unflatten(tensors: Mapping[str, Tensor], data: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {int(index): dict(values) for index, values in data["numbers"].items()}
    for key, value in tensors.items():
        index, name = key.split("/", 1)
        state.setdefault(int(index), {})[name] = value
    return {"state": state, "param_groups": data["groups"]}
