"""The slow-motion networks: they begin as the classical method, and still parts never move."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bipack_train import publish_slowmo, slowmo, slowmo_recipe
from bipack_train.models.slowmo import FlowNet, SynthesisNet, blend, warp

SETTINGS = slowmo_recipe.SlowmoRecipe("tiny", "Tiny", "1.0.0", "A test.")


def trained_looking(seed: int = 0) -> torch.nn.ModuleDict:
    """Networks whose zero-initialised heads have weights too, as after training."""
    torch.manual_seed(seed)
    nets = slowmo.networks(SETTINGS)
    for name, value in nets.named_parameters():
        if "head" in name:
            torch.nn.init.normal_(value, 0, 0.1)
    return nets.eval()


def moving_squares(step: float, side: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    picture = torch.nn.functional.interpolate(torch.rand(1, 3, 12, 12), size=(side, side), mode="bicubic")
    shift = torch.zeros(1, 2, side, side)
    shift[:, 0] = -step
    return picture, warp(picture, shift)


def even_flow(step: float, side: int = 64) -> torch.Tensor:
    prior = torch.zeros(1, 4, side, side)
    prior[:, 0], prior[:, 2] = step, -step
    return prior


@pytest.mark.parametrize("time", [0.0, 0.25, 0.5, 1.0])
def test_untrained_networks_follow_the_flow_that_they_are_given(time):
    first, second = moving_squares(3.0)
    moment = torch.full((1, 1, 1, 1), time)
    with torch.no_grad():
        flow, reliability = FlowNet()(first, second, even_flow(3.0))
        to0, to1, mask = SynthesisNet()(first, second, flow, reliability, moment)
    assert torch.allclose(flow, even_flow(3.0), atol=1e-4)
    assert float(reliability[:, :, 8:-8, 8:-8].min()) > 0.9
    assert torch.allclose(to0[:, 0, 8:-8, 8:-8], torch.tensor(-3.0 * time), atol=1e-3)
    assert torch.allclose(to1[:, 0, 8:-8, 8:-8], torch.tensor(3.0 * (1 - time)), atol=1e-3)
    assert torch.allclose(mask[:, :, 8:-8, 8:-8], torch.tensor(1 - time), atol=0.01)


def test_the_new_frame_lies_where_the_motion_puts_it():
    first, second = moving_squares(4.0)
    halfway = moving_squares(0.0)[0]
    halfway = warp(first, torch.cat([torch.full((1, 1, 64, 64), -2.0), torch.zeros(1, 1, 64, 64)], dim=1))
    with torch.no_grad():
        flow, reliability = FlowNet()(first, second, even_flow(4.0))
        parts = SynthesisNet()(first, second, flow, reliability, torch.full((1, 1, 1, 1), 0.5))
        result = blend(first, second, *parts)
    assert float((result - halfway).abs()[:, :, 8:-8, 8:-8].max()) < 1e-3
    assert float((0.5 * (first + second) - halfway).abs()[:, :, 8:-8, 8:-8].max()) > 0.05


def test_still_frames_come_back_to_the_bit_whatever_was_learned():
    nets = trained_looking()
    frame = torch.rand(1, 3, 64, 64) * 3
    with torch.no_grad():
        flow, reliability = nets["flow"](frame, frame, torch.zeros(1, 4, 64, 64))
        parts = nets["synthesis"](frame, frame, flow, reliability, torch.full((1, 1, 1, 1), 0.3))
    assert not flow.any() and not parts[0].any() and not parts[1].any()


def test_learned_parts_take_part_where_frames_differ():
    nets = trained_looking()
    first, second = moving_squares(3.0)
    with torch.no_grad():
        flow, _ = nets["flow"](first, second, even_flow(3.0))
    assert float((flow - even_flow(3.0)).abs().max()) > 0.05


def test_exported_graphs_agree_with_the_networks(tmp_path):
    nets = trained_looking(3)
    publish_slowmo._export(nets, SETTINGS, str(tmp_path))
    found = publish_slowmo.checks(nets, str(tmp_path))
    assert len(found) == 7
    assert all(check.passed for check in found), found
    other = publish_slowmo.checks(trained_looking(4), str(tmp_path))
    assert not all(check.passed for check in other)


def test_both_directions_share_their_weights():
    nets = trained_looking()
    first, second = moving_squares(2.0)
    prior = even_flow(2.0) + 0.3
    with torch.no_grad():
        flow, reliability = nets["flow"](first, second, prior)
        turned, turned_reliability = nets["flow"](second, first, prior[:, [2, 3, 0, 1]])
    assert np.allclose(flow.numpy(), turned.numpy()[:, [2, 3, 0, 1]], atol=1e-4)
    assert np.allclose(reliability.numpy(), turned_reliability.numpy()[:, [1, 0]], atol=1e-4)
