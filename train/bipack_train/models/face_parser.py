"""The face parser: one network that finds faces and says of every pixel which region of a face it is.

A U-Net of residual blocks, encoder and decoder at five scales. Its finest features lie at half size; the head gives
from each the 16 regions of the four pixels there, for hair and brows are thin, and at half size heat-maps of the five
points and how wide the face is that a pixel belongs to.
It is fully convolutional and learns faces from some 20 to 120 pixels wide, so that the same weights find faces in a
shrunk frame and parse a stabilised crop.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from bipack.face_regions import REGIONS

MULTIPLE = 32
"""Height and width of the input must be multiples of this."""

POINTS = 5
UNIT = 64.0
"""The width output is in octaves from this many pixels while training."""

WIDTHS = {"small": (24, 40, 64, 96, 112), "medium": (32, 48, 96, 160, 224)}
"""Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size."""


class Block(nn.Module):
    """Two 3x3 convolutions and what came in."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = _conv(inputs, outputs, stride)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs))
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, features: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H/stride, W/stride)."""
        return functional.relu(self.second(self.first(features)) + self.skip(features))


class Finer(nn.Module):
    """What came in, and a 3x3 convolution of it: nothing else at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        nn.init.zeros_(self.change[1].weight)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) of the same size."""
        return functional.relu(features + self.change(features))


class FaceParserNet(nn.Module):
    """See the module. `size` is small or medium."""

    def __init__(self, size: str = "small") -> None:
        super().__init__()
        widths = WIDTHS[size]
        self.stem = _conv(3, widths[0], 2)
        self.encoder = nn.ModuleList([nn.Sequential(Block(a, b, 2), Block(b, b)) for a, b in pairwise(widths)])
        self.deepest = Block(widths[-1], widths[-1])
        self.lateral = nn.ModuleList([nn.Conv2d(b, a, 1) for a, b in pairwise(widths)])
        self.decoder = nn.ModuleList([_conv(a, a) for a in widths[:-1]])
        self.finer = Finer(widths[0])
        self.head = nn.Conv2d(widths[0], 4 * len(REGIONS) + POINTS + 1, 1)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded (N, 3, H, W) to raw values: regions (N, 16, H, W); points and octaves of width (N, 6, H/2, W/2)."""
        features = self.stem(picture - 0.45)
        found = [features]
        for stage in self.encoder:
            features = stage(features)
            found.append(features)
        features = self.deepest(features)
        for index in range(len(self.decoder) - 1, -1, -1):
            enlarged = functional.interpolate(self.lateral[index](features), scale_factor=2.0, mode="nearest")
            features = self.decoder[index](enlarged + found[index])
        raw = self.head(self.finer(features))
        count = 4 * len(REGIONS)
        return _four(raw[:, :count]), raw[:, count:]


class Exported(nn.Module):
    """What goes into the ONNX file: regions and points as shares 0..1, width in pixels, all at the picture's size."""

    def __init__(self, net: FaceParserNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, plate: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 3, H, W) to regions (N, 16, H, W), points (N, 5, H, W) and width (N, 1, H, W)."""
        raw, rest = self.net(plate)
        rest = functional.interpolate(rest, scale_factor=2.0, mode="bilinear", align_corners=False)
        points = torch.sigmoid(rest[:, :POINTS])
        return torch.softmax(raw, dim=1), points, UNIT * torch.exp(math.log(2.0) * rest[:, POINTS:])


def _four(planes: Tensor) -> Tensor:
    """(N, 4 n, H, W) to (N, n, 2 H, 2 W), channels last in memory.

    n values of the upper left of four pixels come first, then those of the upper right, lower left, lower right.
    """
    number, channels, height, width = planes.shape
    parts = planes.permute(0, 2, 3, 1).reshape(number, height, width, 2, 2, channels // 4).permute(0, 1, 3, 2, 4, 5)
    return parts.reshape(number, 2 * height, 2 * width, channels // 4).permute(0, 3, 1, 2)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )
