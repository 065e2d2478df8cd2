"""A moving average of the weights: smoother than any single step, and what is exported."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Ema:
    """Exponential moving average of a module's parameters and float buffers, kept in float32.

    `decay` is the share of the old average that survives a step (0.999 remembers about 1000 steps). Early on it is
    held down to (1 + n) / (10 + n) after n updates, so that the random start is soon forgotten.
    """

    def __init__(self, module: nn.Module, decay: float = 0.999) -> None:
        self.decay = decay
        self.updates = 0
        self._average = {name: value.detach().float().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take one step towards the module's present weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        values = module.state_dict()
        averages = list(self._average.values())
        torch._foreach_lerp_(averages, [values[name].detach().float() for name in self._average], 1 - decay)

    def copy_to(self, module: nn.Module) -> None:
        """Put the averaged weights into `module`."""
        module.load_state_dict(self.state())

    def state(self) -> dict[str, Tensor]:
        """The averaged weights by name, as clones."""
        return {name: value.clone() for name, value in self._average.items()}

    def load(self, state: Mapping[str, Tensor], updates: int) -> None:
        """Go on from a saved average. Raises KeyError or RuntimeError when it is of another network."""
        for name, value in self._average.items():
            value.copy_(state[name])
        self.updates = updates
