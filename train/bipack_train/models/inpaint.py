"""The inpaint network: a smooth fill of the hole, and what a wide U-Net adds to it.

The smooth fill is made by the graph itself: averages of the known pixels go down a pyramid, and on the way up every
unknown cell takes the value of the cell below it and is relaxed a little. The network then only has to say how the
picture differs from its smoothest continuation, which is what makes a small one learn quickly.

It may also be given a fill to start from, in the hole of the plate itself (`guided` = 1). That is how large holes are
filled from coarse to fine: solved at a small size, enlarged, and solved again with that as the start.

The U-Net works on 2x2 blocks put into channels and on four levels below; dilated convolutions on the two lowest see
several hundred pixels to each side. There is no normalisation over space and no pooling to a fixed size.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from bipack_train.models.unet import MIDDLE, UNet, row, small_at_first

LEVELS = 5
"""Halvings down to the lowest level; height and width are multiples of 2 ** LEVELS."""

_SPREADS = 6
"""Steps by which the smooth fill grows beyond its pyramid: 32 pixels each."""

_RELAXATIONS = 2
_TINY = 1e-6


WIDTHS = (32, 48, 64, 96, 96)
"""Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size."""

_ENCODER = ((1,), (1, 1), (1, 2), (1, 2, 4), (1, 2))
"""Dilations of the blocks on the way down, per level."""


def _box(values: Tensor) -> Tensor:
    """Mean of 3x3 cells; beyond the border the border cell stands in."""
    return functional.avg_pool2d(functional.pad(values, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def _doubled(values: Tensor) -> Tensor:
    return functional.interpolate(values, scale_factor=2.0, mode="bilinear", align_corners=False)


def smooth_fill(picture: Tensor, known: Tensor) -> Tensor:
    """`picture` (N, 3, H, W) where `known` (N, 1, H, W) is 1, continued smoothly where it is 0.

    Height and width are multiples of 2 ** LEVELS. What is in the hole has no influence.
    """
    seen = torch.where(known > 0, picture, torch.zeros_like(picture))
    stack = [(seen, known)]
    for _ in range(LEVELS):
        stack.append(tuple(functional.avg_pool2d(values, 2) for values in stack[-1]))  # type: ignore[arg-type]
    values, weight = stack[-1]
    for _ in range(_SPREADS):
        empty = weight <= 0
        values, weight = torch.where(empty, _box(values), values), torch.where(empty, _box(weight), weight)
    filled = (values + _TINY * MIDDLE) / (weight + _TINY)
    for values, weight in reversed(stack[:-1]):
        start, there = _doubled(filled), weight > 0
        mean = values / (weight + _TINY)
        filled = torch.where(there, mean, start)
        for _ in range(_RELAXATIONS):
            filled = torch.where(there, mean, _box(filled))
    return torch.where(known > 0, picture, filled)


class InpaintNet(UNet):
    """A start and where it is known in, the finished picture out; both encoded, of any range."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__(
            4, widths, lambda level: row(widths[level], _ENCODER[level]), lambda level: row(widths[level], (1,))
        )
        self.widths = widths
        self.change = small_at_first(nn.Conv2d(widths[0], 12, 3, padding=1))

    def forward(self, start: Tensor, known: Tensor) -> Tensor:
        """`start` (N, 3, H, W) and `known` (N, 1, H, W), 1 where the start is true, to the picture (N, 3, H, W)."""
        features = self.features(torch.cat([start - MIDDLE, known - MIDDLE], 1))
        return start + functional.pixel_shuffle(self.change(features), 2).float()


class Inpaint(nn.Module):
    """What is exported: plate, matte and whether the hole of the plate is a start; the finished picture out."""

    def __init__(self, net: InpaintNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, plate: Tensor, matte: Tensor, guided: Tensor) -> Tensor:
        """(N, 3, H, W), (N, 1, H, W) 0..1 and (1,) to (N, 3, H, W).

        The hole is wherever the matte is above 0; the result is laid in by the matte, and where that is 0 the plate
        passes through bit for bit.
        """
        known = (matte <= 0).to(plate.dtype)
        smooth = smooth_fill(plate, known)
        start = torch.where(guided > 0.5, plate, smooth)
        filled = self.net(start, known)
        amount = matte.clamp(0.0, 1.0)
        return torch.where(matte > 0, amount * filled + (1 - amount) * plate, plate)

    def half_twin(self) -> nn.Module:
        """The same with the U-Net in fp16; pictures and the smooth fill stay float32."""
        twin = copy.deepcopy(self).eval()
        twin.net.half()
        return twin
