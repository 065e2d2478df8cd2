"""The paint-fix network for fixes that need to see far: an encoder of segmentation-models-pytorch under the same heads.

A repair of a large area has to know what the area is part of. The encoder (a residual network, started from nothing,
never from downloaded weights) halves the picture five times; group norms stand for its batch norms, which fail at the
small batches that pairs are learned with. It has no path at full resolution, so the plate itself is given to the last
layers. Group norms look at the whole picture: tiles of such a model are cross-faded, not exact, and its card says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from bipack.errors import UsageError
from bipack_train.models.paintfix import PaintFixNet
from bipack_train.models.unet import MIDDLE

ENCODERS = {"context": "resnet18"}
"""Encoder of each size."""

GROUPS = 8
WIDTH = 32
"""Channels of the layers at full resolution."""


class ContextNet(PaintFixNet):
    """The paint-fix network of this module; `size` is one of ENCODERS."""

    ENDS = ("unet.encoder.conv1", "matte", "change")
    STEM = "unet.encoder.conv1.weight"

    def __init__(self, size: str = "context", frames: int = 1) -> None:
        """Raises UsageError where segmentation-models-pytorch is not installed."""
        super().__init__()
        self.size, self.frames = size, frames
        self.unet = _unet(ENCODERS[size], 3 * frames)
        deep = int(self.unet.segmentation_head[0].in_channels)
        self.unet.segmentation_head = nn.Identity()
        _without_batch_norm(self.unet)
        self.join = nn.Conv2d(deep + 3, WIDTH, 3, padding=1)
        self.matte = nn.Conv2d(WIDTH, 1, 3, padding=1)
        self.change = nn.Conv2d(WIDTH, 3, 3, padding=1)
        # Starts as "no edit anywhere, change nothing".
        nn.init.constant_(cast(Tensor, self.matte.bias), -3.0)
        self.matte.weight.data *= 0.1
        self.change.weight.data *= 0.1
        nn.init.zeros_(cast(Tensor, self.change.bias))

    @property
    def multiple(self) -> int:
        """Height and width of the input must be a multiple of this."""
        return 32

    def forward(self, plate: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3 * frames, H, W) to the fixed picture (N, 3, H, W), ungated, and the matte's logit (N, 1, H, W)."""
        centred = (plate - MIDDLE).to(self.join.weight.dtype)
        features = self._decoded(self.unet.encoder(centred)[1:])
        features = functional.leaky_relu(self.join(torch.cat([features, centred[:, :3]], dim=1)), 0.1)
        return plate[:, :3] + self.change(features).float(), self.matte(features).float()

    def _decoded(self, features: Sequence[Tensor]) -> Tensor:
        # The decoder's own forward asks for sizes at run time; doubling is the same and keeps the graph plain.
        decoder = self.unet.decoder
        deepest, skipped = features[-1], list(reversed(features[:-1]))
        picture = decoder.center(deepest)
        for index, block in enumerate(decoder.blocks):
            picture = functional.interpolate(picture, scale_factor=2.0, mode="nearest")
            if index < len(skipped):
                picture = block.attention1(torch.cat([picture, skipped[index]], dim=1))
            picture = block.attention2(block.conv2(block.conv1(picture)))
        return cast(Tensor, picture)


def _unet(encoder: str, planes: int) -> Any:
    try:
        import segmentation_models_pytorch
    except (ImportError, RuntimeError) as error:
        # RuntimeError: a torchvision that does not belong to the installed torch fails so while it is imported.
        raise UsageError(
            "--size context needs segmentation-models-pytorch and the torchvision that belongs to the installed torch "
            f"({torch.__version__}); importing them failed with: {error}. Install them with "
            "`python3 bootstrap.py install --extras train,context`, or choose --size large."
        ) from error
    return segmentation_models_pytorch.Unet(encoder, encoder_weights=None, in_channels=planes, classes=4)


class GroupNorm(nn.Module):
    """A group norm whose factors keep their names and shapes in the exported graph, so that runs can start from it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.groups = min(GROUPS, channels)
        # Not all alike: the exporter keeps one of several equal weights and drops the names of the others.
        self.weight = nn.Parameter(1.0 + 0.01 * torch.randn(channels, 1, 1))
        self.bias = nn.Parameter(0.01 * torch.randn(channels, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to the same."""
        return functional.group_norm(features, self.groups) * self.weight + self.bias


def _without_batch_norm(module: nn.Module) -> None:
    """Put a group norm in the place of every batch norm."""
    for name, part in module.named_children():
        if isinstance(part, nn.BatchNorm2d):
            setattr(module, name, GroupNorm(part.num_features))
        else:
            _without_batch_norm(part)
