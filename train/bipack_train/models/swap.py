"""Two faces that share an encoder and have a decoder each: what an unpaired region is learned with.

The encoder sees a region of either face, warped at random, and has to say what both have in common: pose, expression,
light. Each decoder paints its own face from that. Decoding one face's frames with the other's decoder gives that
other face under the first one's performance. The code is a small grid, so that place is kept and identity is not.
(The arrangement is that of the common face-swapping tools; weights and code here are our own.)
"""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from bipack_train.models.unet import MIDDLE, SLOPE, Block

FACES = 2


class Swap(nn.Module):
    """Regions (N, 3, side, side) encoded, to the same region as painted by decoder 0 or 1; side a multiple of 16."""

    ENDS = ("stem.", *(f"decoders.{face}.last." for face in range(FACES)))
    """Starts of the names of the first and last layers' parameters."""

    def __init__(self, width: int = 48, grid: int = 32) -> None:
        super().__init__()
        widths = (width, 2 * width, 3 * width)
        self.width, self.grid = width, grid
        self.stem = nn.Conv2d(12, width, 3, padding=1)
        self.down = nn.ModuleList(
            nn.Conv2d(fine, coarse, 4, stride=2, padding=1)
            for fine, coarse in zip(widths, (*widths[1:], widths[-1]), strict=True)
        )
        self.inner = nn.Sequential(Block(widths[-1]), Block(widths[-1]), nn.Conv2d(widths[-1], grid, 1))
        # Alike at first, so that they differ by what the faces differ in and not by how each began.
        first = _Decoder(widths, grid)
        self.decoders = nn.ModuleList([first, *(copy.deepcopy(first) for _ in range(FACES - 1))])

    def encode(self, region: Tensor) -> Tensor:
        """(N, grid, side/16, side/16): what both faces have in common."""
        features = self.stem(functional.pixel_unshuffle(region - MIDDLE, 2))
        for layer in self.down:
            features = layer(functional.leaky_relu(features, SLOPE))
        return cast(Tensor, self.inner(features))

    def forward(self, region: Tensor, face: int) -> Tensor:
        """(N, 3, side, side) encoded, as decoder `face` paints it."""
        return cast(Tensor, self.decoders[face](self.encode(region)).float()) + MIDDLE


class _Decoder(nn.Module):
    def __init__(self, widths: tuple[int, int, int], grid: int) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.first = nn.Conv2d(grid, coarse, 3, padding=1)
        self.up = nn.ModuleList(
            nn.Conv2d(start, 4 * stop, 1) for start, stop in ((coarse, coarse), (coarse, middle), (middle, fine))
        )
        self.blocks = nn.ModuleList(Block(size) for size in (coarse, middle, fine))
        self.last = nn.Conv2d(fine, 12, 3, padding=1)

    def forward(self, code: Tensor) -> Tensor:
        features = self.first(code)
        for up, block in zip(self.up, self.blocks, strict=True):
            features = block(functional.pixel_shuffle(up(functional.leaky_relu(features, SLOPE)), 2))
        return functional.pixel_shuffle(self.last(functional.leaky_relu(features, SLOPE)), 2)


def warped(region: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """`region` bent by a smooth random field of `strength` (part of its side): what the encoder sees in training."""
    count, _, height, width = region.shape
    knots = torch.randn(count, 2, 5, 5, generator=generator) * strength
    bend = functional.interpolate(knots.to(region.device), (height, width), mode="bicubic", align_corners=True)
    axes = torch.linspace(-1, 1, height, device=region.device), torch.linspace(-1, 1, width, device=region.device)
    rows, columns = torch.meshgrid(*axes, indexing="ij")
    place = torch.stack([columns, rows], dim=-1) + bend.permute(0, 2, 3, 1)
    return functional.grid_sample(region, place, mode="bilinear", padding_mode="border", align_corners=True)
