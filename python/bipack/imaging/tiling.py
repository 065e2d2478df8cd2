"""How a frame is cut into tiles and put together again, as pure arithmetic.

What a model needs of a tile comes from its graph (`bipack.worker.graph`) as a `TileGeometry`; this file turns it into a
plan. Exact plans give every result pixel to one tile that sees all that the pixel depends on, so tiled = whole frame. A
tile that touches the frame's border ends there, because a model's own zero padding must happen at the true border only;
tiles on the inner side carry the whole halo. All tiles of a plan have one shape: the runtime plans memory per shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from bipack.errors import UsageError

RAMP_STEPS = 2048
"""Cross-fade weights are multiples of 1/2048: products of two fit a float32, so weights sum to exactly 1."""


@dataclass(frozen=True)
class Margins:
    """Plate pixels on the four sides."""

    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0

    @property
    def largest(self) -> int:
        """The farthest side."""
        return max(self.left, self.right, self.top, self.bottom)


@dataclass(frozen=True)
class TileGeometry:
    """What a model needs of its tiles. Lengths are plate pixels unless said otherwise."""

    scale: int = 1
    """Result pixels per plate pixel."""

    halo: Margins = field(default_factory=Margins)
    """Rim of a tile's result that is wrong where the tile was cut out of a larger frame."""

    border: Margins = field(default_factory=Margins)
    """Rim that the model itself cuts off (convolutions without padding); the frame is padded by it first."""

    offset: tuple[int, int] = (0, 0)
    """Rows and columns of the model's result, in result pixels, before those of the first plate pixel."""

    alignment: int = 1
    """Tile origins are multiples of this, so that strided operations see the same phase."""

    multiple: int = 1
    """Height and width given to the model are multiples of this; divides `alignment`."""

    minimum: int = 1
    """Smallest height and width that the model runs at."""

    tiling: str = "exact"
    """exact, blend (tiles are cross-faded) or whole (never tiled)."""

    overlap: int = 0
    """Length of the cross-fade between two tiles of a blend."""

    fixed: tuple[int | None, int | None] = (None, None)
    """Height and width where the graph allows one only."""


@dataclass(frozen=True)
class Tile:
    """One run of the model. All slices are (rows, columns)."""

    read: tuple[slice, slice]
    """Plate pixels that the tile covers, inside the plate."""

    pad: tuple[tuple[int, int], tuple[int, int]]
    """Pixels to add around them: ((top, bottom), (left, right))."""

    mode: tuple[str, str]
    """How to add them, per axis: `reflect`, or `edge` where the frame is too small to be reflected."""

    keep: tuple[slice, slice]
    """Part of the tile's result that is used, in result pixels."""

    write: tuple[slice, slice]
    """Where it goes in the result frame, in result pixels."""

    weights: tuple[np.ndarray, np.ndarray] | None = None
    """Cross-fade weights (rows, columns) of a blend; over all tiles their products sum to 1 at every pixel."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width that the model sees."""
        rows, columns = self.read
        (top, bottom), (left, right) = self.pad
        return rows.stop - rows.start + top + bottom, columns.stop - columns.start + left + right


def plan(height: int, width: int, geometry: TileGeometry, tile: int | tuple[int, int] | None) -> list[Tile]:
    """Tiles of a frame, row by row.

    `tile` is the largest size of a tile, overlap included, in plate pixels: one number, (height, width), or None for
    the whole frame in one run. Raises UsageError when tiles of that size are all overlap, or when a model that cannot
    be tiled does not fit its fixed size.
    """
    tall, wide = (tile, tile) if tile is None or isinstance(tile, int) else tile
    rows = _spans(_layout(height, tall, 0, geometry), geometry)
    columns = _spans(_layout(width, wide, 1, geometry), geometry)
    return [_tile(row, column, geometry) for row in rows for column in columns]


def computed(height: int, width: int, geometry: TileGeometry, tile: int | tuple[int, int] | None) -> int:
    """Pixels that such a plan runs through the model, overlap and padding included. Raises what `plan` raises."""
    tall, wide = (tile, tile) if tile is None or isinstance(tile, int) else tile
    rows, columns = _layout(height, tall, 0, geometry), _layout(width, wide, 1, geometry)
    return rows.size * rows.count * columns.size * columns.count


def padded_size(height: int, width: int, geometry: TileGeometry) -> tuple[int, int]:
    """Height and width that the model sees when it runs on the whole frame."""
    border, fixed = geometry.border, geometry.fixed
    return (
        _padded(height, border.top + border.bottom, fixed[0], geometry),
        _padded(width, border.left + border.right, fixed[1], geometry),
    )


def smallest_tile(geometry: TileGeometry) -> int:
    """Smallest tile size that every frame can be tiled with."""
    lengths = []
    for low, high, trimmed in (
        (geometry.halo.left, geometry.halo.right, geometry.border.left + geometry.border.right),
        (geometry.halo.top, geometry.halo.bottom, geometry.border.top + geometry.border.bottom),
    ):
        # A frame of any length may ask for up to one alignment less, to be congruent with it.
        lengths.append(low + high + trimmed + _ramp(geometry) + 2 * geometry.alignment - 1)
        # Mirrored padding: the border that is trimmed plus what rounds the frame up, twice.
        lengths.append(2 * (trimmed + geometry.multiple) + geometry.alignment)
    return max(*lengths, geometry.minimum + geometry.alignment - 1)


def pad(pixels: np.ndarray, tile: Tile) -> np.ndarray:
    """Add the tile's padding to `pixels`, whose last two axes are rows and columns."""
    lead = [(0, 0)] * (pixels.ndim - 2)
    for axis in (0, 1):
        if any(tile.pad[axis]):
            amount = [*lead, (0, 0), (0, 0)]
            amount[len(lead) + axis] = tile.pad[axis]
            pixels = np.pad(pixels, amount, mode=tile.mode[axis])  # type: ignore[call-overload]
    return pixels


@dataclass(frozen=True)
class _Layout:
    """How one axis is cut; lengths are plate pixels."""

    length: int
    """Of the frame."""

    padded: int
    """What the model would see of the whole frame."""

    size: int
    """Of every tile."""

    count: int
    """Tiles."""

    halo: tuple[int, int]
    border: tuple[int, int]
    mode: str


@dataclass(frozen=True)
class _Span:
    """A tile along one axis; `start` counts from the padded frame's first pixel."""

    start: int
    read: slice
    pad: tuple[int, int]
    mode: str
    write: slice  # plate pixels
    weights: np.ndarray | None  # per result pixel


def _layout(length: int, tile: int | None, axis: int, g: TileGeometry) -> _Layout:
    """Cut rows (`axis` 0) or columns (1). Raises UsageError for tiles that are all overlap."""
    halo = ((g.halo.top, g.halo.bottom), (g.halo.left, g.halo.right))[axis]
    border = ((g.border.top, g.border.bottom), (g.border.left, g.border.right))[axis]
    fixed = g.fixed[axis]
    padded = _padded(length, sum(border), fixed, g)
    size = fixed or padded
    if tile is not None and fixed is None and g.tiling != "whole":
        size = min(padded, tile - (tile - padded) % g.alignment)
    # A tile on the frame's border must hold the pixels that are mirrored there, or it would differ from the whole.
    mirrored = 2 * max(border[0], padded - length - border[0]) + 1
    mode = "reflect" if length >= mirrored and (fixed is None or fixed >= mirrored) else "edge"
    if size == padded:
        return _Layout(length, padded, size, 1, halo, border, mode)
    if g.tiling == "whole":
        raise UsageError(
            f"The model cannot be tiled and takes {fixed} pixels only; this frame needs {padded}. Crop or resize it."
        )
    lost = sum(halo) + sum(border) + _ramp(g)
    stride = (size - lost) // g.alignment * g.alignment
    if stride < g.alignment or size < max(g.minimum, mirrored if mode == "reflect" else 1):
        raise UsageError(
            f"Tiles of {tile or size} pixels are too small for this model: {lost} pixels of each are overlap and"
            f" its smallest input is {g.minimum}. Use {smallest_tile(g)} or more, or `auto`."
        )
    return _Layout(length, padded, size, math.ceil((padded - size) / stride) + 1, halo, border, mode)


def _spans(layout: _Layout, g: TileGeometry) -> list[_Span]:
    """The tiles along one axis."""
    length, size, before = layout.length, layout.size, layout.border[0]
    starts = _starts(layout, g)
    limits = _limits(starts, size - sum(layout.border), layout.halo, length, g)
    spans = []
    for start, (first, last, weights) in zip(starts, limits):
        if first < min(last, length):
            low, high = max(0, start - before), min(length, start - before + size)
            pads = (max(0, before - start), max(0, start - before + size - length))
            spans.append(_Span(start, slice(low, high), pads, layout.mode, slice(first, min(last, length)), weights))
    return spans


def _padded(length: int, trimmed: int, fixed: int | None, g: TileGeometry) -> int:
    needed = max(length + trimmed, g.minimum)
    if fixed is None:
        return math.ceil(needed / g.multiple) * g.multiple
    return fixed + math.ceil(max(0, needed - fixed) / g.alignment) * g.alignment


def _ramp(g: TileGeometry) -> int:
    return g.overlap if g.tiling == "blend" else 0


def _starts(layout: _Layout, g: TileGeometry) -> list[int]:
    """Origins, evenly spread and aligned, such that the good parts of the tiles meet."""
    room, gaps = layout.padded - layout.size, max(1, layout.count - 1)
    return [index * room // gaps // g.alignment * g.alignment for index in range(layout.count)]


def _limits(
    starts: list[int], good: int, halo: tuple[int, int], length: int, g: TileGeometry
) -> list[tuple[int, int, np.ndarray | None]]:
    """First and last plate pixel (exclusive) that each tile writes, with weights where tiles are cross-faded."""
    seams = [start + halo[0] for start in starts[1:]]
    if g.tiling != "blend":
        edges = [0, *seams, max(length, starts[-1] + good)]
        return [(edges[index], edges[index + 1], None) for index in range(len(starts))]
    gap = min((b - a for a, b in zip(starts[1:], starts[2:])), default=g.overlap)
    ramp = max(1, min(g.overlap, gap))
    firsts = [0, *seams]
    lasts = [*[seam + ramp for seam in seams], max(length, starts[-1] + good)]
    limits: list[tuple[int, int, np.ndarray | None]] = []
    for index, (first, last) in enumerate(zip(firsts, lasts)):
        weights = np.ones((last - first) * g.scale, np.float32)
        rise = _rise(ramp * g.scale)
        if index > 0:
            weights[: len(rise)] = rise
        if index < len(starts) - 1:
            weights[-len(rise) :] = 1.0 - rise
        limits.append((first, last, weights[: max(0, min(last, length) - first) * g.scale]))
    return limits


def _rise(count: int) -> np.ndarray:
    """A raised-cosine rise of `count` samples, on the grid of `RAMP_STEPS`."""
    phase = (np.arange(count) + 0.5) / count
    return (np.round((0.5 - 0.5 * np.cos(np.pi * phase)) * RAMP_STEPS) / RAMP_STEPS).astype(np.float32)


def _tile(row: _Span, column: _Span, g: TileGeometry) -> Tile:
    def kept(span: _Span, offset: int) -> slice:
        first, last = span.write.start - span.start, span.write.stop - span.start
        return slice(first * g.scale + offset, last * g.scale + offset)

    def written(span: _Span) -> slice:
        return slice(span.write.start * g.scale, span.write.stop * g.scale)

    weights = None
    if row.weights is not None and column.weights is not None:
        weights = (row.weights, column.weights)
    return Tile(
        read=(row.read, column.read),
        pad=(row.pad, column.pad),
        mode=(row.mode, column.mode),
        keep=(kept(row, g.offset[0]), kept(column, g.offset[1])),
        write=(written(row), written(column)),
        weights=weights,
    )
