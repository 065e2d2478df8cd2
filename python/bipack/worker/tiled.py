"""A frame through a model, tile by tile.

The plate is asked for piece by piece and the result handed out piece by piece, so that neither is ever held in the
network's encoding as a whole: memory is the frame's own buffers plus one tile. `auto` tiles fit a memory budget and
shrink when memory runs out, with a line that says so; a tile size that the user chose is kept, or the run ends.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from bipack.errors import BipackError, GpuOutOfMemory, ModelRefused, UsageError
from bipack.imaging import tiling
from bipack.imaging.tiling import Tile, TileGeometry
from bipack.worker import self_ensemble
from bipack.worker.devices import CPU
from bipack.worker.runtime import OutOfMemory
from bipack.worker.session import Session

log = logging.getLogger(__name__)

WASTE_ALLOWED = 1.05
"""How much more than the plate may be computed because of overlap, before `auto` takes more memory instead.

Measured with a net of ten 3×3 convolutions of 32 channels at 1920×1080 on a CPU (one thread, million pixels a second):
the runtime's own speed does not depend on the shape, 1.26 to 1.31 from 128×128 to the whole frame, so only the overlap
counts. Useful pixels: 128×128 0.91, 256×256 1.09, 512×512 1.19, full-width bands of 136 rows 1.08, of 270 rows 1.17, of
540 rows 1.23, whole 1.28. Hence the shape that computes least: bands across the frame where they fit, which waste
nothing sideways, nearly square tiles where they would be thin; and no more memory than that takes.
"""

LANE_SHARE = 5
"""A lane's tile takes at most this part of the memory for tiles. Overlap grows slowly below it, memory fast above."""

LANE_WASTE_ALLOWED = 1.15
"""How much more than the plate may be computed for the sake of lanes. Two lanes of one thread each do 2.3 million plate
pixels a second with superres_x2 where one run with two threads does 2.0, and leave no core idle between runs."""

MOST_COLUMNS = 64
"""Columns of tiles that `auto` considers."""

ReadTile = Callable[[slice, slice], Mapping[str, np.ndarray]]
"""Gives the model's inputs for rows and columns of the plate: pictures as float32 (1, channels, rows, columns), in the
network's encoding; other inputs (amounts, latents) as they are."""


@dataclass(frozen=True)
class Region:
    """Where a piece of the result goes."""

    rows: slice
    """Rows of the result, in result pixels."""

    columns: slice
    fraction: float
    """Part of the frame that is done with this piece, 0..1."""


def iterate(
    session: Session,
    read_tile: ReadTile,
    height: int,
    width: int,
    tile: str | int = "auto",
    cancel: threading.Event | None = None,
    looks: int = 1,
) -> Iterator[tuple[Region, np.ndarray]]:
    """Run a model over a frame of `height` × `width` plate pixels; yields pieces of its first output.

    A piece is float32 (channels, rows, columns), and valid until the next one is asked for. Pieces cover the result
    without gap or overlap. If memory runs out at an `auto` tile, the frame starts over with smaller ones: pieces that
    were handed out come again, and `session.notices` gets a line.

    `tile` is `auto` or the largest tile in plate pixels, overlap included. `looks` is how many mirrored looks at each
    tile are averaged: 1, 2, 4 or 8 (see `worker.self_ensemble`). Raises UsageError for a tile that is all overlap,
    GpuOutOfMemory (on a CPU too) when memory runs out at the user's tile or at the smallest, Cancelled, ModelRefused.
    """
    chosen = parse_tile(tile)
    geometry = self_ensemble.geometry_for(session.facts.geometry, looks, session.name)
    if chosen is not None:
        _say_untiled(session, geometry, chosen, height, width)
    while True:
        size = auto_tile(session, height, width) if chosen is None else chosen
        tiles = tiling.plan(height, width, geometry, size)
        try:
            yield from _pieces(_results(session, read_tile, tiles, geometry, cancel, looks), tiles, geometry)
            return
        except OutOfMemory as error:
            log.info("Out of memory with tiles of %s: %s", tiles[0].shape, error)
            _shrink(session, tiles, chosen, error)


def run_tiled(
    session: Session,
    feeds: Mapping[str, np.ndarray],
    tile: str | int = "auto",
    progress: Callable[[float], None] | None = None,
    cancel: threading.Event | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Run a model over inputs that are at hand: pictures (1, channels, height, width) float32, others as they are.

    Returns (channels, height·scale, width·scale) float32, in `out` where that is given. Raises what `iterate` raises.
    """
    pictures = _picture_names(session)
    height, width = next(feeds[name].shape[2:] for name in feeds if name in pictures)

    def read_tile(rows: slice, columns: slice) -> dict[str, np.ndarray]:
        return {name: array[..., rows, columns] if name in pictures else array for name, array in feeds.items()}

    scale = session.facts.geometry.scale
    for region, piece in iterate(session, read_tile, height, width, tile, cancel):
        if out is None:
            out = np.empty((len(piece), height * scale, width * scale), np.float32)
        out[:, region.rows, region.columns] = piece
        if progress is not None:
            progress(region.fraction)
    assert out is not None
    return out


def parse_tile(tile: str | int) -> int | None:
    """A tile setting as pixels, None for `auto`. Raises UsageError."""
    if str(tile).strip().lower() == "auto":
        return None
    try:
        pixels = int(tile)
    except ValueError:
        pixels = 0
    if pixels < 1:
        raise UsageError(f"Tile {tile!r} is neither `auto` nor a number of pixels.")
    return pixels


# -- the size of tiles ---------------------------------------------------------------------------------------------


def auto_tile(session: Session, height: int, width: int) -> tuple[int, int] | None:
    """Height and width of the tiles that suit the memory there is; None for the whole frame at once."""
    geometry = session.facts.geometry
    if geometry.tiling == "whole":
        return None
    whole = math.prod(tiling.padded_size(height, width, geometry))
    most = _pixels(session, session.tile_budget)
    if session.tile_limit is not None:
        most = min(most, session.tile_limit)
    if whole <= most and (geometry.tiling == "blend" or session.provider != CPU):
        return None
    shared = _lane_shape(session, height, width, most) if session.lanes > 1 else None
    if shared is not None:
        return shared
    steps = (most // 4, most // 2, most) if session.provider == CPU else (most,)
    shapes = [_best_shape(geometry, height, width, max(pixels, 1)) for pixels in steps]
    for shape in shapes:
        if _computed(geometry, height, width, shape) <= WASTE_ALLOWED * whole:
            break
    return None if math.prod(shape) >= whole else shape


def _lane_shape(session: Session, height: int, width: int, most: int) -> tuple[int, int] | None:
    """Tiles that keep all lanes busy to the frame's end: a multiple of the lanes, of one size, with little overlap.

    None where the frame is too small to be worth sharing out.
    """
    geometry, lanes = session.facts.geometry, session.lanes
    tall, wide = tiling.padded_size(height, width, geometry)
    lost, least, alignment = _lost(geometry), tiling.smallest_tile(geometry), geometry.alignment
    room = most // max(lanes, LANE_SHARE)
    rows = [_share(tall, count, lost[0], alignment, least) for count in range(1, MOST_COLUMNS + 1)]
    columns = [_share(wide, count, lost[1], alignment, least) for count in range(1, MOST_COLUMNS + 1)]
    shapes = {
        (down, across)
        for down_count, down in enumerate(rows, 1)
        for across_count, across in enumerate(columns, 1)
        if down_count * across_count % lanes == 0 and down_count * across_count >= 2 * lanes and down * across <= room
    }
    best = min(shapes, key=lambda shape: _computed(geometry, height, width, shape), default=None)
    if best is None or _computed(geometry, height, width, best) > LANE_WASTE_ALLOWED * tall * wide:
        return None
    return best


def _pixels(session: Session, memory: int) -> int:
    return int(memory / max(session.facts.bytes_per_pixel, 1.0))


def _lost(geometry: TileGeometry) -> tuple[int, int]:
    """Pixels of a tile's height and width that are overlap."""
    halo, border = geometry.halo, geometry.border
    ramp = geometry.overlap if geometry.tiling == "blend" else 0
    return (
        halo.top + halo.bottom + border.top + border.bottom + ramp,
        halo.left + halo.right + border.left + border.right + ramp,
    )


def _best_shape(geometry: TileGeometry, height: int, width: int, pixels: int) -> tuple[int, int]:
    """Tiles of at most `pixels` that compute the least: as few columns as possible, all of one size."""
    least = tiling.smallest_tile(geometry)
    tall, wide = tiling.padded_size(height, width, geometry)
    lost = _lost(geometry)
    candidates = []
    for columns in range(1, min(MOST_COLUMNS, max(1, math.ceil(wide / least))) + 1):
        across = _share(wide, columns, lost[1], geometry.alignment, least)
        rows, room = 1, max(least, pixels // across)
        if room < tall:
            good = (room - lost[0] - geometry.alignment + 1) // geometry.alignment * geometry.alignment
            rows = math.ceil((tall - lost[0]) / max(1, good))
        candidates.append((_share(tall, rows, lost[0], geometry.alignment, least), across))
    candidates.append((least, least))
    fitting = [shape for shape in candidates if math.prod(shape) <= pixels] or [min(candidates, key=math.prod)]
    cost = {shape: _computed(geometry, height, width, shape) for shape in fitting}
    # Wide tiles first among equals: a band of rows lies together in the frame's memory.
    return max((shape for shape in fitting if cost[shape] <= 1.005 * min(cost.values())), key=lambda shape: shape[1])


def _share(length: int, count: int, lost: int, alignment: int, least: int) -> int:
    """Size of `count` tiles over `length` pixels."""
    if count == 1:
        return length
    stride = math.ceil((length - lost) / count / alignment) * alignment
    return min(length, max(least, stride + lost + alignment - 1))


def _computed(geometry: TileGeometry, height: int, width: int, shape: tuple[int, int]) -> int:
    """Pixels that tiles of `shape` run through the model."""
    try:
        return tiling.computed(height, width, geometry, shape)
    except UsageError:
        return 1 << 62


def _shrink(session: Session, tiles: list[Tile], chosen: int | None, error: OutOfMemory) -> None:
    """Prepare for smaller tiles after memory ran out. Raises GpuOutOfMemory when there is no smaller one."""
    tall, wide = tiles[0].shape
    geometry, device = session.facts.geometry, session.device
    failed = f"Model {session.name!r}: memory ran out on {device} with tiles of {wide}×{tall} pixels"
    _rebuild(session, failed, error)
    if chosen is not None and len(tiles) > 1:
        raise GpuOutOfMemory(f"{failed}, as chosen. Choose a smaller tile, or `auto`.") from error
    if geometry.tiling == "whole" or None not in geometry.fixed:
        raise GpuOutOfMemory(f"{failed}, and this model cannot take less. Use a smaller frame.") from error
    if chosen is not None:
        raise GpuOutOfMemory(f"{failed} (the frame fits into one). Choose a smaller tile, or `auto`.") from error
    smallest = tiling.smallest_tile(geometry) ** 2
    if tall * wide <= smallest:
        raise GpuOutOfMemory(f"{failed}, the smallest there is. Free memory, or use another device.") from error
    session.tile_limit = max(smallest, tall * wide // 2)
    session.notices.append(f"{failed}; the frame is done again with tiles of half that size.")


def _rebuild(session: Session, failed: str, error: OutOfMemory) -> None:
    try:
        session.rebuild()
    except (OutOfMemory, BipackError):
        raise GpuOutOfMemory(f"{failed}, and the model could not be loaded again. Free memory.") from error


def _say_untiled(session: Session, geometry: TileGeometry, chosen: int, height: int, width: int) -> None:
    if geometry.tiling == "whole" and max(height, width) > chosen:
        reason = session.facts.reasons[0] if session.facts.reasons else "its card says so"
        notice = (
            f"Model {session.name!r} cannot be tiled ({reason}): the whole frame is run at once, whatever the tile."
        )
        if notice not in session.notices:
            session.notices.append(notice)


# -- running -------------------------------------------------------------------------------------------------------


def _picture_names(session: Session) -> set[str]:
    return {entry.name for entry in session.facts.inputs if entry.picture}


def _pieces(
    results: Iterator[tuple[Tile, np.ndarray]], tiles: list[Tile], geometry: TileGeometry
) -> Iterator[tuple[Region, np.ndarray]]:
    """The results of all tiles of one plan, cross-faded where the plan says so."""
    if tiles[0].weights is None:
        for index, (tile, result) in enumerate(results):
            yield Region(*tile.write, (index + 1) / len(tiles)), result
    else:
        yield from _blended(results, tiles, geometry)


def _results(
    session: Session,
    read_tile: ReadTile,
    tiles: list[Tile],
    geometry: TileGeometry,
    cancel: threading.Event | None,
    looks: int,
) -> Iterator[tuple[Tile, np.ndarray]]:
    """The part of each tile's result that is kept: (channels, rows, columns)."""
    pictures, output = _picture_names(session), session.card.outputs[0].name

    def run(tile: Tile, lane: int | None) -> np.ndarray:
        given = read_tile(*tile.read)
        feeds = {name: tiling.pad(array, tile) if name in pictures else array for name, array in given.items()}

        def once(seen: Mapping[str, np.ndarray]) -> np.ndarray:
            return session.run(seen, cancel, reuse=True, lane=lane)[output]

        result = self_ensemble.run(once, feeds, pictures, looks)
        _check_result(session, result, tile, geometry)
        kept: np.ndarray = result[0, :, tile.keep[0], tile.keep[1]]
        return kept

    lanes = _lanes(session, tiles)
    if lanes == 1:
        for tile in tiles:
            yield tile, run(tile, None)
        return
    # A lane's next tile starts when the caller is done with its last result, which lies in the lane's own buffer.
    # Leaving, for whatever reason, waits for the lanes: a session must not be rebuilt or closed under a run.
    ahead = iter(tiles)
    with ThreadPoolExecutor(lanes, "bipack-lane") as pool:
        running = {pool.submit(run, tile, lane): (tile, lane) for lane, tile in zip(range(lanes), ahead)}
        while running:
            # Tiles that are cross-faded come in order; exact ones as they are done, so that no lane waits for another.
            first = next(iter(running))
            if tiles[0].weights is None:
                first = next(iter(wait(running, return_when=FIRST_COMPLETED).done))
            tile, lane = running.pop(first)
            yield tile, first.result()
            following = next(ahead, None)
            if following is not None:
                running[pool.submit(run, following, lane)] = (following, lane)


def _lanes(session: Session, tiles: list[Tile]) -> int:
    """How many tiles to run at once: no more than fit the memory for tiles together."""
    fitting = _pixels(session, session.tile_budget) // math.prod(tiles[0].shape)
    return max(1, min(session.lanes, len(tiles), fitting))


def _check_result(session: Session, result: np.ndarray, tile: Tile, geometry: TileGeometry) -> None:
    """Raise ModelRefused unless the result holds what the plan wants to keep of it."""
    wanted = tuple(kept.stop for kept in tile.keep)
    most = tuple((size + 2) * geometry.scale + 2 * start for size, start in zip(tile.shape, geometry.offset))
    if result.ndim != 4 or any(not low <= size <= high for low, size, high in zip(wanted, result.shape[2:], most)):
        found = "×".join(str(size) for size in result.shape)
        raise ModelRefused(
            f"Model {session.name!r} made {found} out of {tile.shape[0]}×{tile.shape[1]}, where {wanted[0]}×{wanted[1]}"
            " was to be expected from its graph. It cannot be used on this frame size."
        )


def _blended(
    results: Iterator[tuple[Tile, np.ndarray]], tiles: list[Tile], geometry: TileGeometry
) -> Iterator[tuple[Region, np.ndarray]]:
    """Cross-fade tiles, one row of tiles at a time; rows that no later tile touches are handed out."""
    starts = sorted({tile.write[0].start for tile in tiles})
    carried: Any = None
    columns = max(tile.write[1].stop for tile in tiles)
    for number, (_, group) in enumerate(groupby(results, key=lambda pair: pair[0].write[0].start)):
        band, rows = _band(group, columns)
        if carried is not None:
            band[:, : carried.shape[1]] += carried
        end = starts[number + 1] if number + 1 < len(starts) else rows.stop
        yield Region(slice(rows.start, end), slice(0, columns), (number + 1) / len(starts)), band[:, : end - rows.start]
        carried = band[:, end - rows.start :].copy()


def _band(group: Iterator[tuple[Tile, np.ndarray]], columns: int) -> tuple[np.ndarray, slice]:
    """One row of tiles, weighted and added up: (channels, rows, columns)."""
    band, rows = None, slice(0)
    for tile, result in group:
        if band is None:
            rows = tile.write[0]
            band = np.zeros((len(result), rows.stop - rows.start, columns), np.float32)
        assert tile.weights is not None
        down, across = tile.weights
        band[:, :, tile.write[1]] += result * (down[:, None] * across[None, :])
    assert band is not None
    return band, rows
