from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import tiny_paintfix  # noqa: F401  (makes the size known)
from bipack.worker.graph import analyse
from bipack_train import export
from bipack_train.models.finds import apply_gate, gate
from bipack_train.models.paintfix import PaintFix, PaintFixNet, PaintFixUNet


def marked_net(size: str = "tiny", frames: int = 1) -> PaintFixNet:
    """A net whose matte is open in some places and shut in others."""
    torch.manual_seed(0)
    net = PaintFixUNet(size, frames)
    torch.nn.init.normal_(net.matte.weight, std=0.5)
    torch.nn.init.constant_(net.matte.bias, -2.0)
    torch.nn.init.normal_(net.change.weight, std=0.1)
    return net.eval()


def test_the_gate_is_exactly_zero_below_its_threshold_and_exactly_one_above() -> None:
    factor = gate(torch.logit(torch.tensor([0.0001, 0.0999, 0.3, 0.51, 0.9])))
    assert factor[:2].tolist() == [0.0, 0.0]
    assert 0.4 < factor[2] < 0.6
    assert factor[3:].tolist() == [1.0, 1.0]


def test_where_the_gate_is_shut_the_plate_passes_bit_for_bit() -> None:
    plate = torch.randn(1, 3, 64, 64) * 3
    plate[0, 0, 0, 0] = -0.0
    with torch.no_grad():
        result, matte = PaintFix(marked_net())(plate)
    shut = (matte == 0).expand_as(plate)
    assert 0.05 < shut.float().mean() < 0.95
    assert torch.equal(result[shut].view(torch.int32), plate[shut].view(torch.int32))
    assert not torch.equal(result[~shut], plate[~shut])


def test_a_change_that_is_not_finite_cannot_reach_pixels_outside_the_gate() -> None:
    plate = torch.rand(1, 3, 4, 4)
    factor = torch.zeros(1, 1, 4, 4)
    assert torch.equal(apply_gate(plate, torch.full_like(plate, torch.nan), factor), plate)


def test_a_fresh_net_changes_nothing() -> None:
    plate = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        result, matte = PaintFix(PaintFixUNet("tiny").eval())(plate)
    assert not matte.any()
    assert torch.equal(result, plate)


@pytest.mark.parametrize("size", ["small", "medium", "tiny"])
def test_the_exported_graph_tiles_exactly(size: str, tmp_path: Path) -> None:
    net = PaintFix(PaintFixUNet(size).eval())
    path = str(tmp_path / "model.onnx")
    side = 2 * net.net.multiple
    export.export_onnx(net, path, [torch.rand(1, 3, side, side)], ["plate"], ["result", "matte"])
    facts = analyse(path)
    assert facts.tiling == "exact", facts.reasons
    assert facts.multiple == net.net.multiple
    assert facts.opset >= 18


def test_the_half_twin_keeps_the_plate_in_full_precision() -> None:
    module = PaintFix(marked_net())
    plate = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        result, matte = module(plate)
        twin, twin_matte = module.half_twin()(plate)
    shut = ((matte == 0) & (twin_matte == 0)).expand_as(plate)
    assert shut.any()
    assert torch.equal(twin[shut], plate[shut])
    assert float((twin - result).abs().max()) < 0.05


def test_neighbour_frames_are_seen_and_only_the_current_one_is_changed() -> None:
    net = marked_net(frames=3)
    plate = torch.rand(1, 9, 32, 32)
    other = plate.clone()
    other[:, 3:] += 0.2
    with torch.no_grad():
        first, _ = net(plate)
        second, _ = net(other)
    assert first.shape == (1, 3, 32, 32)
    assert not torch.equal(first, second)
    assert np.isfinite(first.numpy()).all()
