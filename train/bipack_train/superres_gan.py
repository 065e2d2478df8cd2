"""The late stage that adds detail: a discriminator asks for it, and artefacts are held down.

Half of a batch is enlarged without noise and judged by its error alone, so that the amount 0 stays the faithful model.
The other half gets noise and an amount; the discriminator (bipack_train.adversary) sees it beside its plate. What such
a stage invents wrongly is known: where the result is further from the truth than the averaged network without noise is,
and busy, it is an artefact, and its error counts there. Added detail must average out to the picture: its low
frequencies are held to the truth.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from bipack_train.adversary import Stage
from bipack_train.models.plain import repeat_pixels

_WINDOW = 7
"""Side of the window in which the busyness of an error is measured, in result pixels."""


def draw(low: Tensor) -> tuple[Tensor, Tensor]:
    """Noise (N, 1, H, W) and amounts (N, 1, 1, 1) for a batch: 0 for its first half, 0.3 to 1 for the others."""
    count = low.shape[0]
    noise = torch.randn(count, 1, *low.shape[2:], device=low.device)
    amount = 0.3 + 0.7 * torch.rand(count, 1, 1, 1, device=low.device)
    amount[: (count + 1) // 2] = 0.0
    return noise, amount


def loss(stage: Stage, low: Tensor, result: Tensor, truth: Tensor, steady: Tensor, suppression: float) -> Tensor:
    """Loss of the half with detail: all (N, 3, …) encoded; `steady` is the averaged network's result without noise."""
    scale = result.shape[-1] // low.shape[-1]
    plate = repeat_pixels(low[:, :3], scale)
    asked = stage.step(plate, result, truth, torch.ones_like(plate[:, :1]))
    coarse = functional.avg_pool2d(result - truth, 2 * scale).abs().mean()
    return asked + coarse + suppression * (artefacts(result, truth, steady) * (result - truth).abs()).mean()


def artefacts(result: Tensor, truth: Tensor, steady: Tensor) -> Tensor:
    """How much each pixel is an artefact, (N, 1, H, W) without gradient.

    The spread of the error around it, more so in crops that err much, where the steady result is nearer to the truth.
    After Liang, Zeng and Zhang, "Details or artifacts", 2022.
    """
    with torch.no_grad():
        error = (truth - result).abs().mean(dim=1, keepdim=True)
        calm = (truth - steady).abs().mean(dim=1, keepdim=True)
        mean = functional.avg_pool2d(error, _WINDOW, 1, _WINDOW // 2)
        variance = functional.avg_pool2d(error.square(), _WINDOW, 1, _WINDOW // 2) - mean.square()
        crop = error.var(dim=(2, 3), keepdim=True).clamp(min=1e-12) ** 0.2
        return variance.clamp(min=0.0) ** 0.5 * crop * (error > calm)
