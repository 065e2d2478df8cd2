"""The paint-fix network: a finder that says where the marks are, and a mender that paints what belongs there.

The finder is a small U-Net that gives an edit matte. Where the matte is set the plate is first filled smoothly from its
surroundings, so that the mender does not have to unlearn the mark itself; the mender, a larger U-Net, sees that filled
picture, the matte and the plate, and gives the change that is missing. What a mark looks like is thus learned apart
from how a picture goes on below it, and the second carries over from one shot to the next.

Both are trained at the same time and apart: the mender without the gate in front of it, on a matte that is given to it
as it is, the finder on its own target. Only the exported graph joins them, with a gate that is exactly 0 below a
threshold; there the output is the input, bit for bit.

U-Nets work at half resolution on 2x2 blocks of pixels put into channels, which loses nothing and costs a quarter. There
is no normalisation over space and no pooling to a fixed size: what a pixel sees is bounded, so that tiles are exact.
Values in and out are encoded (bipack.imaging.color), of any range.
"""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

GATE_FROM, GATE_TO = 0.1, 0.5
"""Matte values between which the gate rises from exactly 0 to exactly 1."""

HOLE = 0.25
"""Matte value from which nothing of the plate is used for the fill."""

FILL_LEVELS = 4
"""Halvings of the smooth fill: holes of up to 2 ** FILL_LEVELS pixels across are filled from both sides."""

COARSER = 0.05
"""Weight of a coarser level of the fill where a finer one knows something too."""

MIDDLE = 0.5
"""Subtracted from encoded pictures, so that the first layers see values around 0."""


@dataclass(frozen=True)
class UNetShape:
    """A U-Net, from its finest level (half resolution) down."""

    widths: tuple[int, ...]
    """Channels of each level."""

    encoder: tuple[int, ...]
    """Residual blocks on the way down, per level."""

    decoder: tuple[int, ...]
    """Residual blocks on the way up, for every level but the lowest."""


@dataclass(frozen=True)
class Size:
    """A finder and a mender."""

    finder: UNetShape
    mender: UNetShape


SIZES = {
    "small": Size(
        UNetShape((24, 48, 64, 96), (1, 1, 1, 1), (0, 1, 1)),
        UNetShape((32, 64, 96, 128), (1, 1, 2, 2), (1, 1, 1)),
    ),
    "medium": Size(
        UNetShape((32, 64, 96, 128), (1, 1, 1, 2), (1, 1, 1)),
        UNetShape((48, 96, 144, 192, 192), (1, 2, 2, 2, 2), (1, 1, 1, 1)),
    ),
    "large": Size(
        UNetShape((32, 64, 96, 128), (1, 2, 2, 2), (1, 1, 1)),
        UNetShape((64, 128, 192, 256, 256), (2, 2, 3, 3, 3), (2, 2, 2, 2)),
    ),
}


class Block(nn.Module):
    """Two convolutions around which the input is passed; starts close to doing nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        for convolution, gain in ((self.first, 1.0), (self.second, 0.2)):
            nn.init.kaiming_normal_(convolution.weight, 0.1)
            convolution.weight.data *= gain
            nn.init.zeros_(cast(Tensor, convolution.bias))

    def forward(self, features: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        return features + cast(Tensor, self.second(_active(self.first(_active(features)))))


def _active(features: Tensor) -> Tensor:
    # LeakyReLU: ONNX Runtime fuses it into the convolution before it, and it cannot die.
    return functional.leaky_relu(features, 0.1)


class UNet(nn.Module):
    """Planes at full resolution in, planes at full resolution out; inside half resolution and coarser."""

    def __init__(self, shape: UNetShape, planes: int, results: int) -> None:
        super().__init__()
        widths = shape.widths
        self.stem = nn.Conv2d(4 * planes, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(_blocks(width, count) for width, count in zip(widths, shape.encoder, strict=True))
        steps = list(itertools.pairwise(widths))
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in steps)
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine * 4, 1) for fine, coarse in steps)
        self.decoder = nn.ModuleList(
            _blocks(width, count) for width, count in zip(widths[:-1], shape.decoder, strict=True)
        )
        self.head = nn.Conv2d(widths[0], 4 * results, 3, padding=1)

    def forward(self, planes: Tensor) -> Tensor:
        """(N, planes, H, W) to (N, results, H, W)."""
        features = self.stem(functional.pixel_unshuffle(planes, 2))
        skipped: list[Tensor] = []
        for level, blocks in enumerate(self.encoder):
            features = blocks(features if level == 0 else self.down[level - 1](features))
            skipped.append(features)
        for level in reversed(range(len(self.decoder))):
            features = skipped[level] + functional.pixel_shuffle(self.up[level](features), 2)
            features = self.decoder[level](features)
        return functional.pixel_shuffle(self.head(_active(features)), 2)


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(count)))


class PaintFixNet(nn.Module):
    """Encoded frames in, the fixed picture and the matte's logit out.

    `frames` is how many frames the plate input holds, the current one first, then its neighbours.
    """

    def __init__(self, size: str = "small", frames: int = 1) -> None:
        super().__init__()
        shape = SIZES[size]
        self.size, self.frames = size, frames
        self.finder = UNet(shape.finder, 3 * frames, 1)
        # The filled picture, what is known of it, and the plates.
        self.mender = UNet(shape.mender, 4 + 3 * frames, 3)
        # Starts as "no edit anywhere, add nothing to the fill".
        nn.init.constant_(cast(Tensor, self.finder.head.bias), -3.0)
        self.mender.head.weight.data *= 0.1
        nn.init.zeros_(cast(Tensor, self.mender.head.bias))

    @property
    def multiple(self) -> int:
        """Height and width of the input must be a multiple of this."""
        levels = max(len(self.finder.encoder), len(self.mender.encoder), FILL_LEVELS)
        return int(2**levels)

    def forward(self, plate: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(N, 3 * frames, H, W) to the fixed picture (N, 3, H, W), ungated, and the matte's logit (N, 1, H, W).

        `given` (N, 1, H, W) is a matte for the mender instead of the finder's; where it is negative the finder's is
        used.
        """
        kind = self.finder.stem.weight.dtype
        logit = self.finder((plate - MIDDLE).to(kind)).float()
        matte = torch.sigmoid(logit.detach())
        if given is not None:
            matte = torch.where(given < 0, matte, given)
        known = (1.0 - matte * (1.0 / HOLE)).clamp(0.0, 1.0)
        filled = fill(plate[:, :3], known)
        change = self.mender(torch.cat([filled - MIDDLE, known, plate - MIDDLE], dim=1).to(kind)).float()
        return filled + change, logit


def fill(picture: Tensor, known: Tensor) -> Tensor:
    """`picture` (N, C, H, W) where `known` (N, 1, H, W) is 1, elsewhere a smooth fill from around; float32.

    Averages of what is known are taken at ever coarser levels; on the way back each level keeps what it knows.
    """
    with torch.autocast(picture.device.type, enabled=False):
        levels = [torch.cat([picture * known, known], dim=1)]
        for _ in range(FILL_LEVELS):
            levels.append(functional.avg_pool2d(levels[-1], 2))
        total = levels[-1]
        for level in reversed(levels[:-1]):
            total = level + COARSER * functional.interpolate(
                total, scale_factor=2.0, mode="bilinear", align_corners=False
            )
        smooth = total[:, :-1] / (total[:, -1:] + 1e-8)
        return smooth + known * (picture - smooth)


def gate(logit: Tensor) -> Tensor:
    """The matte's logit as a factor: exactly 0 below GATE_FROM, exactly 1 above GATE_TO."""
    return ((torch.sigmoid(logit) - GATE_FROM) * (1.0 / (GATE_TO - GATE_FROM))).clamp(0.0, 1.0)


def apply_gate(plate: Tensor, fixed: Tensor, factor: Tensor) -> Tensor:
    """The picture with `fixed` laid in by `factor`; where it is 0 the plate itself, bit for bit."""
    return torch.where(factor > 0, plate + factor * (fixed - plate), plate)


class PaintFix(nn.Module):
    """What is exported: plate (and noise) in, finished picture and matte out."""

    def __init__(self, net: PaintFixNet, grain: nn.Module | None = None) -> None:
        super().__init__()
        self.net = net
        self.grain = grain

    def forward(
        self, plate: Tensor, noise: Tensor | None = None, noise_amount: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(N, 3 * frames, H, W), noise (N, 1, H, W), amount (1,) to the result (N, 3, H, W) and matte (N, 1, H, W)."""
        fixed, logit = self.net(plate)
        factor = gate(logit)
        current = plate[:, :3]
        if self.grain is not None and noise is not None and noise_amount is not None:
            fixed = fixed + noise_amount * self.grain(noise, fixed)
        return apply_gate(current, fixed, factor), factor

    def half_twin(self) -> nn.Module:
        """The same with both U-Nets in fp16; plate and fill stay float32, so that the plate passes bit for bit."""
        twin = copy.deepcopy(self).eval()
        twin.net.finder.half()
        twin.net.mender.half()
        return twin
