"""The paint-fix networks by the name of their size."""

from __future__ import annotations

from bipack_train.models.paintfix import SIZES, PaintFixNet, PaintFixUNet


def names() -> list[str]:
    """All sizes that a recipe may name."""
    return [*SIZES, "context"]


def multiple(size: str) -> int:
    """What the height and width of the input must be a multiple of."""
    return 32 if size == "context" else int(2 ** len(SIZES[size].widths))


def build(size: str = "small", frames: int = 1) -> PaintFixNet:
    """A fresh network. Raises KeyError for an unknown size, UsageError where one needs a package that is not there."""
    if size == "context":
        # Not at the top: it imports packages that only this size needs.
        from bipack_train.models.paintfix_context import ContextNet

        return ContextNet(size, frames)
    return PaintFixUNet(size, frames)
