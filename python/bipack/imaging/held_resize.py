"""Resizing of scene-linear light that does not ring beside lamps.

The cubic kernel overshoots by some percent of an edge. In ordinary pictures that is crispness; beside a light of
50,000 : 1 it is a black ring around a brighter rim. So the result is held near the range of the source pixels around
it: not at all while they are all below 1, and hardly beyond that range where there is a light among them.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from bipack.imaging import nonfinite, resample
from bipack.imaging.frame import Pixels
from bipack.imaging.resample import Spans

FROM, FULL = 1.0, 3.0
"""Light from which the limit closes in, and at which it is tight."""

_TIGHT = 0.004
"""Freedom beside lights, as a part of the bound itself. What a model adds to it stays below 2 % with it."""

_LEAST = 0.001
"""Freedom in absolute light."""

_ORDINARY = 0.25
"""Freedom where lights begin, as a part of the range that the kernel sees: it never overshoots by more."""


def resized_rows(plane: Pixels, width: int, height: int, spans: Spans = (None, None)) -> Iterator[tuple[int, Pixels]]:
    """`resample.resized_rows` with the cubic kernel, held; one channel (height, width) of float32 light.

    NaN and infinities are held out and put back as there.
    """
    rows = resample.resized_rows(plane, width, height, "cubic", spans)
    clean = nonfinite.hold_out(plane)[0]
    if clean.size == 0 or max(float(clean.max()), -float(clean.min())) <= FROM:
        yield from rows
        return
    reach = [_reach(side, made, span) for side, made, span in zip(plane.shape, (height, width), spans[::-1])]
    above = resample.nearest_index(plane.shape[0], height, spans[1])
    columns = resample.nearest_index(plane.shape[1], width, spans[0])
    for first, made in rows:
        nearest = above[first : first + len(made)]
        top = max(0, int(nearest[0]) - 2 * reach[0])
        around = clean[top : int(nearest[-1]) + 2 * reach[0] + 1]
        lower, upper = _bounds_of_kernel(around, reach)
        at = nearest - top
        held = np.clip(made, lower[at][:, columns], upper[at][:, columns])
        yield first, np.where(np.isfinite(made), held, made)


def _bounds_of_kernel(around: Pixels, reach: list[int]) -> tuple[Pixels, Pixels]:
    """Bounds at each source pixel: its neighbours' range, loosely where all that the kernel sees is ordinary."""
    lowest, highest = extremes(around, reach)
    darkest, brightest = extremes(around, [2 * side for side in reach])
    strongest = np.maximum(brightest, -darkest)
    free = np.where(strongest <= FROM, np.float32(np.inf), _ORDINARY * (brightest - darkest))
    return bounds(lowest, highest, strongest, free, _TIGHT)


def bounds(lowest: Pixels, highest: Pixels, strongest: Pixels, free: Pixels, tight: float) -> tuple[Pixels, Pixels]:
    """(lower, upper) bounds about the range lowest..highest.

    `free` beyond it where `strongest`, the brightest light that matters, is below FROM; where it is above FULL only
    `tight` of the bound itself.
    """
    closed = np.clip((strongest - FROM) / (FULL - FROM), 0, 1)
    freedom = np.where(closed < 1, (1 - np.minimum(closed, 0.999999)) * free, 0).astype(np.float32)
    lower = lowest - freedom - tight * np.abs(lowest) - _LEAST
    upper = highest + freedom + tight * np.abs(highest) + _LEAST
    return np.asarray(lower, np.float32), np.asarray(upper, np.float32)


def extremes(plane: Pixels, reach: list[int]) -> tuple[Pixels, Pixels]:
    """(lowest, highest) value within `reach` (rows, columns) of each pixel."""
    window = np.ones((2 * reach[0] + 1, 2 * reach[1] + 1), np.uint8)
    lowest = cv2.erode(plane, window, borderType=cv2.BORDER_REPLICATE)
    highest = cv2.dilate(plane, window, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(lowest, np.float32), np.asarray(highest, np.float32)


def _reach(source: int, result: int, span: resample.Span | None) -> int:
    """Source pixels to each side that count as neighbours of a result pixel."""
    first, last = span or (0.0, float(source))
    return max(1, int(np.ceil((last - first) / result)))
