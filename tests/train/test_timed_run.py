"""The checkpoint of simple runs: written and read back with every count and random state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bipack.errors import MissingInput, UsageError
from bipack_train import timed_run
from bipack_train.ema import Ema


@dataclass(frozen=True)
class Settings:
    seed: int = 1


@dataclass
class Run:
    settings: Settings
    ema: Ema
    optimizer: torch.optim.Optimizer
    rng: np.random.Generator
    step: int = 0
    seconds: float = 0.0


def made(settings: Settings = Settings()) -> tuple[Run, nn.Module]:
    torch.manual_seed(settings.seed)
    net = nn.Conv2d(3, 3, 3)
    return Run(settings, Ema(net, 0.9), torch.optim.AdamW(net.parameters()), np.random.default_rng(settings.seed)), net


def worked(run: Run, net: nn.Module) -> None:
    net(torch.from_numpy(run.rng.random((1, 3, 8, 8), np.float32))).sum().backward()
    run.optimizer.step()
    run.ema.update(net)
    run.step, run.seconds = run.step + 1, run.seconds + 2.5


def test_a_run_comes_back_as_it_was_and_goes_on_alike(tmp_path: Path) -> None:
    path = str(tmp_path / "checkpoint.safetensors")
    run, net = made()
    worked(run, net)
    timed_run.save(run, net, path)
    again, other = made()
    timed_run.restore(again, other, path)
    assert (again.step, again.seconds) == (1, 2.5)
    for one, its in ((run, net), (again, other)):
        one.optimizer.zero_grad()
        worked(one, its)
    for ours, theirs in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_checkpoint_of_another_recipe_or_none_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "checkpoint.safetensors")
    timed_run.save(*made(), path)
    run, net = made(Settings(seed=2))
    with pytest.raises(UsageError):
        timed_run.restore(run, net, path)
    with pytest.raises(MissingInput):
        timed_run.restore(run, net, str(tmp_path / "none.safetensors"))
