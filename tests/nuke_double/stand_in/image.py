"""A picture between nodes: channels as float32 arrays, a bounding box, a format and metadata.

Coordinates are Nuke's: y grows upwards and row 0 of an array is the lowest row of the box; a box ends before r and t.
Outside its box a picture repeats its edge pixels, unless it is black outside.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .formats import Format


@dataclass(frozen=True)
class Edges:
    """A box in pixels: x and y are inside, r and t are not."""

    x: int
    y: int
    r: int
    t: int

    @property
    def width(self) -> int:
        return self.r - self.x

    @property
    def height(self) -> int:
        return self.t - self.y

    @property
    def empty(self) -> bool:
        return self.width <= 0 or self.height <= 0

    def union(self, other: Edges) -> Edges:
        if self.empty or other.empty:
            return other if self.empty else self
        return Edges(min(self.x, other.x), min(self.y, other.y), max(self.r, other.r), max(self.t, other.t))

    def intersect(self, other: Edges) -> Edges:
        x, y = max(self.x, other.x), max(self.y, other.y)
        return Edges(x, y, max(x, min(self.r, other.r)), max(y, min(self.t, other.t)))

    def grow(self, x: int, y: int) -> Edges:
        return Edges(self.x - x, self.y - y, self.r + x, self.t + y)

    def shift(self, x: int, y: int) -> Edges:
        return Edges(self.x + x, self.y + y, self.r + x, self.t + y)


def format_edges(of: Format) -> Edges:
    return Edges(0, 0, of.width(), of.height())


@dataclass
class Image:
    """`channels` maps rgba.red and so on to (bbox.height, bbox.width) float32 arrays, lowest row first."""

    format: Format
    bbox: Edges
    channels: dict[str, np.ndarray] = field(default_factory=dict)
    black_outside: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    scale: float = 1.0  # of proxies: pixels here per full-size pixel

    @property
    def edges(self) -> Edges:
        """The format as a box."""
        return format_edges(self.format)

    @property
    def outer(self) -> Edges:
        """The box that Nuke reports: with the black pixel around it where the picture is black outside."""
        return self.bbox.grow(1, 1) if self.black_outside and not self.bbox.empty else self.bbox

    @classmethod
    def black(cls, of: Format, scale: float = 1.0) -> Image:
        return cls(of, format_edges(of), scale=scale)

    def with_(self, **changes: Any) -> Image:
        """A copy with some fields changed; the dictionaries are copied, the arrays are shared."""
        changes.setdefault("channels", dict(self.channels))
        changes.setdefault("metadata", dict(self.metadata))
        return replace(self, **changes)

    def array(self, channel: str, box: Edges | None = None) -> np.ndarray:
        """The channel over a box (default: its own), edges repeated or black; a channel that is not there is black."""
        box = box or self.bbox
        pixels = self.channels.get(channel)
        if pixels is None or self.bbox.empty or box.empty:
            return np.zeros((max(0, box.height), max(0, box.width)), np.float32)
        if box == self.bbox:
            return pixels
        rows = np.arange(box.y, box.t) - self.bbox.y
        columns = np.arange(box.x, box.r) - self.bbox.x
        inside_rows, inside_columns = np.clip(rows, 0, self.bbox.height - 1), np.clip(columns, 0, self.bbox.width - 1)
        out = pixels[inside_rows[:, None], inside_columns[None, :]]
        if self.black_outside:
            out[rows != inside_rows, :] = 0
            out[:, columns != inside_columns] = 0
        return out

    def over(self, box: Edges) -> Image:
        """The same picture with another box: cut, or filled as the outside is."""
        if box == self.bbox:
            return self.with_()
        return self.with_(bbox=box, channels={name: self.array(name, box) for name in self.channels})

    def at(self, channel: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Values at pixel positions (nearest), which may lie anywhere."""
        pixels = self.channels.get(channel)
        shape = np.broadcast(x, y).shape
        if pixels is None or self.bbox.empty:
            return np.zeros(shape, np.float32)
        columns = np.floor(x).astype(np.int64) - self.bbox.x
        rows = np.floor(y).astype(np.int64) - self.bbox.y
        inside_columns, inside_rows = np.clip(columns, 0, self.bbox.width - 1), np.clip(rows, 0, self.bbox.height - 1)
        out = pixels[inside_rows, inside_columns]
        if self.black_outside:
            out = np.where((columns == inside_columns) & (rows == inside_rows), out, np.float32(0))
        return np.broadcast_to(out, shape).astype(np.float32)

    def sample(self, channel: str, x: float, y: float) -> float:
        """Node.sample: the value of the pixel that holds the point."""
        return float(self.at(channel, np.array([x]), np.array([y]))[0])

    def rgb(self) -> np.ndarray:
        """(height, width, 3) over the box, highest row first, as files and numpy code have it."""
        return self.stack("rgba.red", "rgba.green", "rgba.blue")

    def stack(self, *names: str) -> np.ndarray:
        """(height, width, n) over the box, highest row first."""
        return np.ascontiguousarray(np.stack([self.array(name) for name in names], axis=-1)[::-1])
