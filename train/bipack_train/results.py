"""Running a paint-fix net on whole frames inside the trainer: for reports, texture and uncertainty.

Artists' frames go through the worker; this is for pictures that are already encoded and in memory. Large frames are
cut into tiles with a generous margin, so that memory stays bounded.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.nn import functional

from bipack.imaging.frame import Pixels
from bipack_train.grain import Repair
from bipack_train.models.finds import gate
from bipack_train.models.paintfix import PaintFixNet
from bipack_train.pairs import Pair

TILE, MARGIN = 768, 96


def stacked(pair: Pair) -> Pixels:
    """The before and its neighbours as the net takes them, (height, width, 3 * frames) float32."""
    return np.concatenate([pair.before, *pair.around], axis=-1).astype(np.float32)


@torch.no_grad()
def predict(net: PaintFixNet, planes: Pixels) -> tuple[Pixels, Pixels]:
    """Ungated fix (height, width, 3) and gate (height, width) 0..1 for encoded planes (height, width, 3 * frames)."""
    height, width = planes.shape[:2]
    fixed, factor = np.empty((height, width, 3), np.float32), np.empty((height, width), np.float32)
    device = next(net.parameters()).device
    for inner, outer in _tiles(height, width):
        piece = torch.from_numpy(np.ascontiguousarray(planes[outer].transpose(2, 0, 1)))[None].to(device)
        down, right = (-side % net.multiple for side in piece.shape[2:])
        # As the worker does it: mirrored, or the edge repeated where the frame is too small for that.
        mode = "reflect" if 2 * max(down, right) < min(piece.shape[2:]) else "replicate"
        result, logit = net(functional.pad(piece, (0, right, 0, down), mode=mode))
        top, left = inner[0].start - outer[0].start, inner[1].start - outer[1].start
        rows = slice(top, top + inner[0].stop - inner[0].start)
        columns = slice(left, left + inner[1].stop - inner[1].start)
        fixed[inner] = result[0, :, rows, columns].permute(1, 2, 0).cpu().numpy()
        factor[inner] = gate(net.judged(logit))[0, 0, rows, columns].cpu().numpy()
    return fixed, factor


def gated(planes: Pixels, fixed: Pixels, factor: Pixels) -> Pixels:
    """The finished picture, encoded."""
    plate = planes[..., :3]
    return np.where(factor[..., None] > 0, plate + factor[..., None] * (fixed - plate), plate).astype(np.float32)


def repairs(net: PaintFixNet, pairs: Sequence[Pair], most: int = 6) -> list[Repair]:
    """What the net makes of up to `most` pairs, for measuring the texture that it lacks."""
    made = []
    for pair in pairs[:: max(1, -(-len(pairs) // most))]:
        window = around_edit(pair)
        planes = stacked(pair)[window]
        fixed, factor = predict(net, planes)
        inside = (pair.matte[window] > 250) & (factor >= 1.0)
        made.append(Repair(fixed, pair.after[window].astype(np.float32), inside))
    return made


def around_edit(pair: Pair, margin: int = 64, most: int = 1024) -> tuple[slice, slice]:
    """The part of the frame around its edit, of at most `most` pixels each way."""
    spots = np.argwhere(pair.matte > 127)
    low, high = spots.min(axis=0) - margin, spots.max(axis=0) + margin + 1
    sides = []
    for start, stop, size in zip(low, high, pair.matte.shape, strict=True):
        start, stop = max(0, int(start)), min(size, int(stop))
        if stop - start > most:
            start = (start + stop - most) // 2
            stop = start + most
        sides.append(slice(start, stop))
    return sides[0], sides[1]


def _tiles(height: int, width: int) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """(what is kept, what is read) of each tile."""
    for top, left in itertools.product(range(0, height, TILE), range(0, width, TILE)):
        inner = slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width))
        outer = (
            slice(max(0, top - MARGIN), min(height, inner[0].stop + MARGIN)),
            slice(max(0, left - MARGIN), min(width, inner[1].stop + MARGIN)),
        )
        yield inner, outer
