"""The part of a frame that a matte asks for: a model runs there and nowhere else.

Where the matte is 0 the result is the plate anyway, bit for bit, so nothing is lost: a model of one region of a face
costs what its region costs and not what the frame does.
"""

from __future__ import annotations

import numpy as np

from bipack.imaging.frame import Pixels
from bipack.imaging.tiling import TileGeometry

Window = tuple[slice, slice]

_GATED = ("masked", "region")
"""Kinds of models whose own matte holds back all that they change."""


def allowed(kind: str, matte_is_input: bool, geometry: TileGeometry) -> bool:
    """True where a part of the frame gives the pixels that the whole frame would give."""
    exact = geometry.tiling == "exact" and geometry.scale == 1 and geometry.fixed == (None, None)
    return exact and (not matte_is_input or kind in _GATED)


def window(matte: Pixels, geometry: TileGeometry) -> Window | None:
    """Rows and columns that see all of `matte` (height, width) and what the model needs around; None where it is 0."""
    rows, columns = np.flatnonzero(matte.any(axis=1)), np.flatnonzero(matte.any(axis=0))
    if not len(rows):
        return None
    halo, border, step = geometry.halo, geometry.border, geometry.alignment

    def span(places: np.ndarray, before: int, after: int, size: int) -> slice:
        # Origins and ends lie where those of tiles do, so that strided operations see the same phase.
        stop = int(places[-1]) + 1 + after
        return slice(max(0, int(places[0]) - before) // step * step, min(size, stop + -stop % step))

    height, width = matte.shape
    return (
        span(rows, halo.top + border.top, halo.bottom + border.bottom, height),
        span(columns, halo.left + border.left, halo.right + border.right, width),
    )


def around(inner: Window | None, height: int, width: int) -> list[Window]:
    """Windows that cover all of a frame but `inner`; none of them is empty."""
    if inner is None:
        return [(slice(0, height), slice(0, width))]
    rows, columns = inner
    found = [
        (slice(0, rows.start), slice(0, width)),
        (slice(rows.stop, height), slice(0, width)),
        (rows, slice(0, columns.start)),
        (rows, slice(columns.stop, width)),
    ]
    return [(down, across) for down, across in found if down.stop > down.start and across.stop > across.start]


def moved(inner: Window, by: Window) -> Window:
    """`inner`, which counts from the corner of `by`, in pixels of the frame."""
    rows, columns = (slice(part.start + start.start, part.stop + start.start) for part, start in zip(inner, by))
    return rows, columns
