"""What counts as found: from the logit of a predicted edit matte to the factor by which a repair is laid in.

The factor is exactly 0 below a threshold, where the plate passes through bit for bit. A find may also be judged as a
whole: whatever hangs together stays if it is sure in one place at least, with its weak rim, and goes if it is not.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

GATE_FROM, GATE_TO = 0.1, 0.5
"""Matte values between which the gate rises from exactly 0 to exactly 1."""

CELL = 4
"""Pixels of a cell in which it is asked what hangs together."""

REACH = 12
"""Cells from the surest place of a find to its farthest rim."""

CLOSED = 8.0
"""Taken off the logit of what is not sure at all, so that its gate is 0."""

NEVER_ASKED = -20.0
"""A `sure` that everything reaches."""


def gate(logit: Tensor) -> Tensor:
    """The matte's logit as a factor: exactly 0 below GATE_FROM, exactly 1 above GATE_TO."""
    return ((torch.sigmoid(logit) - GATE_FROM) * (1.0 / (GATE_TO - GATE_FROM))).clamp(0.0, 1.0)


def apply_gate(plate: Tensor, fixed: Tensor, factor: Tensor) -> Tensor:
    """The picture with `fixed` laid in by `factor`; where it is 0 the plate itself, bit for bit."""
    return torch.where(factor > 0, plate + factor * (fixed - plate), plate)


def decided(logit: Tensor, sure: float, tighter: int = 0) -> Tensor:
    """A matte's logit (N, 1, H, W), shrunk by `tighter` pixels and lowered where nothing that hangs together is sure.

    A find fades out over 1 below `sure`, so that it neither flickers nor depends on the precision of the weights.
    Height and width are multiples of CELL.
    """
    if tighter:
        logit = -functional.max_pool2d(-logit, 2 * tighter + 1, 1, tighter)
    found = functional.max_pool2d((gate(logit) > 0).float(), CELL)
    kept = functional.max_pool2d((logit - (sure - 1.0)).clamp(0.0, 1.0), CELL) * found
    for _ in range(REACH):
        kept = functional.max_pool2d(kept, 3, 1, 1) * found
    return logit - CLOSED * (1.0 - functional.interpolate(kept, scale_factor=float(CELL)))
