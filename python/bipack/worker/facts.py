"""What a model needs of its input, as values: the result of `bipack.worker.graph`, read by all that runs models."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from bipack.imaging.tiling import Margins, TileGeometry

BLEND_OVERLAP = 32
"""Plate pixels of cross-fade, and the most of the local halo that is thrown away, where tiles cannot be exact."""


@dataclass(frozen=True)
class TensorFacts:
    """One input or output of the graph."""

    name: str
    kind: str
    """Element type in ONNX's words: float32, float16, int64…"""

    shape: tuple[int | None, ...]
    """As declared; None where any size is allowed."""

    channels: int | None = None
    """Channels of a picture (N, C, H, W); None when the graph does not say."""

    picture: bool = False
    """True when its last two axes are rows and columns of the plate."""

    scale: Fraction | None = None
    """Samples per plate pixel; for outputs, None where the graph does not tell."""

    halo: Margins = field(default_factory=Margins)
    """For inputs: how far results look around in this input alone. For outputs: how far this one looks around."""


@dataclass(frozen=True)
class GraphFacts:
    """All that the graph says about running it on a frame. Lengths are plate pixels."""

    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    scale: Fraction | None
    """Result size over plate size, of the first picture output; None where only a run can tell."""

    multiple: int
    minimum: int
    halo: Margins
    """Rim of a tile's result that must be thrown away."""

    border: Margins
    """Rim that the graph itself cuts off; the frame is padded by it first."""

    offset: tuple[int, int]
    """Rows and columns of the result, in result pixels, that lie before the plate's first pixel."""

    alignment: int
    tiling: str
    """exact, blend or whole."""

    reasons: tuple[str, ...]
    """Why it is not exact, naming operation and node."""

    fixed: tuple[int | None, int | None]
    """Height and width where the graph allows one only."""

    opset: int
    bytes_per_pixel: float
    """Memory of the tensors alive at the worst moment, per plate pixel of a tile."""

    @property
    def padding(self) -> str:
        """How frames are brought to a size that the model takes, in words."""
        parts = []
        if self.border.largest:
            parts.append(f"the frame is mirrored outwards by {self.border.largest} pixels that the model cuts off")
        if self.multiple > 1:
            parts.append(f"right and bottom are mirrored to a multiple of {self.multiple}, and cut off again")
        return "; ".join(parts) or "none"

    @property
    def reach(self) -> int:
        """Plate pixels that one result pixel sees on the farthest side."""
        sides = zip(
            (self.halo.left, self.halo.right, self.halo.top, self.halo.bottom),
            (self.border.left, self.border.right, self.border.top, self.border.bottom),
        )
        return max(halo + border for halo, border in sides)

    @property
    def geometry(self) -> TileGeometry:
        """The same in the terms of `bipack.imaging.tiling`; only for a known whole-number scale."""
        assert self.scale is not None and self.scale.denominator == 1
        halo = self.halo
        overlap = 0
        if self.tiling == "blend":
            halo = Margins(*(min(side, BLEND_OVERLAP) for side in (halo.left, halo.right, halo.top, halo.bottom)))
            overlap = BLEND_OVERLAP
        return TileGeometry(
            scale=self.scale.numerator,
            halo=halo,
            border=self.border,
            offset=self.offset,
            alignment=self.alignment,
            multiple=self.multiple,
            minimum=self.minimum,
            tiling=self.tiling,
            overlap=overlap,
            fixed=self.fixed,
        )
