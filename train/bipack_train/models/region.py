"""The region network: what one part of a face changes into, turned by a code.

A U-Net of the paint-fix family sees the stabilised crop and the region's matte, and a code z whose first number is the
amount (0 = the plate, 1 = the target) and whose others say how the pairs differ from one another besides. The code
scales and shifts the features of every level, so that what happens at half the amount is learned and no cross-fade.
The change is multiplied by amount and matte: at amount 0, and outside the matte, the result is the plate, bit for bit.
Beside the change the net says where there is one: lines and spots may be a twentieth of a region, and the skin between
them stays as it is.

A net may carry a `way` (models.way), learned once from people at many ages, which says when each part of a change
comes. Then the net itself only learns the whole change, and the amount goes to the way alone.

The free part of a code lies in the unit ball, and the projection is part of the graph, so that no slider leaves what
was learned. (P. Bojanowski et al., Optimizing the Latent Space of Generative Networks, 2017, for codes that are learned
without an encoder; E. Perez et al., FiLM, 2018, for features that are scaled and shifted by them.)
"""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from bipack_train.models.paintfix import SIZES
from bipack_train.models.unet import MIDDLE, Size, UNet, row, small_at_first
from bipack_train.models.way import Way, share

LIGHT = Size((24, 48, 72), (1, 1, 2), (1, 1))
"""What suits skin: lines are small, so that a quarter of the weights of "small" learns as much in half the time."""


def sizes() -> dict[str, Size]:
    """The shapes by name, the smallest first."""
    return {"light": LIGHT, **SIZES}


CLOSED, OPEN = 0.15, 0.5
"""How sure the net is of a change, 0..1, where nothing of it and where all of it is taken."""

WIDE_OPEN = 8.0
"""Logit of the gate of weights from before there was one."""


class RegionNet(UNet):
    """Crop (N, 3, H, W) encoded, matte (N, 1, H, W) and code (N, codes) to the change (N, 3, H, W), encoded.

    `parts` gives it ungated, for training; `result` is the finished crop. `size` names the shape (`sizes`). Height and
    width must be multiples of `multiple`.
    """

    ENDS = ("stem.", "change.")
    """Starts of the names of the first and last layers' parameters."""

    way: Way | None
    """When each part of the change comes; it is not learned with the net. None = the net was taught by the amount."""

    def __init__(self, size: str = "light", codes: int = 4, way: bool = False) -> None:
        shape = sizes()[size]
        widths = shape.widths
        super().__init__(
            4,
            widths,
            lambda level: row(widths[level], (1,) * shape.encoder[level]),
            lambda level: row(widths[level], (1,) * shape.decoder[level]),
        )
        self.size, self.codes = size, codes
        self.turn = nn.ModuleList(nn.Linear(codes, 2 * width) for width in (*widths, *widths[:-1]))
        for layer in self.turn:
            nn.init.zeros_(cast(nn.Linear, layer).weight)
            nn.init.zeros_(cast(nn.Linear, layer).bias)
        self.change = small_at_first(nn.Conv2d(widths[0], 16, 3, padding=1))
        self.way = Way().requires_grad_(False) if way else None

    @property
    def multiple(self) -> int:
        """Height and width of the input must be a multiple of this."""
        return max(super().multiple, self.way.multiple if self.way is not None else 1)

    def code(self, amount: Tensor, free: Tensor) -> Tensor:
        """The code (N, codes) for amount (N,) and a free part (N, codes - 1) that lies in the ball."""
        first = amount if self.way is None else torch.ones_like(amount)
        return torch.cat([first[:, None], free], dim=1)

    def share(self, plate: Tensor, matte: Tensor, change: Tensor, amount: Tensor) -> Tensor:
        """How much of `change` there is at amount (N,): (N, 1, 1, 1), or (N, 1, H, W) where the net has a way."""
        if self.way is None:
            return amount.view(-1, 1, 1, 1)
        begin, end = self.way(plate, matte, matte * change)
        return share(begin, end, amount)

    def result(self, plate: Tensor, matte: Tensor, amount: Tensor, free: Tensor) -> Tensor:
        """The finished crop (N, 3, H, W) at amount (N,) with a free code (N, codes - 1)."""
        change = self(plate, matte, self.code(amount, free))
        return applied(plate, change, matte, self.share(plate, matte, change, amount))

    def forward(self, plate: Tensor, matte: Tensor, code: Tensor) -> Tensor:
        """The change at full amount, not yet held to the matte."""
        change, sure = self.parts(plate, matte, code)
        return change * gate(sure)

    def parts(self, plate: Tensor, matte: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """The change (N, 3, H, W) that would be made everywhere, and the logit (N, 1, H, W) that there is one."""
        code = code.to(self.stem.weight.dtype)
        planes = torch.cat([plate - MIDDLE, matte], dim=1)
        change = self.change(self.features(planes, lambda features, index: self._turned(features, index, code)))
        planes = functional.pixel_shuffle(change, 2).float()
        return planes[:, :3], planes[:, 3:]

    def _turned(self, features: Tensor, index: int, code: Tensor) -> Tensor:
        scale, shift = self.turn[index](code)[:, :, None, None].chunk(2, dim=1)
        return cast(Tensor, features * (1.0 + scale) + shift)


def gate(sure: Tensor) -> Tensor:
    """(N, 1, H, W) 0..1 how much of the change is made, from its logit; 0 and 1 are reached."""
    return ((sure.sigmoid() - CLOSED) / (OPEN - CLOSED)).clamp(0.0, 1.0)


def gated(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a net of today from those of a net without a gate, which change all of the region; others as given."""
    weight, bias = weights.get("change.weight"), weights.get("change.bias")
    if weight is None or bias is None or len(weight) != 12:
        return weights
    wider = torch.cat([weight, torch.zeros_like(weight[:4])]), torch.cat([bias, torch.full_like(bias[:4], WIDE_OPEN)])
    return {**weights, "change.weight": wider[0], "change.bias": wider[1]}


def applied(plate: Tensor, change: Tensor, matte: Tensor, amount: Tensor) -> Tensor:
    """The plate with `change` laid in by matte (N, 1, H, W) times amount; where that is 0 the plate itself.

    The amount is (N,), or a share (N, 1, H or 1, W or 1) of its own for every pixel.
    """
    weight = matte * (amount.view(-1, 1, 1, 1) if amount.ndim == 1 else amount)
    return torch.where(weight > 0, plate + weight * change, plate)


def in_ball(free: Tensor) -> Tensor:
    """(N, codes - 1) projected into the unit ball."""
    length = free.square().sum(dim=1, keepdim=True).clamp(min=1e-12).sqrt()
    return free / length.clamp(min=1.0)


class Region(nn.Module):
    """What is exported: crop, matte and sliders in (and noise), finished crop out.

    `axes` (codes - 1, codes - 1) turns the sliders behind the first into a free code: row k is what slider k adds.
    """

    axes: Tensor

    def __init__(self, net: RegionNet, axes: Tensor | None = None, grain: nn.Module | None = None) -> None:
        super().__init__()
        self.net = net
        self.grain = grain
        self.register_buffer("axes", torch.eye(net.codes - 1) if axes is None else axes.clone().float())

    def forward(
        self,
        plate: Tensor,
        mask: Tensor,
        z: Tensor,
        noise: Tensor | None = None,
        noise_amount: Tensor | None = None,
    ) -> Tensor:
        """plate (N, 3, H, W) encoded, mask (N, 1, H, W) 0..1, z (N, codes) to the result (N, 3, H, W), encoded.

        The first number of z is the amount: 0 gives the plate, 1 the target, more than 1 overdoes it.
        """
        amount = z[:, 0]
        change, sure = self.net.parts(plate, mask, self.net.code(amount, in_ball(z[:, 1:] @ self.axes)))
        share = self.net.share(plate, mask, change * gate(sure), amount)
        if self.grain is not None and noise is not None and noise_amount is not None:
            change = change + noise_amount * self.grain(noise, plate + change)
        return applied(plate, change * gate(sure), mask, share)

    def half_twin(self) -> nn.Module:
        """The same with the U-Net in fp16; plate and sum stay float32, so that the plate passes bit for bit."""
        twin = copy.deepcopy(self).eval()
        twin.net.half()
        return twin
