"""The checkpoint of a run with one optimizer and one generator that counts its steps and its seconds.

Slow motion, inpaint and the face parser are such runs; runs with a critic or several crops sources keep their own.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from bipack_train import checkpoint, recipe
from bipack_train.ema import Ema


class TimedRun(Protocol):
    """What of a run changes from step to step, besides its network."""

    settings: Any
    ema: Ema
    optimizer: torch.optim.Optimizer
    rng: np.random.Generator
    step: int
    seconds: float


def save(
    run: TimedRun, net: nn.Module, path: str, optimizer: str = "adamw", generator: str = "crops", **extra: str
) -> None:
    """Write the checkpoint; `optimizer` and `generator` are their names in the file, `extra` is kept beside them.

    Raises DiskError.
    """
    checkpoint.save(
        path,
        step=run.step,
        recipe_digest=recipe.digest(run.settings),
        model=net,
        ema=run.ema,
        optimizers={optimizer: run.optimizer},
        generators={generator: run.rng},
        extra={"seconds": run.seconds, **extra},
    )


def restore(
    run: TimedRun, net: nn.Module, path: str, optimizer: str = "adamw", generator: str = "crops"
) -> checkpoint.Checkpoint:
    """Go on from a checkpoint and return it. Raises MissingInput, CorruptInput, UsageError for another recipe's."""
    state = checkpoint.load(path)
    checkpoint.restore(
        state,
        recipe_digest=recipe.digest(run.settings),
        model=net,
        ema=run.ema,
        optimizers={optimizer: run.optimizer},
        generators={generator: run.rng},
    )
    run.step, run.seconds = state.step, float(state.extra["seconds"])
    return state
