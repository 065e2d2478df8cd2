from __future__ import annotations

import numpy as np
import pytest
import torch

from bipack.imaging import color
from bipack_train.models.plain import BranchedConv, PlainNet, Skip, hold_lights, repeat_pixels


def net(scale: int = 2) -> PlainNet:
    torch.manual_seed(0)
    made = PlainNet(scale, width=8, depth=4)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim == 1:
                parameter.uniform_(-0.1, 0.1)
    return made


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 8), (8, 8), (8, 12)])
def test_the_one_kernel_is_the_sum_of_all_branches(inputs: int, outputs: int) -> None:
    torch.manual_seed(1)
    layer = BranchedConv(inputs, outputs)
    pixels = torch.randn(2, inputs, 9, 7)
    assert torch.allclose(layer(pixels), layer.branch_by_branch(pixels), atol=1e-5)


def test_every_branch_contributes() -> None:
    torch.manual_seed(1)
    layer = BranchedConv(8, 8)
    whole = layer.kernel()
    for name in ("weight3", "weight1", "gather"):
        kept = getattr(layer, name).detach().clone()
        with torch.no_grad():
            getattr(layer, name).zero_()
        assert not torch.allclose(layer.kernel(), whole, atol=1e-3)
        with torch.no_grad():
            getattr(layer, name).copy_(kept)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_the_fused_network_equals_the_trained_one(scale: int) -> None:
    made = net(scale)
    plate = torch.rand(1, 3, 13, 10) * 6 - 1
    fused = made.fused()
    fused.limited = False
    assert fused(plate).shape == (1, 3, 13 * scale, 10 * scale)
    assert torch.allclose(fused(plate), made(plate), atol=1e-5)


def test_the_fused_network_is_made_of_plain_convolutions() -> None:
    kinds = {type(layer).__name__ for layer in net().fused().body}
    assert kinds == {"Conv2d", "LeakyReLU"}


def test_with_a_silent_last_layer_the_plate_comes_back_pixel_for_pixel() -> None:
    made = net().fused()
    with torch.no_grad():
        made.body[-1].weight.zero_()
        made.body[-1].bias.zero_()
    plate = torch.tensor([[-3.0, 0.5], [5.9, 1e-4]]).expand(1, 3, 2, 2)
    assert torch.allclose(made(plate), plate.repeat_interleave(2, 2).repeat_interleave(2, 3), atol=1e-5)


def test_repeated_pixels_are_centred() -> None:
    ramp = torch.arange(6.0).view(1, 1, 1, 6)
    wide = repeat_pixels(ramp, 2)[0, 0, 0]
    assert torch.equal(wide, torch.arange(6.0).repeat_interleave(2))


def with_skips() -> PlainNet:
    torch.manual_seed(0)
    made = PlainNet(2, width=8, depth=8, branched=False, skips=2)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return made


def test_skips_add_nothing_at_first_and_count_in_the_depth() -> None:
    torch.manual_seed(0)
    made = PlainNet(2, width=8, depth=8, branched=False, skips=2)
    found = [layer for layer in made.body if isinstance(layer, Skip)]
    assert len(found) == 2
    pixels = torch.randn(1, 8, 5, 6)
    assert all(torch.equal(skip(pixels), pixels) for skip in found)
    assert sum(isinstance(layer, torch.nn.Conv2d) for layer in made.modules()) == 8
    assert not torch.equal(with_skips().body[4](pixels), pixels)


@pytest.mark.parametrize("made", [net(), with_skips()], ids=["row", "skips"])
def test_a_result_pixel_sees_one_plate_pixel_per_convolution(made: PlainNet) -> None:
    made = made.fused()
    plate = torch.rand(1, 3, 25, 25) * 0.5
    changed = plate.clone()
    changed[:, :, 12, 12] += 0.3
    touched = (made(changed) - made(plate)).abs().sum(1)[0].nonzero()
    assert touched.min() == (12 - made.depth) * 2
    assert touched.max() == (12 + made.depth) * 2 + 1


def test_the_half_twin_keeps_the_plate_in_float32() -> None:
    made = net()
    plate = torch.full((1, 3, 8, 8), 5.12345)
    twin, full = made.half_twin()(plate), made.fused()(plate)
    assert twin.dtype == torch.float32
    assert (twin - full).abs().max() < 0.01
    with torch.no_grad():
        silent = made.fused()
        silent.body[-1].weight.zero_()
        silent.body[-1].bias.zero_()
    assert torch.equal(silent.half_twin()(plate), repeat_pixels(plate, 2))


@pytest.mark.parametrize("balance", [True, False])
def test_beside_a_light_of_50000_to_1_nothing_rings(balance: bool) -> None:
    ground, light = 0.18, 9000.0
    plate = np.full((1, 3, 24, 24), ground, np.float32)
    plate[:, :, 5:, 9:] = light
    encoded = torch.from_numpy(color.encode(plate))
    made = net()
    loud = hold_lights(made(encoded) + torch.randn(1, 3, 48, 48) * 3, encoded, 2, balance)
    linear = color.decode(loud.detach().numpy())
    assert linear.max() <= 1.02 * light
    assert color.encode(linear).min() >= encoded.min() - 0.04
    beside = linear[:, :, :, 2 * 8 : 2 * 9][:, :, 2 * 7 :]
    assert color.encode(beside).min() >= encoded.min() - 0.01


def test_ordinary_pictures_are_not_limited() -> None:
    # As far beyond its surroundings as their own range: more than any line that a halved picture can have held.
    torch.manual_seed(0)
    plate = torch.rand(1, 3, 16, 16)
    highest = torch.nn.functional.max_pool2d(plate, 3, 1, 1)
    lowest = -torch.nn.functional.max_pool2d(-plate, 3, 1, 1)
    for bound in (highest + (highest - lowest), lowest - (highest - lowest)):
        result = repeat_pixels(bound, 2)
        assert torch.equal(hold_lights(result, plate, 2), result)


def test_the_limit_follows_the_plate_and_not_a_fixed_range() -> None:
    for level in (-20.0, 0.0, 3.0, 40.0):
        plate = torch.full((1, 3, 6, 6), level)
        assert torch.allclose(hold_lights(repeat_pixels(plate, 2), plate, 2), repeat_pixels(plate, 2), atol=1e-5)


def test_a_glint_keeps_its_light() -> None:
    linear = np.full((1, 3, 12, 12), 0.18, np.float32)
    linear[:, :, 6, 5] = 9000.0
    plate = torch.from_numpy(color.encode(linear))
    dimmed = repeat_pixels(plate, 2)
    dimmed[:, :, 12:14, 10:12] *= 0.7  # what spreading a point does: in light, a hundredth
    result = color.decode(hold_lights(dimmed, plate, 2).numpy())
    block = result[:, :, 12:14, 10:12]
    assert color.decode(dimmed.numpy())[:, :, 12:14, 10:12].mean() < 0.05 * 9000
    assert np.allclose(block.mean(), 9000.0, rtol=0.02)
    assert torch.equal(hold_lights(dimmed, plate, 2, balance=False), dimmed)


def test_lights_of_any_brightness_leave_finite_values() -> None:
    linear = np.full((1, 3, 9, 9), -1e6, np.float32)
    linear[:, :, 4, 4] = 3e38
    plate = torch.from_numpy(color.encode(linear))
    assert torch.isfinite(hold_lights(repeat_pixels(plate, 2) * 1.3, plate, 2)).all()


def test_the_limit_is_off_while_training_and_for_restoration() -> None:
    assert not net().limited
    assert net().fused().limited
    assert not net(scale=1).fused().limited
