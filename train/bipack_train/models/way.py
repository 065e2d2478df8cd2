"""When each part of a change comes, on the way from the plate to the target.

A face half-way to its younger self is no mixture of both: faint lines and small spots are gone already, deep ones are
nearly as they were (faces.years). So every pixel of a change has an amount at which it begins and one at which it is
complete. `Way` reads both off the plate and the whole change, whatever made that change; between them the change comes
in proportion. At 0 there is nothing of it and at 1 all of it, exactly, and never less at a greater amount.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bipack_train.models.unet import MIDDLE, Block, UNet, small_at_first

WIDTHS = (24, 40, 56)
"""Channels of each level, from half resolution down; at a quarter, spots, whose rims go first, come out worse."""

GAIN = 8.0
"""Of the change on its way in: lines are some hundredths deep."""

LEAST = 0.03
"""Shortest span between begin and end."""


class Way(UNet):
    """Plate (N, 3, H, W), matte (N, 1, H, W) and change (N, 3, H, W), encoded, to begin and end (N, 1, H, W) 0..1.

    Height and width must be multiples of `multiple`.
    """

    ENDS = ("stem.", "last.")
    """Starts of the names of the first and last layers' parameters."""

    def __init__(self) -> None:
        super().__init__(7, WIDTHS, lambda level: Block(WIDTHS[level]), lambda level: Block(WIDTHS[level]))
        self.last = small_at_first(nn.Conv2d(WIDTHS[0], 8, 3, padding=1))

    def forward(self, plate: Tensor, matte: Tensor, change: Tensor) -> tuple[Tensor, Tensor]:
        """Amounts at which the change of a pixel begins and is complete."""
        features = self.features(torch.cat([plate - MIDDLE, GAIN * change, matte], dim=1))
        found = functional.pixel_shuffle(self.last(features), 2).float()
        end = torch.sigmoid(found[:, :1] + 1.0)
        return 0.9 * end * torch.sigmoid(found[:, 1:] - 1.0), end


def share(begin: Tensor, end: Tensor, amount: Tensor, leak: float = 0.0) -> Tensor:
    """(N, 1, H, W) how much of a change there is at amount (N,): 0 at 0, 1 at 1, and on in proportion beyond 1.

    `leak` is the slope outside of the span, for training.
    """
    given = amount.view(-1, 1, 1, 1)
    along = (given - begin) / torch.minimum(end - begin + LEAST, 1.0 - begin)
    inside = along.clamp(0.0, 1.0)
    return inside + leak * (along - inside) + (given - 1.0).clamp(min=0.0)
