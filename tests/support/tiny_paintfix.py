"""A paint-fix network small enough for tests, made known as size "tiny"; importing this module is enough."""

from __future__ import annotations

import dataclasses

import torch

from bipack_train.models.paintfix import SIZES
from bipack_train.models.unet import Size
from bipack_train.paintfix import PairsRecipe, Schedule

# Two threads cost more than they bring at this size, and far more on a busy machine.
torch.set_num_threads(1)

SIZES["tiny"] = Size((8, 12), (1, 1), (1,))


def recipe(steps: int = 12, **changes: object) -> PairsRecipe:
    """A recipe that trains the tiny network for so many steps."""
    base = PairsRecipe(name="tiny", size="tiny", schedule=Schedule(steps=steps, minutes=0.0, warm_up=4))
    sampling = dataclasses.replace(base.sampling, side=32, batch=2)
    return dataclasses.replace(base, sampling=sampling, **changes)  # type: ignore[arg-type]
