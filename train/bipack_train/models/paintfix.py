"""The paint-fix network: a change of the picture, and a matte that says where the change is meant.

One U-Net works at half resolution on 2x2 blocks of pixels put into channels, which loses nothing and costs a quarter.
Its last features give a change (three channels) and the logit of an edit matte. The two are trained apart: the change
without the matte in front of it, the matte on its own target, because multiplying them during training starves the
change wherever the matte is not yet sure. Only the exported graph joins them, with a gate that is exactly 0 below a
threshold; there the output is the input, bit for bit.

There is no normalisation over space and no pooling to a fixed size: what a pixel sees is bounded, so that tiles are
exact. Values in and out are encoded (bipack.imaging.color), of any range.

A second net that finds first and mends a smooth fill then was tried: per step it learned more, per second less.
"""

from __future__ import annotations

import abc
import copy
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from bipack_train.models.finds import NEVER_ASKED, apply_gate, decided, gate
from bipack_train.models.unet import MIDDLE, Size, UNet, row, small_at_first

SIZES = {
    "small": Size((32, 64, 96, 128), (1, 1, 2, 2), (1, 1, 1)),
    # As small, with more blocks where the picture is small: tells more apart and sees farther.
    "deep": Size((32, 64, 96, 128), (1, 2, 3, 4), (1, 1, 2)),
    "medium": Size((48, 96, 144, 192, 192), (1, 2, 2, 2, 2), (1, 1, 1, 1)),
    "large": Size((64, 128, 192, 256, 256), (2, 2, 3, 3, 3), (2, 2, 2, 2)),
}


class PaintFixNet(nn.Module, abc.ABC):
    """Encoded frames in, the fixed picture and the matte's logit out: what every paint-fix network is."""

    ENDS: tuple[str, ...]
    """First and last layers."""

    STEM: str
    """The weight whose input planes are the frames."""

    size: str
    frames: int
    """How many frames the plate input holds, the current one first, then its neighbours."""

    sure: float = NEVER_ASKED
    """What the logit has to reach in one pixel of a find, or the find goes; settled when the net is published."""

    @property
    @abc.abstractmethod
    def multiple(self) -> int:
        """Height and width of the input must be a multiple of this."""

    @abc.abstractmethod
    def forward(self, plate: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3 * frames, H, W) to the fixed picture (N, 3, H, W), ungated, and the matte's logit (N, 1, H, W)."""

    def judged(self, logit: Tensor) -> Tensor:
        """The matte's logit (N, 1, H, W) with all finds lowered that are not `sure`."""
        return logit if self.sure <= NEVER_ASKED else decided(logit, self.sure)


class PaintFixUNet(UNet, PaintFixNet):
    """The paint-fix network of this module; `size` is one of SIZES."""

    ENDS = ("stem", "matte", "change")
    STEM = "stem.weight"

    def __init__(self, size: str = "small", frames: int = 1) -> None:
        shape = SIZES[size]
        widths = shape.widths
        super().__init__(
            3 * frames,
            widths,
            lambda level: row(widths[level], (1,) * shape.encoder[level]),
            lambda level: row(widths[level], (1,) * shape.decoder[level]),
        )
        self.size, self.frames = size, frames
        self.matte = nn.Conv2d(widths[0], 4, 3, padding=1)
        self.change = small_at_first(nn.Conv2d(widths[0], 12, 3, padding=1))
        nn.init.constant_(cast(Tensor, self.matte.bias), -3.0)  # no edit anywhere

    def forward(self, plate: Tensor) -> tuple[Tensor, Tensor]:
        """As of every `PaintFixNet`."""
        features = self.features(plate - MIDDLE)
        change = functional.pixel_shuffle(self.change(features), 2)
        logit = functional.pixel_shuffle(self.matte(features), 2)
        return plate[:, :3] + change.float(), logit.float()


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
        factor = gate(self.net.judged(logit))
        current = plate[:, :3]
        if self.grain is not None and noise is not None and noise_amount is not None:
            fixed = fixed + noise_amount * self.grain(noise, fixed)
        return apply_gate(current, fixed, factor), factor

    def half_twin(self) -> nn.Module:
        """The same with the U-Net in fp16; the plate stays float32, so that it passes through bit for bit."""
        twin = copy.deepcopy(self).eval()
        twin.net.half()
        return twin
