"""NaN and infinities: kept out of every net and filter, and put back where they were.

One NaN that enters a convolution comes out as a hole of the size of its receptive field. So bad samples are replaced
by a smooth fill from their finite neighbours before the net, and restored after it: they are the artist's data, not
ours to repair.
"""

from __future__ import annotations

from typing import Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging import color
from bipack.imaging.frame import Pixels

Mask = NDArray[np.bool_]


def hold_out(pixels: Pixels) -> tuple[Pixels, Optional[Mask], int]:
    """(clean pixels, mask of bad samples, how many pixels are bad) for (height, width[, channels]) float32.

    Without a bad sample the result is (pixels itself, None, 0). The mask has the shape of `pixels`: a channel that is
    finite is not touched. The fill depends on the whole picture, so hold out before cutting tiles.
    """
    if all_finite(pixels):
        return pixels, None, 0
    bad = ~np.isfinite(pixels)
    count = int(bad.reshape(*pixels.shape[:2], -1).any(axis=2).sum())
    clean = pixels.copy()
    clean[bad] = 0.0
    planes, holes = clean.reshape(*clean.shape[:2], -1), bad.reshape(*bad.shape[:2], -1)
    for channel in range(planes.shape[2]):
        if holes[..., channel].any():
            # Averages are taken in encoded values: there a neighbour of 65504 does not drown all others.
            plane = color.encode(np.ascontiguousarray(planes[..., channel]))
            planes[..., channel][holes[..., channel]] = color.decode(_filled(plane, holes[..., channel]))[
                holes[..., channel]
            ]
    return clean, bad, count


def restore(result: Pixels, pixels: Pixels, bad: Optional[Mask], scale: int = 1) -> Pixels:
    """Put the bad samples of `pixels` back into `result`, in place; `result` is `scale` times as large."""
    if bad is None:
        return result
    if scale > 1:
        bad = bad.repeat(scale, axis=0).repeat(scale, axis=1)
        rows, columns = np.nonzero(bad.reshape(*bad.shape[:2], -1).any(axis=2))
        spot = bad[rows, columns]
        result[rows, columns] = np.where(spot, pixels[rows // scale, columns // scale], result[rows, columns])
    else:
        np.copyto(result, pixels, where=bad)
    return result


def all_finite(pixels: Pixels) -> bool:
    """True when no sample is NaN or infinite. Extremes carry NaN and need no memory, unlike a mask."""
    return pixels.size == 0 or bool(np.isfinite(pixels.max()) and np.isfinite(pixels.min()))


def _filled(plane: Pixels, holes: Mask) -> Pixels:
    """Fill holes from outside in: average what is known over ever coarser pictures, then come back down.

    Known samples stay as they are. A plane without any known sample is filled with 0.
    """
    known = 1.0 - holes.astype(np.float32)
    if not holes.any():
        return plane
    if plane.size <= 1 or not known.any():
        return plane * known
    size = ((plane.shape[1] + 1) // 2, (plane.shape[0] + 1) // 2)
    padding = (0, plane.shape[0] % 2, 0, plane.shape[1] % 2)
    weight = _halved(known, size, padding)
    total = _halved(plane * known, size, padding)
    coarse = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    coarse = _filled(coarse, weight <= 0)
    fine = cv2.resize(coarse, (size[0] * 2, size[1] * 2), interpolation=cv2.INTER_LINEAR)
    return np.where(holes, fine[: plane.shape[0], : plane.shape[1]], plane)


def _halved(plane: Pixels, size: tuple[int, int], padding: tuple[int, int, int, int]) -> Pixels:
    padded = cv2.copyMakeBorder(plane, *padding, cv2.BORDER_CONSTANT, value=0)
    return np.asarray(cv2.resize(padded, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
