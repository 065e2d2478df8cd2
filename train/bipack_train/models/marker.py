"""The shipped marker-removal network: a paint-fix network finds, an inpaint network fills what was found.

A fix for marks of every look cannot be a change learned from a few of them: it has to be made from what lies around the
mark. That is what the inpaint network does, once it is told where. To the outside this is a paint-fix network.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from bipack_train.models import inpaint
from bipack_train.models.inpaint import InpaintNet, smooth_fill
from bipack_train.models.paintfix import PaintFixNet, gate

MENDER = "mender"
"""Name that the weights of the inpaint network start with."""


class MarkerNet(PaintFixNet):
    """As `PaintFixNet`, from a trained one; its own change is not used."""

    def __init__(self, finder: PaintFixNet, mender: InpaintNet, surer: float = 0.0) -> None:
        """`surer` is taken off the matte's logit for good."""
        super().__init__(finder.size, finder.frames)
        self.load_state_dict(finder.state_dict())
        with torch.no_grad():
            cast(Tensor, self.matte.bias).sub_(surer)
        self.mender = mender

    @property
    def multiple(self) -> int:
        """Height and width of the input must be a multiple of this."""
        return max(super().multiple, int(2**inpaint.LEVELS))

    def forward(self, plate: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) to the filled picture (N, 3, H, W), ungated, and the matte's logit (N, 1, H, W)."""
        _, logit = super().forward(plate)
        picture = plate[:, :3]
        # Two pixels around what will be replaced are not trusted either: the soft rim of a mark reaches there.
        known = (inpaint._box(inpaint._box(gate(logit))) <= 0).to(picture.dtype)
        return self.mender(smooth_fill(picture, known), known), logit
