"""The shipped marker-removal network: a paint-fix network finds, an inpaint network fills what was found.

A fix for marks of every look cannot be a change learned from a few of them: it has to be made from what lies around the
mark. That is what the inpaint network does, once it is told where. To the outside this is a paint-fix network.

What counts as found is decided in the graph. The matte that the finder learned is wider than the mark, so it is taken
back by a few pixels: a fill is the better, the more of the plate it sees. Then whatever hangs together stays if it is
sure in one place at least, with its weak rim, and goes if it is not.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from bipack_train.models import inpaint
from bipack_train.models.inpaint import InpaintNet, smooth_fill
from bipack_train.models.paintfix import PaintFixNet, gate

MENDER = "mender"
"""Name that the weights of the inpaint network start with."""

CELL = 4
"""Pixels of a cell in which it is asked what hangs together."""

REACH = 12
"""Cells from the surest place of a mark to its farthest rim."""

CLOSED = 8.0
"""Taken off the logit of what is not sure at all, so that its gate is 0."""

NEVER_ASKED = -20.0
"""A `sure` that everything reaches."""


class MarkerNet(PaintFixNet):
    """As `PaintFixNet`, from a trained one; its own change is not used."""

    def __init__(
        self, finder: PaintFixNet, mender: InpaintNet, surer: float = 0.0, sure: float = NEVER_ASKED, tighter: int = 0
    ) -> None:
        """`surer` is taken off the matte's logit for good, `tighter` pixels off every side of what it finds.

        A mark is repaired in full where the logit reaches `sure` in one of its pixels after that, and fades below it.
        """
        super().__init__(finder.size, finder.frames)
        self.load_state_dict(finder.state_dict())
        with torch.no_grad():
            cast(Tensor, self.matte.bias).sub_(surer)
        self.mender, self.sure, self.tighter = mender, sure, tighter

    @property
    def multiple(self) -> int:
        """Height and width of the input must be a multiple of this."""
        return max(super().multiple, int(2**inpaint.LEVELS))

    def forward(self, plate: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) to the filled picture (N, 3, H, W), ungated, and the matte's logit (N, 1, H, W)."""
        _, logit = super().forward(plate)
        logit = decided(logit, self.sure, self.tighter)
        picture = plate[:, :3]
        # A pixel around what will be replaced is not trusted either: the soft rim of a mark may reach there.
        known = (inpaint._box(gate(logit)) <= 0).to(picture.dtype)
        return self.mender(smooth_fill(picture, known), known), logit


def decided(logit: Tensor, sure: float, tighter: int) -> Tensor:
    """A matte's logit (N, 1, H, W), shrunk by `tighter` pixels and lowered where nothing that hangs together is sure.

    A mark fades out over 1 below `sure`, so that it neither flickers nor depends on the precision of the weights.
    """
    if tighter:
        logit = -functional.max_pool2d(-logit, 2 * tighter + 1, 1, tighter)
    found = functional.max_pool2d((gate(logit) > 0).float(), CELL)
    kept = functional.max_pool2d((logit - (sure - 1.0)).clamp(0.0, 1.0), CELL) * found
    for _ in range(REACH):
        kept = functional.max_pool2d(kept, 3, 1, 1) * found
    return logit - CLOSED * (1.0 - functional.interpolate(kept, scale_factor=float(CELL)))
