from __future__ import annotations

import torch
from torch import Tensor

from bipack_train.models.unet import Block, UNet, row

WIDTHS = (4, 6, 8)


def net() -> UNet:
    torch.manual_seed(0)
    return UNet(3, WIDTHS, lambda level: row(WIDTHS[level], (1, 2)), lambda level: Block(WIDTHS[level]))


def test_features_lie_at_half_resolution() -> None:
    made = net()
    assert made.multiple == 8
    assert made.features(torch.rand(2, 3, 16, 24)).shape == (2, 4, 8, 12)


def test_every_station_can_change_the_features() -> None:
    made, planes, stations = net(), torch.rand(1, 3, 8, 8), list[tuple[int, int]]()

    def seen(features: Tensor, index: int) -> Tensor:
        stations.append((index, features.shape[1]))
        return features

    assert torch.equal(made.features(planes, seen), made.features(planes))
    assert stations == [(0, 4), (1, 6), (2, 8), (4, 6), (3, 4)]
    for index, _ in stations:
        other = made.features(planes, lambda features, at, index=index: features + 1 if at == index else features)
        assert not torch.equal(other, made.features(planes))


def test_what_a_pixel_sees_is_bounded() -> None:
    made, planes = net(), torch.rand(1, 3, 8, 512)
    other = planes.clone()
    other[..., 256] += 1
    changed = (made.features(other) - made.features(planes)).abs().amax(dim=(0, 1, 2)) > 0
    assert changed[128] and not changed[:80].any() and not changed[180:].any()


def test_a_block_starts_near_to_doing_nothing() -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 16, 32, 32)
    assert 0 < float((Block(16)(features) - features).std()) < 0.5
