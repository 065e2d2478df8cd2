"""The shipped marker-removal network: a paint-fix network finds, an inpaint network fills what was found.

A fix for marks of every look cannot be a change learned from a few of them: it has to be made from what lies around the
mark. That is what the inpaint network does, once it is told where. To the outside this is a paint-fix network.

What counts as found is decided in the graph. The finder looks at the plate and at mirror images of it: where it errs it
seldom errs alike. The matte that it learned is wider than the mark, so it is taken back by a few pixels: a fill is the
better, the more of the plate it sees. Then finds are judged as wholes (`finds.decided`).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from bipack_train.models import inpaint
from bipack_train.models.finds import NEVER_ASKED, decided, gate
from bipack_train.models.inpaint import InpaintNet, smooth_fill
from bipack_train.models.paintfix import PaintFixUNet

MENDER = "mender"
"""Name that the weights of the inpaint network start with."""

MIRRORED = ((3,), (2,), (2, 3))
"""Axes along which the further looks at a plate are turned around, as those of a kernel."""


class MarkerNet(PaintFixUNet):
    """As `PaintFixUNet`, from a trained one; its own change is not used."""

    def __init__(
        self,
        finder: PaintFixUNet,
        mender: InpaintNet,
        surer: float = 0.0,
        sure: float = NEVER_ASKED,
        tighter: int = 0,
        looks: int = 1,
    ) -> None:
        """`surer` is taken off the matte's logit for good, `tighter` pixels off every side of what it finds.

        A mark is repaired in full where the logit reaches `sure` in one of its pixels after that, and fades below it.
        The logit is the mean over `looks` images, 1 to 4: the plate itself and mirror images.
        """
        super().__init__(finder.size, finder.frames)
        self.load_state_dict(finder.state_dict())
        with torch.no_grad():
            cast(Tensor, self.matte.bias).sub_(surer)
        self.mender, self.sure, self.tighter, self.looks = mender, sure, tighter, looks

    @property
    def multiple(self) -> int:
        """Height and width of the input must be a multiple of this."""
        return max(super().multiple, int(2**inpaint.LEVELS))

    def forward(self, plate: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) to the filled picture (N, 3, H, W), ungated, and the matte's logit (N, 1, H, W)."""
        logit = decided(self._looked(plate), self.sure, self.tighter)
        picture = plate[:, :3]
        # A pixel around what will be replaced is not trusted either: the soft rim of a mark may reach there.
        known = (inpaint._box(gate(logit)) <= 0).to(picture.dtype)
        return self.mender(smooth_fill(picture, known), known), logit

    def judged(self, logit: Tensor) -> Tensor:
        """The logit as it is: judged before the fill."""
        return logit

    def _looked(self, plate: Tensor) -> Tensor:
        """The finder's logit (N, 1, H, W), the mean over its looks."""
        logit = super().forward(plate)[1]
        for axes in MIRRORED[: self.looks - 1]:
            logit = logit + _turned(self, axes)(plate)[1]
        return logit / self.looks


def _turned(net: PaintFixUNet, axes: tuple[int, ...]) -> PaintFixUNet:
    """The finder that makes of a plate what that of `net` makes of its mirror image, mirrored back.

    A mirrored plate would tell a tile from the whole frame; mirrored kernels see what the kernels see. The same where
    height and width are multiples of the net's. What 2x2 blocks of pixels are put into changes places, too.
    """
    with torch.device("meta"):
        turned = PaintFixUNet(net.size, net.frames)
    for name, _ in list(turned.named_parameters()):
        weight = net.get_parameter(name)
        value: Tensor = weight.flip(axes) if weight.dim() == 4 else weight
        if name == "stem.weight":
            value = _swapped(value, 1, axes)
        elif name.startswith(("up.", "matte.", "change.")):
            value = _swapped(value, 0, axes)
        path, _, own = name.rpartition(".")
        owner = turned.get_submodule(path)
        # A plain tensor in the parameter's place, for in the exported graph it is made of the net's own.
        delattr(owner, own)
        setattr(owner, own, value)
    return turned


def _swapped(value: Tensor, dim: int, axes: tuple[int, ...]) -> Tensor:
    """`value` with the places of 2x2 blocks, which lie in `dim` as (channel, row, column), turned around."""
    shape = list(value.shape)
    blocks = value.reshape(*shape[:dim], -1, 2, 2, *shape[dim + 1 :])
    return blocks.flip(tuple(dim + axis - 1 for axis in axes)).reshape(shape)
