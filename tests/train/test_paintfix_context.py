"""The network with a borrowed encoder; only where segmentation-models-pytorch is installed, but for the sentence
that says how to install it."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
import torch

import tiny_paintfix
from bipack.errors import UsageError
from bipack_train import init_weights, paintfix_loop, pairs, publish_pairs
from bipack_train.models import networks
from bipack_train.models.paintfix import PaintFix
from painted import write


@pytest.fixture(scope="module")
def net() -> torch.nn.Module:
    pytest.importorskip("segmentation_models_pytorch")
    torch.manual_seed(0)
    return networks.build("context", 1).eval()


def test_a_fresh_net_changes_nothing(net: torch.nn.Module) -> None:
    plate = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        result, matte = PaintFix(net)(plate)
    assert not matte.any()
    assert torch.equal(result, plate)


def test_no_norm_depends_on_what_else_is_in_the_batch(net: torch.nn.Module) -> None:
    net.train()
    plates = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        together, alone = net(plates)[0][:1], net(plates[:1])[0]
    net.eval()
    assert torch.allclose(together, alone, atol=1e-5)


def test_the_decoder_is_that_of_the_package(net: torch.nn.Module) -> None:
    with torch.no_grad():
        features = net.unet.encoder(torch.rand(1, 3, 64, 96))
        assert torch.equal(net._decoded(features[1:]), net.unet.decoder(features))


def test_it_trains_is_published_as_blended_and_started_from(net: torch.nn.Module, tmp_path: Path) -> None:
    before, after = write(tmp_path / "shot", range(1001, 1002))
    settings = tiny_paintfix.recipe(2, size="context", noise=False)
    settings = dataclasses.replace(settings, sampling=dataclasses.replace(settings.sampling, side=64))
    read = [pairs.read(files) for files in pairs.match(before, after).pairs]
    run = paintfix_loop.train(settings, read, str(tmp_path / "run"), device="cpu")
    card = publish_pairs.publish(run, read, str(tmp_path / "model"), None)
    assert card.geometry.tiling == "blend" and card.geometry.multiple == 32
    weights, _ = init_weights.load(str(tmp_path / "model"), "context", 1)
    assert all(torch.equal(weights[name], value) for name, value in run.ema.state().items())
    wide = networks.build("context", 3)
    wide.load_state_dict(init_weights.load(str(tmp_path / "model"), "context", 3)[0])
    assert init_weights.net_of(str(tmp_path / "model")).size == "context"


def test_a_missing_package_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(UsageError, match="--extras train,context"):
        networks.build("context", 1)
