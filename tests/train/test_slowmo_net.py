"""The slow-motion networks: they begin as a fair guess, and still parts never move."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bipack.imaging import bending
from bipack.imaging.candidates import candidates
from bipack_train import publish_slowmo, slowmo, slowmo_landing, slowmo_recipe
from bipack_train.models.slowmo import warp

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


def unknown(side: int = 64) -> torch.Tensor:
    return torch.zeros(1, bending.CHANNELS, side, side)


def speeding_up(bend: float, side: int = 64) -> torch.Tensor:
    """What both frames around say of motion that gets faster by `bend` pixels a frame, to the right."""
    around = unknown(side)
    around[:, [0, 2]], around[:, 6:] = bend, 1
    return around


def made(nets: torch.nn.ModuleDict, first: torch.Tensor, second: torch.Tensor, flow: torch.Tensor, time: float):
    """Candidates as numpy, and their weights as tensors."""
    frames = [picture[0].permute(1, 2, 0).contiguous().numpy() for picture in (first, second)]
    plain = flow[0].permute(1, 2, 0).contiguous().numpy()
    found = candidates(*frames, plain, np.zeros_like(plain), time, np.zeros_like(plain))
    planes = np.concatenate(found.moved, axis=2), found.landed_whole
    moved, landed = (torch.from_numpy(part.transpose(2, 0, 1)[None].copy()) for part in planes)
    with torch.no_grad():
        return found, nets["synthesis"](moved, first, second, landed, torch.full((1, 1, 1, 1), time))


@pytest.mark.parametrize("time", [0.0, 0.25, 0.5, 1.0])
def test_untrained_networks_follow_the_flow_that_they_are_given(time):
    first, second = moving_squares(3.0)
    nets = slowmo.networks(SETTINGS).eval()
    with torch.no_grad():
        flow, bend, reliability = nets["flow"](first, second, even_flow(3.0), unknown())
    found, weights = made(nets, first, second, flow, time)
    inner = (slice(8, -8), slice(8, -8))
    assert torch.allclose(flow, even_flow(3.0), atol=1e-4) and not bend.any()
    assert float(reliability[:, :, 8:-8, 8:-8].min()) > 0.9
    for index, shift in enumerate((-3 * time, 3 * (1 - time)) * 4):
        assert np.allclose(found.shifts[index][inner][:, :, 0], shift, atol=1e-3)
    assert torch.allclose(weights.sum(dim=1), torch.ones(1), atol=1e-5)
    of_frame0 = weights[:, 0::2].sum(dim=1)[:, 8:-8, 8:-8]
    assert torch.allclose(of_frame0, torch.tensor(1 - time), atol=0.02)
    assert float(weights[:, 8:, 8:-8, 8:-8].max()) < 0.02


def test_the_frame_in_which_a_pixel_is_hidden_counts_for_less():
    """A square moves right over a still background: what it leaves free is in frame 1 alone."""
    torch.manual_seed(5)
    grey = torch.nn.functional.interpolate(torch.rand(1, 3, 16, 16), size=(64, 64), mode="bicubic") * 0.3
    first, second, flow = grey.clone(), grey.clone(), torch.zeros(1, 4, 64, 64)
    for picture, left in ((first, 16), (second, 32)):
        picture[:, :, 20:44, left : left + 20] = 0.9
    flow[:, 0, 20:44, 16:36], flow[:, 2, 20:44, 32:52] = 16, -16
    _, weights = made(slowmo.networks(SETTINGS).eval(), first, second, flow, 0.5)
    free, covered = weights[0, :, 26:38, 17:22].mean(dim=(1, 2)), weights[0, :, 26:38, 46:51].mean(dim=(1, 2))
    assert free[3] > 2 * free[2] and covered[0] > 2 * covered[1]


def test_still_frames_do_not_move_whatever_was_learned_and_whatever_moves_around_them():
    nets = trained_looking()
    frame = torch.rand(1, 3, 64, 64) * 3
    with torch.no_grad():
        flow, bend, _ = nets["flow"](frame, frame, torch.zeros(1, 4, 64, 64), speeding_up(4.0))
    assert not flow.any() and not bend.any()


def test_untrained_motion_bends_half_as_much_as_the_frames_around_say():
    first, second = moving_squares(3.0)
    net = slowmo.networks(SETTINGS).eval()["flow"]
    with torch.no_grad():
        both = net(first, second, even_flow(3.0), speeding_up(2.0))[1]
        alone = speeding_up(2.0)
        alone[:, [0, 6]] = 0  # nothing is known of the frame before
        one = net(first, second, even_flow(3.0), alone)[1]
    for bend in (both, one):
        assert torch.allclose(bend[:, [0, 2], 8:-8, 8:-8], torch.tensor(1.0), atol=0.05)
        assert not bend[:, [1, 3]].any()


def test_nothing_bends_where_no_frame_around_is_known_whatever_was_learned():
    first, second = moving_squares(3.0)
    with torch.no_grad():
        bends = [
            trained_looking()["flow"](first, second, even_flow(3.0), one)[1] for one in (unknown(), speeding_up(2))
        ]
    assert not bends[0].any() and bends[1].any()


@pytest.mark.parametrize("time", [0.25, 0.5])
def test_the_trainer_makes_the_candidates_of_the_host(time):
    first, second = moving_squares(3.0)
    flow, bend = even_flow(3.0) + torch.randn(1, 4, 64, 64), torch.randn(1, 4, 64, 64)
    second[:, :, :32] = first[:, :, :32]  # here nothing may bend
    around = torch.randn(1, bending.CHANNELS, 64, 64)
    measured = slowmo_landing.steadied(around, first, second)
    moment = torch.full((1, 1, 1, 1), time)
    landed, shifts = slowmo_landing.landed(first, second, flow, bend, moment, measured)
    tensors = (first, second, flow, bend, around, landed, shifts)
    pixels = [one[0].permute(1, 2, 0).contiguous().numpy() for one in tensors]
    steady = bending.steadied(pixels[4], *pixels[:2])
    assert not steady[:16].any() and np.allclose(steady, measured[0].permute(1, 2, 0), atol=1e-5)
    found = candidates(*pixels[:4], time, steady)
    assert np.allclose(pixels[5], found.landed, atol=1e-4)
    assert np.allclose(pixels[6], np.concatenate(found.shifts, axis=2), atol=1e-3)


def test_learned_parts_take_part_where_frames_differ():
    nets = trained_looking()
    first, second = moving_squares(3.0)
    with torch.no_grad():
        flow = nets["flow"](first, second, even_flow(3.0), unknown())[0]
    assert float((flow - even_flow(3.0)).abs().max()) > 0.05
    plain = made(slowmo.networks(SETTINGS).eval(), first, second, even_flow(3.0), 0.5)[1]
    assert float((made(nets, first, second, even_flow(3.0), 0.5)[1] - plain).abs().max()) > 0.05


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
    prior, around = even_flow(2.0) + 0.3, torch.rand(1, bending.CHANNELS, 64, 64)
    backwards = [2, 3, 0, 1, 5, 4, 7, 6]
    with torch.no_grad():
        found = nets["flow"](first, second, prior, around)
        turned = nets["flow"](second, first, prior[:, [2, 3, 0, 1]], around[:, backwards])
    for one, other, order in zip(found, turned, ([2, 3, 0, 1], [2, 3, 0, 1], [1, 0]), strict=True):
        assert np.allclose(one.numpy(), other.numpy()[:, order], atol=1e-4)
