from __future__ import annotations

import builtins
import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bipack.errors import CorruptInput, DiskError, MissingInput, ModelRefused, UsageError
from bipack_train import checkpoint
from bipack_train.ema import Ema


class Training:
    """A small training whose every random choice is part of its state."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.LeakyReLU(), nn.Conv2d(4, 1, 3, padding=1))
        self.ema = Ema(self.net, 0.9)
        self.optimizer = torch.optim.Adam(self.net.parameters(), 1e-2)
        self.rng = np.random.default_rng(3)
        self.done = 0

    def run(self, steps: int) -> None:
        for _ in range(steps):
            pixels = torch.from_numpy(self.rng.random((2, 1, 8, 8), dtype=np.float32))
            loss = (self.net(pixels + 0.1 * torch.randn(pixels.shape)) - pixels).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.ema.update(self.net)
            self.done += 1

    def save(self, path: Path) -> None:
        checkpoint.save(
            str(path),
            step=self.done,
            recipe_digest="abc",
            model=self.net,
            ema=self.ema,
            optimizers={"adam": self.optimizer},
            generators={"data": self.rng},
            extra={"best": 1.5},
        )

    def restore(self, path: Path, digest: str = "abc") -> None:
        found = checkpoint.load(str(path))
        checkpoint.restore(
            found,
            recipe_digest=digest,
            model=self.net,
            ema=self.ema,
            optimizers={"adam": self.optimizer},
            generators={"data": self.rng},
        )
        self.done = found.step


def test_a_resumed_training_ends_bit_for_bit_as_an_uninterrupted_one(tmp_path: Path) -> None:
    straight = Training()
    straight.run(9)
    first = Training()
    first.run(4)
    first.save(tmp_path / "run.safetensors")
    torch.randn(100)  # whatever happened in between must not matter
    second = Training()
    second.restore(tmp_path / "run.safetensors")
    assert second.done == 4
    second.run(5)
    for name, value in straight.net.state_dict().items():
        assert torch.equal(value, second.net.state_dict()[name])
    for name, value in straight.ema.state().items():
        assert torch.equal(value, second.ema.state()[name])


def test_a_checkpoint_keeps_what_the_trainer_put_aside(tmp_path: Path) -> None:
    training = Training()
    training.save(tmp_path / "run.safetensors")
    assert checkpoint.load(str(tmp_path / "run.safetensors")).extra == {"best": 1.5}


def test_the_weights_alone_are_the_moving_average(tmp_path: Path) -> None:
    training = Training()
    training.run(3)
    training.save(tmp_path / "run.safetensors")
    weights = checkpoint.load_weights(str(tmp_path / "run.safetensors"))
    assert torch.equal(weights["0.weight"], training.ema.state()["0.weight"])
    assert not torch.equal(weights["0.weight"], training.net.state_dict()["0.weight"])
    checkpoint.save_weights(str(tmp_path / "bare.safetensors"), weights)
    assert torch.equal(checkpoint.load_weights(str(tmp_path / "bare.safetensors"))["0.weight"], weights["0.weight"])


def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, training = tmp_path / "run.safetensors", Training()
    training.run(1)
    training.save(path)
    before = path.read_bytes()
    real_open = builtins.open

    def full(name: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        stream = real_open(name, mode, *rest, **options)
        if "w" in mode and str(name).startswith(str(tmp_path)):
            stream.write(b"half of it")
            stream.flush()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return stream

    monkeypatch.setattr(builtins, "open", full)
    training.run(1)
    with pytest.raises(DiskError, match="disk is full"):
        training.save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run.safetensors"]


def test_a_pickled_checkpoint_is_refused_unopened(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(2)}, tmp_path / "theirs.pth")
    with pytest.raises(ModelRefused, match="pickle"):
        checkpoint.load(str(tmp_path / "theirs.pth"))
    torch.save({"weights": torch.zeros(2)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(ModelRefused, match="pickle"):
        checkpoint.load_weights(str(tmp_path / "old.pth"))


@pytest.mark.parametrize("damage", ["empty", "short", "noise"])
def test_a_damaged_checkpoint_is_corrupt_input(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "run.safetensors"
    Training().save(path)
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "short": whole[: len(whole) // 2], "noise": b"x" * 500}[damage])
    with pytest.raises(CorruptInput):
        checkpoint.load(str(path))


def test_a_missing_checkpoint_is_missing_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInput):
        checkpoint.load(str(tmp_path / "none.safetensors"))


def test_another_recipe_is_not_resumed(tmp_path: Path) -> None:
    training = Training()
    training.save(tmp_path / "run.safetensors")
    with pytest.raises(UsageError, match="other settings"):
        training.restore(tmp_path / "run.safetensors", digest="xyz")


def test_another_network_is_not_resumed(tmp_path: Path) -> None:
    training = Training()
    training.save(tmp_path / "run.safetensors")
    training.net = nn.Sequential(nn.Conv2d(1, 5, 3))
    with pytest.raises(ModelRefused, match="another network"):
        training.restore(tmp_path / "run.safetensors")
