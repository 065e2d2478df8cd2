"""The U-Net that the project's networks share: half resolution first, sums for skips, no normalisation over space.

It works on 2x2 blocks of pixels put into channels, which loses nothing and costs a quarter. What a pixel sees is
bounded, so that tiles are exact. Values in and out are encoded (bipack.imaging.color), of any range.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

MIDDLE = 0.5
"""Subtracted from encoded pictures, so that the first layers see values around 0."""

SLOPE = 0.1
"""Of the leaky ReLU, which ONNX Runtime fuses into the convolution before it, and which cannot die."""


@dataclass(frozen=True)
class Size:
    """Shape of a U-Net, from its finest level (half resolution) down."""

    widths: tuple[int, ...]
    """Channels of each level."""

    encoder: tuple[int, ...]
    """Residual blocks on the way down, per level."""

    decoder: tuple[int, ...]
    """Residual blocks on the way up, for every level but the lowest."""


class Block(nn.Module):
    """Two convolutions around which the input is passed, (N, width, H, W) to the same; starts near to doing nothing.

    The first convolution reaches `dilation` cells to each side.
    """

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        for convolution, gain in ((self.first, 1.0), (self.second, 0.2)):
            nn.init.kaiming_normal_(convolution.weight, 0.1)
            convolution.weight.data *= gain
            nn.init.zeros_(cast(Tensor, convolution.bias))

    def forward(self, features: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        return features + cast(Tensor, self.second(active(self.first(active(features)))))


def active(features: Tensor) -> Tensor:
    """The nonlinearity in front of every convolution of a block and of the last layers."""
    return functional.leaky_relu(features, SLOPE)


def row(width: int, dilations: Sequence[int]) -> nn.Sequential:
    """Blocks one after another, one for each of the dilations."""
    return nn.Sequential(*(Block(width, dilation) for dilation in dilations))


class UNet(nn.Module):
    """Planes (N, planes, H, W) to features (N, widths[0], H/2, W/2); the last layers are those of the network.

    `down` and `up` make what stands at a level (0 the finest) on the way down and, but for the lowest, on the way up.
    """

    def __init__(
        self,
        planes: int,
        widths: Sequence[int],
        down: Callable[[int], nn.Module],
        up: Callable[[int], nn.Module],
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(4 * planes, widths[0], 3, padding=1)
        steps = list(itertools.pairwise(widths))
        self.encoder = nn.ModuleList(down(level) for level in range(len(widths)))
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in steps)
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine * 4, 1) for fine, coarse in steps)
        self.decoder = nn.ModuleList(up(level) for level in range(len(steps)))

    @property
    def multiple(self) -> int:
        """Height and width of the input must be a multiple of this."""
        return int(2 ** len(self.encoder))

    def features(self, planes: Tensor, between: Callable[[Tensor, int], Tensor] | None = None) -> Tensor:
        """What the last layers see. `between` changes the features behind each of the stations, counted as passed."""
        features = self.stem(functional.pixel_unshuffle(planes.to(self.stem.weight.dtype), 2))
        skipped: list[Tensor] = []
        for level, blocks in enumerate(self.encoder):
            features = blocks(features if level == 0 else self.down[level - 1](features))
            features = features if between is None else between(features, level)
            skipped.append(features)
        for level in reversed(range(len(self.decoder))):
            features = self.decoder[level](skipped[level] + functional.pixel_shuffle(self.up[level](features), 2))
            features = features if between is None else between(features, len(self.encoder) + level)
        return active(features)


def small_at_first(last: nn.Conv2d) -> nn.Conv2d:
    """A last layer that at first changes next to nothing."""
    last.weight.data *= 0.1
    nn.init.zeros_(cast(Tensor, last.bias))
    return last
