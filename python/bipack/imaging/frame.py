"""One frame in memory, as it lies in its file: parts, channels in their stored type, windows and attributes.

Nothing here is a picture yet. A file is kept whole (every channel, every part, every attribute) so that what a model
does not touch can be written back unchanged; `plate` takes the picture out and puts the result in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
"""Float pixels, (height, width, channels) or (height, width)."""

Stored = NDArray[Any]
"""One channel as a file holds it: (height, width) of float16, float32, uint32, uint8 or uint16."""


@dataclass(frozen=True)
class Box:
    """A pixel rectangle in the convention of EXR: y points down, the maxima are inside."""

    xmin: int
    ymin: int
    xmax: int
    ymax: int

    @classmethod
    def of_size(cls, width: int, height: int) -> Box:
        """The box of `width` by `height` pixels whose corner is the origin."""
        return cls(0, 0, width - 1, height - 1)

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.xmax - self.xmin + 1

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.ymax - self.ymin + 1

    def scaled(self, scale: int) -> Box:
        """The same rectangle where every pixel has become `scale` by `scale` pixels."""
        return Box(
            self.xmin * scale,
            self.ymin * scale,
            (self.xmax + 1) * scale - 1,
            (self.ymax + 1) * scale - 1,
        )


@dataclass(eq=False)
class Part:
    """One part of a file; only EXR has more than one."""

    channels: dict[str, Stored]
    """Channels by name, in file order, all of the data window's size unless subsampled."""

    data_window: Box
    """Where the stored pixels lie."""

    display_window: Box
    """The format of the picture; may be larger, smaller or elsewhere."""

    attributes: dict[str, Any] = field(default_factory=dict)
    """Every other header attribute (part `name`, `view`, pixelAspectRatio, comments…), in the OpenEXR binding's types.
    Strings, numbers and small numpy arrays may be added. How the file is packed (compression, tiles) is not kept."""

    subsampling: dict[str, tuple[int, int]] = field(default_factory=dict)
    """(x, y) sampling of the channels that are stored at less than full size."""

    perceptual: frozenset[str] = frozenset()
    """Channels that EXR flags as `pLinear`."""

    @property
    def name(self) -> str:
        """Name of the part; empty where the file gives none."""
        return str(self.attributes.get("name", ""))


@dataclass(eq=False)
class Frame:
    """A whole file."""

    parts: list[Part]
    transfer: str = "linear"
    """How stored RGB relates to scene-linear: `linear` (EXR, float TIFF) or `srgb` (8- and 16-bit files)."""

    file_type: str = "exr"
    """exr, png, jpeg, tiff or dpx."""

    bit_depth: int = 16
    """Bits of a sample: 8 or 16 for integer files; 16 or 32 for floats."""

    source: str = ""
    """Path that it was read from, for messages; empty for a frame made in memory."""
