"""The late stage that makes up detail: a discriminator asks for it, and artefacts are held down.

Only the layers that make detail (models.detail) learn here; what they add to stays the faithful result. Three things
are asked of the sum besides a small error: what the discriminator (bipack_train.adversary) wants to see beside the
plate, what its layers see in the truth, and texture as strong as the truth's. The last two are steadier guides than the
first, which alone invents patterns. What such a stage invents wrongly is known: where the sum is further from the truth
than the faithful result, and busy, it is an artefact, and its error counts there. Added detail must average out to the
picture: its low frequencies are held to the truth, and so is what comes back in every block that a plate pixel becomes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from bipack_train import adversary

_WINDOW = 7
"""Side of the window in which the busyness of an error is measured, in result pixels."""

_PATCH = 8
"""Side of the window in which the strength of texture is measured, in pixels of its octave; four blocks at least."""

_LEAST = 1e-5
"""Square of the texture that counts as none: 0.8 of 255."""

_BLOCKS = 6
"""Side of the window in which a pattern is looked for, in plate pixels."""


def loss(
    stage: adversary.Stage,
    low: Tensor,
    result: Tensor,
    truth: Tensor,
    steady: Tensor,
    weights: tuple[float, float, float],
) -> Tensor:
    """Loss of crops with detail: all (N, 3, …) encoded; `steady` is the faithful result.

    `weights` are those of suppression, texture and matching.
    """
    suppression, textured, matching = weights
    scale = result.shape[-1] // low.shape[-1]
    peak = truth.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1.0)
    # Bicubic: beside repeated pixels the truth has the steps of their blocks, and steps in the result would look right.
    plate = functional.interpolate(low[:, :3], scale_factor=float(scale), mode="bicubic") / peak
    result, truth, steady = (pixels / peak for pixels in (result, truth, steady))
    with torch.autocast(low.device.type, torch.bfloat16):
        stage.learn(plate, result.detach(), truth, functional.avg_pool2d(torch.ones_like(plate[:, :1]), 4))
        looks = [look.float() for look in stage.net.activations(adversary.seen(plate, result))]
        with torch.no_grad():
            wanted = [look.float() for look in stage.net.activations(adversary.seen(plate, truth))]
    pull = -stage.settings.weight * looks[-1].mean(dim=(1, 2, 3))
    pull = pull + textured * texture(result, truth, scale)
    if matching:
        pull = pull + matching * _matching(looks[:-1], wanted[:-1])
    error = (result - truth).abs()
    coarse = functional.avg_pool2d(result - truth, 2 * scale).abs().mean()
    held = error.mean() + coarse + pattern(result, truth, scale)
    held = held + suppression * (artefacts(result, truth, steady) * error).mean()
    return held + pull.mean()


def pattern(result: Tensor, truth: Tensor, scale: int) -> Tensor:
    """By how much the same error comes back in neighbouring blocks of scale x scale, one number.

    Detail that differs from place to place averages out over the _BLOCKS^2 blocks; a pattern of the network does not.
    """
    errors = functional.pixel_unshuffle(result - truth, scale)
    blocks = min(_BLOCKS, errors.shape[-1])
    return scale * functional.avg_pool2d(errors, blocks, max(1, blocks // 2)).abs().mean()


def texture(result: Tensor, truth: Tensor, scale: int = 2) -> Tensor:
    """By how much the strength of texture differs from the truth's, (N,), summed over two octaves and three directions.

    Strength is the RMS of differences between neighbours in windows of some pixels, for luma and both kinds of chroma:
    where a stroke lies in its window does not matter, so that nothing is gained by averaging it away. That of the
    result is taken for each place in the blocks of scale x scale that plate pixels become, and compared with that of
    the whole window of the truth: were it not as strong everywhere, steps at the sides of blocks would do for texture.
    """
    total = torch.zeros(result.shape[0], device=result.device)
    pictures, block = [_luma_chroma(result), _luma_chroma(truth)], scale
    for _ in range(2):
        for own, wanted in zip(*(_differences(picture) for picture in pictures), strict=True):
            total = total + (_strength(own, block) - _strength(wanted, block, each=False)).abs().mean(dim=(1, 2, 3))
        pictures, block = [functional.avg_pool2d(picture, 2) for picture in pictures], max(1, block // 2)
    return total


def _luma_chroma(picture: Tensor) -> Tensor:
    red, green, blue = picture.unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return torch.stack([luma, blue - luma, red - luma], dim=1)


def _differences(picture: Tensor) -> list[Tensor]:
    """Across, down and both, each as large as the picture: 0 where there is no neighbour."""
    across = functional.pad(picture[..., 1:] - picture[..., :-1], (0, 1))
    down = functional.pad(picture[..., 1:, :] - picture[..., :-1, :], (0, 0, 0, 1))
    return [across, down, functional.pad(across[..., 1:, :] - across[..., :-1, :], (0, 0, 0, 1))]


def _strength(differences: Tensor, block: int, each: bool = True) -> Tensor:
    """RMS in windows of blocks, (N, C * block^2, …): for each place in a block, or that of all places for each."""
    cells = min(max(_PATCH // block, 4), differences.shape[-1] // block)
    squares = differences.square()
    if each:
        mean = functional.avg_pool2d(functional.pixel_unshuffle(squares, block), cells, max(1, cells // 2))
    else:
        mean = functional.avg_pool2d(squares, cells * block, max(1, cells // 2) * block)
        mean = mean.repeat_interleave(block**2, dim=1)
    return (mean + _LEAST).sqrt()


def _matching(looks: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Mean difference of the discriminator's layers, (N,), each measured by how large its values are in the truth."""
    total = torch.zeros(looks[0].shape[0], device=looks[0].device)
    for look, want in zip(looks, wanted, strict=True):
        total = total + (look - want).abs().mean(dim=(1, 2, 3)) / want.abs().mean().clamp(min=1e-6)
    return total / len(looks)


def artefacts(result: Tensor, truth: Tensor, steady: Tensor) -> Tensor:
    """How much each pixel is an artefact, (N, 1, H, W) without gradient.

    The spread of the error around it, more so in crops that err much, where the steady result is nearer to the truth.
    After Liang, Zeng and Zhang, "Details or artifacts", 2022.
    """
    with torch.no_grad():
        error = (truth - result).abs().mean(dim=1, keepdim=True)
        steadier = (truth - steady).abs().mean(dim=1, keepdim=True)
        mean = functional.avg_pool2d(error, _WINDOW, 1, _WINDOW // 2)
        variance = functional.avg_pool2d(error.square(), _WINDOW, 1, _WINDOW // 2) - mean.square()
        crop = error.var(dim=(2, 3), keepdim=True).clamp(min=1e-12) ** 0.2
        return variance.clamp(min=0.0) ** 0.5 * crop * (error > steadier)
