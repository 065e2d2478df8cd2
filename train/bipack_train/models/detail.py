"""The last layers of a super-res network that makes up detail: what they add is made at the result's own size.

Convolutions at the plate's size that make all pixels of an enlarged block at once cannot know what their neighbours in
the next block make up, and by four the sides of the blocks showed. So the faithful result is there first, and further
convolutions look at it pixel by pixel. What kind of thing a pixel belongs to they learn from the last features of the
network, what differs with the seed from noise, both enlarged. No place in a block may be different from another: the
faithful result has faint steps at the sides of blocks, from which the first of these layers drew a fine mesh. So all
that they see is averaged over the size of a block, at which whatever comes back in every block is gone.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.1
"""Negative slope of LeakyReLU. ReLU died in trials; PReLU is not fused into the convolution by ONNX Runtime."""

CONTEXT = 8
"""Channels that the network's features come down to before they are enlarged."""


class Detail(nn.Module):
    """Detail of a plate enlarged by `scale`; `features` channels come from the network, one place for a plate pixel.

    Receptive field: `depth` result pixels and half a block to each side, and one place of the features.
    """

    def __init__(self, features: int, scale: int, channels: int = 3, width: int = 24, depth: int = 6) -> None:
        super().__init__()
        self.scale = scale
        self.context = nn.Conv2d(features, CONTEXT, 1)
        self.first = nn.Conv2d(channels + CONTEXT + 1, width, 3, padding=1)
        self.inner = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth - 2))
        self.last = nn.Conv2d(width, channels, 3, padding=1)
        for layer in (self.context, self.first, *self.inner, self.last):
            convolution = cast(nn.Conv2d, layer)
            nn.init.kaiming_normal_(convolution.weight, SLOPE)
            nn.init.zeros_(cast(Tensor, convolution.bias))
        self.last.weight.data *= 0.1

    def forward(self, result: Tensor, features: Tensor, noise: Tensor) -> Tensor:
        """Result (N, C, H*scale, W*scale), features (N, F, H, W), noise (N, 1, H, W) to detail, as the result."""
        kind = _enlarged(self.context(features), self.scale)
        seed = _enlarged(noise.to(kind.dtype), self.scale)
        picture = self.first(without_blocks(torch.cat([result.to(kind.dtype), kind, seed], dim=1), self.scale))
        for layer in self.inner:
            picture = layer(functional.leaky_relu(picture, SLOPE))
        return cast(Tensor, self.last(functional.leaky_relu(picture, SLOPE))).to(result.dtype)


def _enlarged(part: Tensor, scale: int) -> Tensor:
    return functional.interpolate(part, scale_factor=float(scale), mode="bilinear")


def without_blocks(picture: Tensor, scale: int) -> Tensor:
    """The mean over a block of scale x scale, centred; at the frame's border over what there is of one.

    It takes away every frequency that comes back in each block.
    """
    if scale % 2:
        return functional.avg_pool2d(picture, scale, 1, scale // 2, count_include_pad=False)
    mean = functional.avg_pool2d(picture, scale, 1, scale // 2, count_include_pad=False)
    return functional.avg_pool2d(mean, 2, 1)
