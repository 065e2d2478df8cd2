"""The face parser: one network that finds faces and says of every pixel which region of a face it is.

A U-Net of residual blocks, encoder and decoder at five scales, whose head gives at half size what bilinear enlargement
brings to the picture's: 16 regions, heat-maps of the five points, and how wide the face is that a pixel belongs to.
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

WIDTHS = {"small": (24, 40, 64, 96, 112), "medium": (32, 56, 96, 160, 224)}
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
        self.head = nn.Conv2d(widths[0], len(REGIONS) + POINTS + 1, 1)

    def forward(self, picture: Tensor) -> Tensor:
        """Encoded (N, 3, H, W) to raw values (N, 22, H/2, W/2): regions, points, octaves of width."""
        features = self.stem(picture - 0.45)
        found = [features]
        for stage in self.encoder:
            features = stage(features)
            found.append(features)
        features = self.deepest(features)
        for index in range(len(self.decoder) - 1, -1, -1):
            enlarged = functional.interpolate(self.lateral[index](features), scale_factor=2.0, mode="nearest")
            features = self.decoder[index](enlarged + found[index])
        raw: Tensor = self.head(features)
        return raw


class Exported(nn.Module):
    """What goes into the ONNX file: regions and points as shares 0..1, width in pixels, all at the picture's size."""

    def __init__(self, net: FaceParserNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, plate: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 3, H, W) to regions (N, 16, H, W), points (N, 5, H, W) and width (N, 1, H, W)."""
        raw = functional.interpolate(self.net(plate), scale_factor=2.0, mode="bilinear", align_corners=False)
        count = len(REGIONS)
        regions = torch.softmax(raw[:, :count], dim=1)
        points = torch.sigmoid(raw[:, count : count + POINTS])
        return regions, points, UNIT * torch.exp(math.log(2.0) * raw[:, count + POINTS :])


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )
