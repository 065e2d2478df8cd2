"""What a super-res network is asked for."""

from __future__ import annotations

import torch
from torch import Tensor

NEGLIGIBLE = 3e-6
"""Squared error of a crop, 55 dB, below which getting even nearer teaches little."""


def loss_of(result: Tensor, truth: Tensor, squared: bool, frequency: float = 0.0, *, by_crop: bool = False) -> Tensor:
    """Mean error over RGB and luma, each picture divided by its brightest value where that is above 1.

    Without the division one lamp of 16 stops would outweigh all photographs of a batch. (N, 3, H, W) encoded.
    `by_crop` takes the root of each crop's mean square, so that an easy crop counts beside a hard one, as it does in a
    mean of PSNRs; `squared` is not looked at then.
    """
    peak = truth.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1.0)
    difference = (result - truth) / peak
    weights = torch.tensor((0.299, 0.587, 0.114), device=result.device).view(1, 3, 1, 1)
    bright = (difference * weights).sum(dim=1, keepdim=True)
    if by_crop:
        by_each = difference.square().mean(dim=(1, 2, 3)) + 2.0 * bright.square().mean(dim=(1, 2, 3))
        loss = (by_each + NEGLIGIBLE).sqrt().mean()
    elif squared:
        # Scaled to about the size of the first loss, so that the rate means the same in both.
        loss = 20.0 * (difference.square().mean() + 2.0 * bright.square().mean())
    else:
        loss = _charbonnier(difference) + _charbonnier(bright)
    return loss + frequency * focal_frequency(difference) if frequency else loss


def focal_frequency(difference: Tensor) -> Tensor:
    """Squared error by frequency, each weighted by its own share of the largest: the worst frequencies count most.

    (N, C, H, W). After Jiang and others, "Focal frequency loss for image reconstruction and synthesis", 2021.
    """
    with torch.autocast(difference.device.type, enabled=False):
        spectrum = torch.fft.rfft2(difference.float(), norm="ortho").abs()
        weight = spectrum.detach()
        weight = weight / weight.amax(dim=(2, 3), keepdim=True).clamp(min=1e-12)
        loss: Tensor = (weight * spectrum.square()).mean()
        return loss


def _charbonnier(difference: Tensor) -> Tensor:
    return (difference.square() + 1e-6).sqrt().mean()
